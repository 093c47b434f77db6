"""Counts what a log looks like (`scaling.portrait`), in blocks of users.

Shapes: e events of a block.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from scaling.batch import Split
from scaling.datasets.cut_times import known_period
from scaling.datasets.log import UNKNOWN_TIME, EventLog
from scaling.datasets.log_blocks import Ints, LogBlock, blocks
from scaling.portrait import DISTANCES, PAUSES, Counted, Portrait, TimeLine, Unit

_HOUR, _DAY, _YEAR = 3_600, 86_400, 31_556_952
_LONGEST_YEARS = 10_000
_UNITS: tuple[tuple[Unit, int], ...] = (
    ("hour", 4 * _DAY),
    ("day", 400 * _DAY),
    ("month", 40 * _YEAR),
)
"""The unit of a time line, for logs of at most so many seconds; longer ones by year."""


def portrait_of(
    name: str,
    log: EventLog,
    histories: Mapping[Split, Iterable[Ints]],
    *,
    cut_times: tuple[int, int] | None = None,
    scope: str = "",
) -> Portrait:
    """One pass over the log.

    Args:
        name: of the data set.
        histories: for each split the numbers of events before its requests, some at a time.
        cut_times: seconds at which validation and test begin, where the split is one in time.
        scope: what of the data set the log is; empty: all of it.

    Raises:
        ValueError: the times lie more than 10,000 years apart.
    """
    schema = log.schema
    lengths = np.diff(log.user_offsets)
    items = np.zeros(schema.num_items, np.int64)
    together = np.zeros((schema.num_scenarios, schema.num_actions), np.int64)
    pauses = np.zeros(len(PAUSES) + 1, np.int64)
    distances = np.zeros(len(DISTANCES) + 1, np.int64)
    periods = _Periods(log)
    for block in blocks(log):
        items += np.bincount(block.items, minlength=len(items))
        pair = block.scenarios.astype(np.int64) * schema.num_actions + block.actions
        together += np.bincount(pair, minlength=together.size).reshape(together.shape)
        pauses += _pauses(block)
        distances += _distances(block, schema.num_items)
        periods.add(block)
    longest = int(lengths.max())
    return Portrait(
        dataset=name,
        scope=scope,
        users=_counted("users", np.bincount(lengths[lengths > 0])),
        histories=tuple(
            _counted(split, _summed(numbers, longest)) for split, numbers in histories.items()
        ),
        items=schema.num_items,
        item_events=np.sort(items[items > 0])[::-1],
        behaviours=tuple(schema.behaviours),
        scenarios=tuple(schema.scenarios),
        scenario_events=together.sum(1),
        behaviour_events=together @ np.array(schema.action_labels, np.int64),
        time_line=periods.time_line(cut_times),
        unknown_times=log.num_events - periods.known,
        pauses=pauses,
        distances=distances,
    )


class _Periods:
    """Events by the hour or the day, and by larger units made of days."""

    def __init__(self, log: EventLog) -> None:
        self.known = 0
        try:
            self.known, low, high = known_period(log)
        except ValueError:  # no time is known
            return
        if high - low > _LONGEST_YEARS * _YEAR:
            raise ValueError(
                f"the times {low} and {high} lie more than {_LONGEST_YEARS:,} years apart; "
                "are they seconds?"
            )
        self._unit: Unit = next((unit for unit, most in _UNITS if high - low <= most), "year")
        self._seconds = _HOUR if self._unit == "hour" else _DAY
        self._first, last = low // self._seconds, high // self._seconds
        self._events = np.zeros(last - self._first + 1, np.int64)

    def add(self, block: LogBlock) -> None:
        known = block.times[block.times != UNKNOWN_TIME]
        if len(known):
            places = known // self._seconds - self._first
            self._events += np.bincount(places, minlength=len(self._events))

    def time_line(self, cut_times: tuple[int, int] | None) -> TimeLine | None:
        if not self.known:
            return None
        steps = self._first + np.arange(len(self._events) + 1)
        edges = (steps * self._seconds).astype("datetime64[s]")
        events = self._events
        if self._unit in ("month", "year"):
            larger = edges[:-1].astype(f"datetime64[{self._unit[0].upper()}]")
            place = larger.astype(np.int64) - larger[0].astype(np.int64)
            events = np.zeros(place[-1] + 1, np.int64)
            np.add.at(events, place, self._events)
            edges = (larger[0] + np.arange(len(events) + 1)).astype("datetime64[s]")
        return TimeLine(self._unit, edges, events, cut_times)


def _counted(name: str, counts: Ints) -> Counted:
    """Of how often each number from 0 on occurs, those that do."""
    values = np.flatnonzero(counts)
    return Counted(name, values, counts[values])


def _summed(numbers: Iterable[Ints], most: int) -> Ints:
    counts = np.zeros(most + 1, np.int64)
    for some in numbers:
        counts += np.bincount(some, minlength=most + 1)
    return counts


def _pauses(block: LogBlock) -> Ints:
    times, count = block.times, len(block.times)
    # Unknown times sort first, so a known one is followed by none of the same user.
    usable = times[:-1] != UNKNOWN_TIME
    ends = block.user_offsets[1:-1]
    usable[ends[(ends > 0) & (ends < count)] - 1] = False
    between = (times[1:] - times[:-1])[usable]
    edges = np.array(list(PAUSES.values()))
    return np.bincount(np.searchsorted(edges, between), minlength=len(edges) + 1)


def _distances(block: LogBlock, num_items: int) -> Ints:
    """How many events lie between an event and the user's last one with the same item, plus one."""
    key = block.users() * num_items + block.items
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    same = ordered[1:] == ordered[:-1]
    back = (order[1:] - order[:-1])[same]
    edges = np.array(DISTANCES)
    return np.bincount(np.searchsorted(edges, back), minlength=len(edges) + 1)
