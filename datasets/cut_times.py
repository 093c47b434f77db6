"""Where the temporal split cuts a log: exact order statistics of its times, in little memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scaling.datasets.log import UNKNOWN_TIME, EventLog
from scaling.datasets.log_blocks import Ints, blocks
from scaling.datasets.splits import TRAIN_PERCENT, VALIDATION_PERCENT

_BINS = 1 << 16


def known_period(log: EventLog) -> tuple[int, int, int]:
    """How many events have a known time, the first of these times and the last, in seconds.

    Raises:
        ValueError: no event has a known time.
    """
    count, ends = 0, list[int]()
    for block in blocks(log):
        known = block.times[block.times != UNKNOWN_TIME]
        if len(known):
            count += len(known)
            ends += [int(known.min()), int(known.max())]
    if not ends:
        raise ValueError("a temporal split needs times, but no event has a known one")
    return count, min(ends), max(ends)


def default_cut_times(log: EventLog) -> tuple[int, int]:
    """The times when 80 and 90 % of the events of known time have passed.

    Raises:
        ValueError: no event has a known time.
    """
    count, low, high = known_period(log)
    marks = (TRAIN_PERCENT, TRAIN_PERCENT + VALIDATION_PERCENT)
    first, second = times_of_ranks(log, [count * mark // 100 for mark in marks], low, high)
    return first, second


def times_of_ranks(log: EventLog, ranks: Sequence[int], low: int, high: int) -> list[int]:
    """The known times that stand at `ranks` (from 0) in ascending order.

    Every pass counts the times in bins and goes on with the bin that holds the rank: two passes for
    136 years of seconds.

    Args:
        low, high: the first and the last of the known times.
    """
    sought = [(low, high, rank) for rank in ranks]
    while any(first < last for first, last, _ in sought):
        widths = [(last - first) // _BINS + 1 for first, last, _ in sought]
        counts: list[Ints] = [np.zeros(_BINS, np.int64) for _ in sought]
        for block in blocks(log):
            for (first, last, _), width, count in zip(sought, widths, counts, strict=True):
                inside = block.times[(block.times >= first) & (block.times <= last)]
                count += np.bincount((inside - first) // width, minlength=_BINS)
        sought = [
            _narrowed(*one, width, count)
            for one, width, count in zip(sought, widths, counts, strict=True)
        ]
    return [first for first, _, _ in sought]


def _narrowed(first: int, last: int, rank: int, width: int, count: Ints) -> tuple[int, int, int]:
    """The bin that holds the rank, and the rank within it."""
    passed = np.cumsum(count)
    place = int(np.searchsorted(passed, rank, side="right"))
    before = int(passed[place - 1]) if place else 0
    low = first + place * width
    return low, min(low + width - 1, last), rank - before
