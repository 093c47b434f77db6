"""Sets of events, one per request, as sorted keys: united, subtracted, cut to the latest.

Shapes: b requests, n events of a view, K events in all sets together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Read = tuple[Ints, Bools]
"""Indices into the log [b, n], oldest first, right-padded with 0 to the longest (at least one
column), and the mask [b, n]."""


@dataclass(frozen=True, eq=False)
class EventSets:
    """Events of b requests. A key is `request << bits | event`: ascending by request, then time."""

    keys: Ints
    """[K], ascending, no repeats."""
    num_requests: int
    bits: int
    """Of an event's number."""

    @classmethod
    def of(cls, reads: Sequence[Read], bits: int) -> EventSets:
        """The union of what some views of the same requests read."""
        num_requests = len(reads[0][0])
        base = (np.arange(num_requests) << bits)[:, None]
        keys = np.concatenate([(events | base)[mask] for events, mask in reads])
        return cls(_sorted_once(keys) if len(reads) > 1 else keys, num_requests, bits)

    @cached_property
    def requests(self) -> Ints:
        """[K]"""
        found: Ints = self.keys >> self.bits
        return found

    @cached_property
    def events(self) -> Ints:
        """[K]"""
        found: Ints = self.keys & ((1 << self.bits) - 1)
        return found

    @cached_property
    def offsets(self) -> Ints:
        """[b + 1]: the keys of request i are `offsets[i] .. offsets[i + 1] - 1`."""
        return np.searchsorted(self.keys, np.arange(self.num_requests + 1) << self.bits)

    def union(self, other: EventSets) -> EventSets:
        """The events of either."""
        keys = _sorted_once(np.concatenate([self.keys, other.keys]))
        return EventSets(keys, self.num_requests, self.bits)

    def without(self, other: EventSets) -> EventSets:
        """The events that `other` doesn't hold."""
        if not len(self.keys) or not len(other.keys):
            return self
        place = np.searchsorted(self.keys, other.keys)
        place = place[self.keys.take(place, mode="clip") == other.keys]
        kept = np.ones(len(self.keys), bool)
        kept[place] = False
        return EventSets(self.keys[kept], self.num_requests, self.bits)

    def latest(self, length: int) -> Read:
        """The last `length` events of every request."""
        stop = self.offsets[1:]
        count = np.minimum(stop - self.offsets[:-1], length)
        column = np.arange(max(int(count.max(initial=0)), 1))
        mask = column < count[:, None]
        if not len(self.keys):
            return np.zeros(mask.shape, np.int64), mask
        index = (stop - count)[:, None] + column
        index *= mask
        events = self.events.take(index)
        events *= mask
        return events, mask


def _sorted_once(keys: Ints) -> Ints:
    # The stable sort merges what is in order already: ten times faster here.
    keys.sort(kind="stable")
    return keys[np.diff(keys, prepend=-1) > 0]
