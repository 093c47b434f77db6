"""The strategies of views by name: what a data set can answer, and what each name means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from scaling.batch import Schema, View

Bools = npt.NDArray[np.bool_]

WHOLE: Final = ("recent", "lifetime")
"""Strategies that choose among all events."""
MERGED: Final = "merged"
BY: Final[tuple[Literal["user", "request"], ...]] = ("user", "request")


@dataclass(frozen=True)
class Category:
    """`BY.ATTRIBUTE`: the events of the categories that the user or the request is about."""

    by: Literal["user", "request"]
    attribute: str


def strategies(schema: Schema) -> tuple[str, ...]:
    """Every strategy a data set can answer; `A+B` stands for any two or more behaviours."""
    joined = ("A+B",) if len(schema.behaviours) > 1 else ()
    return (
        *WHOLE,
        *schema.behaviours,
        *(f"no_{name}" for name in schema.behaviours),
        *joined,
        *(f"{by}.{name}" for by in BY for name in schema.item_attributes),
        MERGED,
    )


def check_views(schema: Schema, views: Sequence[View]) -> None:
    """`ValueError` for no view at all or for a strategy that the data set can't answer."""
    if not views:
        raise ValueError("views must hold at least one view, got none")
    for view in unmerged(views):
        if category(schema, view.strategy) is None:
            chosen_actions(schema, view.strategy)


def unmerged(views: Sequence[View]) -> Iterator[View]:
    """The views, and in the place of a merged one those that it unites."""
    for view in views:
        if view.strategy == MERGED:
            yield from unmerged(view.of)
        else:
            yield view


def category(schema: Schema, strategy: str) -> Category | None:
    """What `BY.ATTRIBUTE` asks for; None for a strategy of another kind.

    Raises:
        ValueError: an attribute that items of this data set don't have.
    """
    # A behaviour may be called anything: the plain names go first.
    if strategy in schema.behaviours:
        return None
    for by in BY:
        if not strategy.startswith(f"{by}."):
            continue
        attribute = strategy.removeprefix(f"{by}.")
        if attribute not in schema.item_attributes:
            valid = ", ".join(schema.item_attributes) or "none in this data set"
            raise ValueError(
                f"unknown item attribute {attribute!r} in view strategy {strategy!r}; "
                f"valid attributes: {valid}; {_valid(schema)}"
            )
        return Category(by, attribute)
    return None


def chosen_actions(schema: Schema, strategy: str) -> Bools:
    """Which action codes a strategy by behaviour chooses, [num_actions]; all of them for `recent`
    and `lifetime`.

    Raises:
        ValueError: an unknown strategy or behaviour; lists the valid ones.
    """
    if strategy in WHOLE:
        return np.ones(schema.num_actions, bool)
    labels = np.array(schema.action_labels, bool)
    negated = strategy not in schema.behaviours and strategy.startswith("no_")
    names = [strategy.removeprefix("no_")] if negated else [strategy]
    if names[0] not in schema.behaviours and "+" in strategy:
        negated, names = False, strategy.split("+")
        for name in names:
            if name not in schema.behaviours:
                raise ValueError(
                    f"unknown behaviour {name!r} in view strategy {strategy!r}; valid behaviours: "
                    f"{', '.join(schema.behaviours)}; {_valid(schema)}"
                )
            if names.count(name) > 1:
                raise ValueError(f"view strategy {strategy!r} names the behaviour {name!r} twice")
    elif names[0] not in schema.behaviours:
        raise ValueError(f"unknown view strategy {strategy!r}; {_valid(schema)}")
    columns = [schema.behaviours.index(name) for name in names]
    chosen: Bools = labels[:, columns].any(axis=1) != negated
    return chosen


def _valid(schema: Schema) -> str:
    return f"valid: {', '.join(strategies(schema))}"
