"""Views of the events whose items share a category with the user's taste or with the request.

Shapes: b requests, m candidates, s values, E events of the log, U users.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from scaling.datasets.event_sets import EventSets, Ints, Read
from scaling.datasets.log import EventLog, RequestTable

TOP_VALUES: Final = 4
"""`user.ATTRIBUTE` reads the events of so many values: those most frequent in the history before
the request, of equally frequent ones those met last. What a disjoint view skips still counts."""


@dataclass(frozen=True, eq=False)
class CategoryStrategy:
    """The most recent events of the wanted values."""

    index: CategoryIndex
    by: Literal["user", "request"]

    def read(self, length: int, table: RequestTable, skip: EventSets | None) -> Read:
        """At most `length` of the wanted events before each request; `skip` don't count."""
        index = self.index
        if self.by == "user":
            low, high = index.of_users(table)
        else:
            low, high = index.of_candidates(table)
        # The events of one value are ascending, so the latest of all are among each one's latest.
        enough: int | Ints = length
        if skip is not None:
            enough = (length + np.diff(skip.offsets))[:, None]
        take = np.minimum(high - low, enough)
        places = _stretches((high - take).ravel(), take.ravel())
        requests = np.repeat(np.arange(len(take)), take.sum(1))
        keys = requests << index.bits | index.event_at(places)
        # Each value's are in order already, which the stable sort makes use of.
        keys.sort(kind="stable")
        wanted = EventSets(keys, len(take), index.bits)
        if skip is not None:
            wanted = wanted.without(skip)
        return wanted.latest(length)


class CategoryIndex:
    """The events of a log sorted by user, value and time, so that a value's are a stretch."""

    def __init__(self, log: EventLog, value_of_item: npt.NDArray[np.int64], bits: int) -> None:
        self.bits = bits
        self._user_offsets = np.asarray(log.user_offsets)
        values = value_of_item[np.asarray(log.items)]
        users = log.users()
        pair = users * (int(values.max()) + 1) + values
        order = np.argsort(pair, kind="stable")
        ordered = pair[order]
        begins = np.diff(ordered, prepend=-1) != 0
        self._begin = np.flatnonzero(begins)
        """First place of each stretch."""
        stretch = np.cumsum(begins) - 1
        self._keys = stretch << bits | order
        """[E]: `stretch << bits | event`, ascending."""
        self._place = np.empty_like(order)
        """[E]: where each event stands in `_keys`."""
        self._place[order] = np.arange(len(order))

    def event_at(self, place: Ints) -> Ints:
        event: Ints = self._keys.take(place) & ((1 << self.bits) - 1)
        return event

    def of_candidates(self, table: RequestTable) -> tuple[Ints, Ints]:
        """The stretches, before each request, of its candidates' values: places from and to, [b, m].

        A value that an earlier candidate has too is empty (from = to).
        """
        length = table.stop - table.start
        column = np.arange(max(int(length.max(initial=0)), 1))
        place = self._place.take((table.start[:, None] + column) * (column < length[:, None]))
        begin = self._begin.take(self._keys.take(place) >> self.bits)
        # The first candidate of a value stands right after the last history event of it.
        fresh = (column < length[:, None]) & (place > begin)
        fresh &= self.event_at(place - 1) < table.start[:, None]
        return np.where(fresh, begin, place), place

    def of_users(self, table: RequestTable) -> tuple[Ints, Ints]:
        """The stretches, before each request, of its user's most frequent values; [b, s].

        The n-th event of a value is on level n, so a level holds an event of every value with at
        least n events. On the highest level with `TOP_VALUES` events before the request the latest
        ones belong to wanted values; what stands on the next one is wanted anyway.
        """
        user, start = table.user, table.start
        low = np.zeros(len(user), np.int64)
        high = np.minimum(
            np.diff(self._user_levels)[user], (start - self._user_offsets[user]) // TOP_VALUES
        )
        while (low < high).any():
            middle = (low + high + 1) // 2
            enough = self._on_level(user, middle, start)[1] >= TOP_VALUES
            low, high = np.where(enough, middle, low), np.where(enough, high, middle - 1)
            high = np.maximum(low, high)
        above, count_above = self._on_level(user, low + 1, start)
        level, count = self._on_level(user, low, start)
        column = np.arange(TOP_VALUES)
        known = column < count_above[:, None]
        found = np.concatenate([above[:, None] + column, (level + count)[:, None] - 1 - column], 1)
        tied = np.broadcast_to((low > 0)[:, None], known.shape)
        found *= np.concatenate([known, tied], axis=1)
        place = self._place.take(self._level_keys.take(found) & ((1 << self.bits) - 1))
        stretch = self._keys.take(place) >> self.bits
        stop = np.searchsorted(self._keys, stretch << self.bits | start[:, None])
        # On the lower level, only values that don't reach the next one, as many as are missing.
        tied = tied & (stop == place + 1)[:, TOP_VALUES:]
        tied &= np.cumsum(tied, axis=1) <= (TOP_VALUES - count_above)[:, None]
        wanted = np.concatenate([known, tied], axis=1)
        return np.where(wanted, self._begin.take(stretch), stop), stop

    def _on_level(self, user: Ints, level: Ints, start: Ints) -> tuple[Ints, Ints]:
        """Where a user's events of a level (from 1) begin, and how many lie before `start`."""
        number = self._user_levels[user] + level - 1
        exists = (level > 0) & (number < self._user_levels[user + 1])
        number *= exists
        begin = self._level_begin.take(number)
        before = np.searchsorted(self._level_keys, number << self.bits | start) - begin
        return begin, before * exists

    @cached_property
    def _levels(self) -> tuple[Ints, Ints, Ints]:
        events = np.arange(len(self._place))
        level = self._place - self._begin[self._keys[self._place] >> self.bits]
        users = np.repeat(np.arange(len(self._user_offsets) - 1), np.diff(self._user_offsets))
        highest = np.zeros(len(self._user_offsets) - 1, np.int64)
        np.maximum.at(highest, users, level + 1)
        user_levels = np.concatenate([[0], np.cumsum(highest)])
        number = user_levels[users] + level
        keys = np.sort(number << self.bits | events)
        count = np.bincount(number, minlength=int(user_levels[-1]))
        return keys, np.cumsum(count) - count, user_levels

    @property
    def _level_keys(self) -> Ints:
        """[E]: `level << bits | event`, ascending; levels are numbered from user to user."""
        return self._levels[0]

    @property
    def _level_begin(self) -> Ints:
        """First place of each level in `_level_keys`."""
        return self._levels[1]

    @property
    def _user_levels(self) -> Ints:
        """[U + 1]: number of each user's first level."""
        return self._levels[2]


def _stretches(begin: Ints, length: Ints) -> Ints:
    """`begin[0], begin[0] + 1, ...` (`length[0]` of them), then those of the next, ..."""
    before = np.cumsum(length) - length
    return np.repeat(begin - before, length) + np.arange(int(length.sum()))
