"""What is chosen in the explorer, and its form as the query string of an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import parse_qsl, urlencode

LONGEST = 20_000
"""Characters of a query string that are read."""
MANY = ("sweeps", "architectures")
"""Choices of which several may hold."""
FILTER = "f."
"""What the name of a filter begins with; the axis follows."""
NOTHING = ""
"""The only value of a choice in which nothing is checked: no run passes."""
RANGE = ".."
"""Stands between the ends of a range; either may be missing."""


@dataclass(frozen=True)
class State:
    """Everything that decides what the page shows; an empty choice stands for the usual one."""

    sweeps: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    """None chosen means all."""
    metric: str = "loss"
    cost: str = "compute"
    law: str = "offset"
    counting: str = "compute"
    figure: str = "cost"
    by: str = "architecture"
    """The column whose values are the groups."""
    run: str = ""
    """Of which the details are shown."""
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By axis: the values that pass as text, or one text `LOW..HIGH`."""

    def search(self) -> str:
        """As a query string with its question mark; what is as usual is left out."""
        usual = State()
        pairs: list[tuple[str, str]] = []
        for name in (one.name for one in fields(self) if one.name != "filters"):
            value = getattr(self, name)
            if value != getattr(usual, name):
                pairs += [(name, v) for v in (value if name in MANY else (value,))]
        for axis in sorted(self.filters):
            pairs += [(FILTER + axis, value) for value in self.filters[axis]]
        return "?" + urlencode(pairs) if pairs else ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON data, for the browser to keep."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        plain |= {name: list(plain[name]) for name in MANY}
        return plain | {"filters": {axis: list(v) for axis, v in self.filters.items()}}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> State:
        """What `to_dict` gave; the browser sends it back, so every value is made a text."""
        made: dict[str, Any] = {}
        for one in fields(State):
            if one.name == "filters":
                filters = data.get("filters") or {}
                made["filters"] = {str(k): tuple(map(str, v)) for k, v in filters.items()}
            elif one.name in MANY:
                made[one.name] = tuple(map(str, data.get(one.name) or ()))
            elif data.get(one.name) is not None:
                made[one.name] = str(data[one.name])
        return State(**made)


def parse(search: str) -> tuple[State, list[str]]:
    """The state that a query string asks for, and what of it can't be understood, in sentences.

    Nothing is looked up here: whether the runs have such a metric is for `choices.resolve` to say.
    """
    told: list[str] = []
    if len(search) > LONGEST:
        return State(), [f"The address is longer than {LONGEST:,} characters and was not read."]
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(search.removeprefix("?"), keep_blank_values=True):
        found.setdefault(name, []).append(value)
    asked: dict[str, Any] = {}
    names = {one.name for one in fields(State)} - {"filters"}
    filters = dict[str, tuple[str, ...]]()
    for name, values in found.items():
        if name in MANY:
            asked[name] = tuple(dict.fromkeys(values))
        elif name in names:
            asked[name] = values[-1]
        elif name.startswith(FILTER):
            filters[name.removeprefix(FILTER)] = tuple(dict.fromkeys(values))
        else:
            told.append(f"The address says {name!r}, which means nothing here.")
    return State(**asked, filters=filters), told
