"""What a log of events looks like, as plain data: counted by data sets, drawn and told by others.

Shapes: s scenarios, k behaviours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Unit = Literal["hour", "day", "month", "year"]

PAUSES: Final = {
    "same second": 0,
    "up to 10 s": 10,
    "up to 1 min": 60,
    "up to 10 min": 600,
    "up to 1 h": 3_600,
    "up to 1 day": 86_400,
    "up to 7 days": 604_800,
}
"""Classes of the time between two events, with the longest of each in seconds; then longer ones."""
DISTANCES: Final = (1, 4, 16, 64, 256, 1024, 4096)
"""Classes of the distance between two events of one item, by the largest; then larger ones."""


@dataclass(frozen=True, eq=False)
class Counted:
    """How often each whole number occurs."""

    name: str
    """What has so many events."""
    values: Ints
    """Those that occur, ascending."""
    counts: Ints
    """[values]"""

    def total(self) -> int:
        return int(self.counts.sum())

    def mean(self) -> float:
        return float(self.values @ self.counts / self.counts.sum())

    def quantile(self, share: float) -> int:
        """The smallest value that at least `share` of all don't exceed."""
        passed = np.cumsum(self.counts)
        return int(self.values[np.searchsorted(passed, share * passed[-1], side="left")])

    def at_least(self) -> npt.NDArray[np.float64]:
        """[values]: the share of all that have this value or more."""
        left: npt.NDArray[np.float64] = np.cumsum(self.counts[::-1])[::-1] / self.counts.sum()
        return left


@dataclass(frozen=True, eq=False)
class TimeLine:
    """Events of known time by period, in UTC."""

    unit: Unit
    edges: npt.NDArray[np.datetime64]
    """[periods + 1]: when each begins, none left out in between, and when the last one ends; in
    seconds."""
    events: Ints
    """[periods]"""
    cut_times: tuple[int, int] | None
    """Seconds at which validation and test begin; None where the split isn't one in time."""


@dataclass(frozen=True, eq=False)
class Portrait:
    """A data set's log and the requests that are cut out of it."""

    dataset: str
    scope: str
    """What of the data set was counted; empty: all of it."""
    users: Counted
    """Users by their events; those without any are left out."""
    histories: tuple[Counted, ...]
    """Requests by the events before them, for each split that there is."""
    items: int
    """Those that the schema knows, met or not."""
    item_events: Ints
    """Of every item that was met, the largest first."""
    behaviours: tuple[str, ...]
    scenarios: tuple[str, ...]
    scenario_events: Ints
    """[s]"""
    behaviour_events: Ints
    """[s, k]"""
    time_line: TimeLine | None
    """None where no time is known."""
    unknown_times: int
    """Events of which only the order is known."""
    pauses: Ints
    """[PAUSES + 1]: pairs of a user's consecutive events of known time, by the time between."""
    distances: Ints
    """[DISTANCES + 1]: events whose item the user met before, by how many events ago (1: the
    event before)."""

    @property
    def events(self) -> int:
        return int(self.scenario_events.sum())

    def top_items(self, share: float) -> int:
        """How many items the top `share` of those that were met are; at least one."""
        return max(1, round(share * len(self.item_events)))

    def top_share(self, share: float) -> float:
        """The share of the events that those items have."""
        return float(self.item_events[: self.top_items(share)].sum() / self.events)

    def tied_share(self) -> float | None:
        """Of the pairs of consecutive events, those of one second; None without any pair."""
        return float(self.pauses[0] / self.pauses.sum()) if self.pauses.any() else None

    def repeated_share(self) -> float:
        """Of all events, those whose item the user met before."""
        return float(self.distances.sum() / self.events)
