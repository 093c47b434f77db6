"""References of a run table: counted instead of trained, so they have a loss and no curve."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from scaling.analysis.configurations import usable
from scaling.analysis.grouping import grouped
from scaling.analysis.result import number

ROLE = "role"
"""The column that says so, with the value `reference`; a run without one was trained."""


@dataclass(frozen=True)
class Reference:
    """One reference, to be set beside the curves; no fit, frontier or comparison knows it."""

    name: str
    loss: float
    """The analysed target; the mean, should there be several runs."""
    runs: int

    def sentence(self, target: str) -> str:
        """`popularity: a reference, counted: loss 0.291`."""
        return f"{self.name}: a reference, counted: {target} {number(self.loss)}"


@dataclass(frozen=True)
class Roles:
    """A run table split by role; together `trained` and `references` hold every row."""

    runs: pd.DataFrame
    trained: pd.DataFrame
    references: pd.DataFrame


def split_roles(runs: pd.DataFrame) -> Roles:
    """Trained runs and references."""
    if not runs.index.is_unique:  # of tables put together: rows could not be named
        runs = runs.reset_index(drop=True)
    if ROLE not in runs.columns:
        return Roles(runs, runs, runs.iloc[:0])
    counted = (runs[ROLE].fillna("trained").astype(str) == "reference").to_numpy()
    return Roles(runs, runs[~counted], runs[counted])


def references_of(
    roles: Roles, beside: pd.Index, *, target: str, allow_mixed: bool
) -> tuple[tuple[Reference, ...], pd.DataFrame]:
    """The references by name, and the rows that can't be used, with the column `excluded` (why).

    Args:
        roles: of the table.
        beside: index of the trained runs in use; a reference of other data is refused or named apart.
        target: the loss column.
        allow_mixed: see `grouped`.

    Raises:
        ValueError: references and trained runs of different data, unless `allow_mixed`.
    """
    usability = usable(roles.references, [target])
    if usability.runs.empty:
        return (), usability.excluded
    together = roles.runs.loc[[*beside, *usability.runs.index]]
    found = []
    for part in grouped(together, by="architecture", allow_mixed=allow_mixed):
        mine = part.runs.loc[part.runs.index.isin(usability.runs.index), target]
        if len(mine):
            found.append(Reference(part.name, float(mine.mean()), len(mine)))
    return tuple(found), usability.excluded
