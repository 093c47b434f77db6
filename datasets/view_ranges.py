"""Views whose events are a stretch of one ascending list: all events, or those of behaviours.

Shapes: b requests, n events of a view.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.datasets.event_sets import EventSets, Ints, Read


@dataclass(frozen=True, eq=False)
class RangeStrategy:
    """The most recent of the chosen events, or as many evenly spaced over all of them."""

    positions: Ints | None
    """The chosen events of the log, ascending; None where all are chosen."""
    spread: bool
    """Evenly spaced (`lifetime`) instead of the most recent."""

    def read(self, length: int, first: Ints, start: Ints, skip: EventSets | None) -> Read:
        """At most `length` of the chosen events before `start`.

        Args:
            length: the most events per request.
            first: [b], the first event of each request's user.
            start: [b], the first candidate: only events before it are history.
            skip: history events that don't count.
        """
        positions = self.positions
        low, high = first, start
        if positions is not None:
            low, high = np.searchsorted(positions, first), np.searchsorted(positions, start)
        gaps = None if skip is None else _Gaps.among(positions, low, skip)
        total = high - low
        stop = high
        if gaps is not None:
            # Numbers among what remains, from 0, until the gaps are put back.
            total -= gaps.count
            stop = total
        count = np.minimum(total, length)
        column = np.arange(max(int(count.max(initial=0)), 1))
        mask = column < count[:, None]
        if self.spread:
            steps = (count - 1)[:, None]
            back = (steps - column) * (total - 1)[:, None] // np.maximum(steps, 1)
            index = (stop - 1)[:, None] - back
        else:
            index = (stop - count)[:, None] + column
        if gaps is not None:
            index += gaps.before(index) + low[:, None]
        index *= mask
        if positions is None:
            return index, mask
        if not len(positions):
            return np.zeros_like(index), mask
        events = positions.take(index)
        events *= mask
        return events, mask


@dataclass(frozen=True, eq=False)
class _Gaps:
    """What is to be skipped, seen from the list of chosen events.

    Of skipped ranks e_0 < e_1 < ... in a request's stretch, the i with e_i - i <= r are those
    before the rank r of what remains: one binary search per event.
    """

    count: Ints
    """[b]: skipped events that are chosen ones."""
    offsets: Ints
    """[b]"""
    shifted: Ints
    """`request << bits | e_i - i`, ascending."""
    bits: int

    @classmethod
    def among(cls, positions: Ints | None, low: Ints, skip: EventSets) -> _Gaps:
        requests, place = skip.requests, skip.events
        if positions is not None:
            place = np.searchsorted(positions, skip.events)
            if len(positions):
                chosen = positions.take(place, mode="clip") == skip.events
            else:
                chosen = np.zeros(len(place), bool)
            requests, place = requests[chosen], place[chosen]
        count = np.bincount(requests, minlength=len(low))
        offsets = np.cumsum(count) - count
        # With i counted from the beginning of each request.
        number = np.arange(len(place)) - offsets[requests]
        shifted = (requests << skip.bits) | (place - low[requests] - number)
        return cls(count, offsets, shifted, skip.bits)

    def before(self, rank: Ints) -> Ints:
        """How many skipped events lie before each of the remaining `rank`s, [b, n]."""
        base = np.arange(len(rank)) << self.bits
        found: Ints = np.searchsorted(self.shifted, rank + base[:, None], side="right")
        return found - self.offsets[:, None]
