"""Which part of a log is for training, which for choosing, which for reporting.

Shapes: e events, r requests and u users of a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from scaling.batch import SPLITS
from scaling.datasets.cutting import Cutting, cut_block
from scaling.datasets.log import UNKNOWN_TIME
from scaling.datasets.log_blocks import Ints, LogBlock

SplitRule = Literal["temporal", "per_user", "leave_last"]
SPLIT_RULES: tuple[SplitRule, ...] = ("temporal", "per_user", "leave_last")

TRAIN_PERCENT, VALIDATION_PERCENT = 80, 10
"""The test part is the rest. Whole per cents, so that every machine cuts at the same event."""

TRAIN, VALIDATION, TEST = range(len(SPLITS))

Parts = npt.NDArray[np.int8]
"""The place of the split in `SPLITS`; -1 where an event is history only."""


@dataclass(frozen=True, kw_only=True)
class Splitting:
    """A rule with what it needs to know about the whole log."""

    rule: SplitRule
    cut_times: tuple[int, int] | None = None
    """Of the temporal rule, in seconds; see `temporal_parts`."""
    gap_seconds: int = 0

    def requests(self, block: LogBlock, cutting: Cutting) -> tuple[Ints, Ints, Parts]:
        """The requests of a block, `start` and `stop` as `cut_block` gives them, and the part of
        each; all [r]."""
        if self.rule == "leave_last":
            start, stop = cut_block(block, cutting)
            user = np.searchsorted(block.user_offsets, start, side="right") - 1
            return start, stop, leave_last_parts(user)
        if self.rule == "temporal":
            assert self.cut_times is not None, "a temporal split needs its cut times"
            parts = temporal_parts(block, self.cut_times, self.gap_seconds)
        else:
            parts = per_user_parts(block)
        start, stop = cut_block(block, cutting, parts)
        return start, stop, parts[start]


def temporal_parts(block: LogBlock, cut_times: tuple[int, int], gap_seconds: int = 0) -> Parts:
    """One cut through all users: validation begins at the first cut time, test at the second.

    What is known about items and other users in training is then known before any evaluated
    request. Training and validation end `gap_seconds` before the part after them begins: what lies
    between is history only.

    Returns:
        [e]
    """
    times = block.times
    parts = (times >= cut_times[0]).astype(np.int8)
    parts += times >= cut_times[1]
    if gap_seconds:
        for cut in cut_times:
            parts[(times >= cut - gap_seconds) & (times < cut)] = -1
    parts[times == UNKNOWN_TIME] = -1
    return parts


def per_user_parts(block: LogBlock) -> Parts:
    """Of each user's events of known time the first 80 % train, the next 10 % validate.

    Counts are rounded to the nearest event. Users' clocks differ: what is learnt about items may
    come from after an evaluated request, the history never does.

    Returns:
        [e]
    """
    first = block.user_offsets[:-1]
    unknown = block.times == UNKNOWN_TIME
    # Unknown times sort first, so a user's events of known time are the last ones.
    before = np.concatenate([[0], np.cumsum(unknown)])
    num_unknown = before[block.user_offsets[1:]] - before[first]
    count = np.diff(block.user_offsets) - num_unknown
    validation = (count * TRAIN_PERCENT + 50) // 100
    test = (count * (TRAIN_PERCENT + VALIDATION_PERCENT) + 50) // 100
    users = block.users()
    position = np.arange(len(users)) - (first + num_unknown)[users]
    parts: Parts = (position >= validation[users]).astype(np.int8)
    parts += position >= test[users]
    parts[unknown] = -1
    return parts


def leave_last_parts(user: Ints) -> Parts:
    """Of each user's requests the last tests, the one before it validates, the others train.

    All requests of a user with fewer than three train. Users' clocks differ, as in
    `per_user_parts`.

    Args:
        user: [r], ascending, counted from the block's first.

    Returns:
        [r]
    """
    count = np.bincount(user, minlength=1)
    left = np.cumsum(count)[user] - 1 - np.arange(len(user))
    parts = np.full(len(user), TRAIN, np.int8)
    parts[left == 1] = VALIDATION
    parts[left == 0] = TEST
    parts[count[user] < len(SPLITS)] = TRAIN
    return parts
