"""Which part of a log is for training, which for choosing, which for reporting."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from scaling.datasets.log import UNKNOWN_TIME, EventLog

SplitRule = Literal["temporal", "per_user"]
SPLIT_RULES: tuple[SplitRule, ...] = ("temporal", "per_user")

TRAIN_PERCENT, VALIDATION_PERCENT = 80, 10
"""The test part is the rest. Whole per cents, so that every machine cuts at the same event."""

Parts = npt.NDArray[np.int8]
"""[E]: the place of each event's split in `SPLITS`; -1 where it is history only."""


def temporal_parts(
    log: EventLog, cut_times: tuple[int, int] | None = None
) -> tuple[Parts, tuple[int, int]]:
    """One cut through all users: validation begins at the first cut time, test at the second.

    What is known about items and other users in training is then known before any evaluated
    request. Without `cut_times` the cuts stand where 80 and 90 % of the events have passed.

    Returns:
        The parts and the cut times in seconds.

    Raises:
        ValueError: no event has a known time, or the cut times are not ascending.
    """
    times = np.asarray(log.times)
    if cut_times is None:
        known = np.sort(times[times != UNKNOWN_TIME])
        if not len(known):
            raise ValueError("a temporal split needs times, but no event has a known one")
        marks = (TRAIN_PERCENT, TRAIN_PERCENT + VALIDATION_PERCENT)
        first, second = (int(known[len(known) * mark // 100]) for mark in marks)
        cut_times = (first, second)
    if cut_times[0] > cut_times[1]:
        raise ValueError(f"cut_times must ascend (validation, test), got {cut_times}")
    parts = (times >= cut_times[0]).astype(np.int8)
    parts += times >= cut_times[1]
    parts[times == UNKNOWN_TIME] = -1
    return parts, cut_times


def per_user_parts(log: EventLog) -> Parts:
    """Of each user's events of known time the first 80 % train, the next 10 % validate.

    Counts are rounded to the nearest event. Users' clocks differ: what is learnt about items may
    come from after an evaluated request, the history never does.
    """
    first = log.user_offsets[:-1]
    unknown = np.asarray(log.times) == UNKNOWN_TIME
    # Unknown times sort first, so a user's events of known time are the last ones.
    before = np.concatenate([[0], np.cumsum(unknown)])
    num_unknown = before[log.user_offsets[1:]] - before[first]
    count = np.diff(log.user_offsets) - num_unknown
    validation = (count * TRAIN_PERCENT + 50) // 100
    test = (count * (TRAIN_PERCENT + VALIDATION_PERCENT) + 50) // 100
    users = log.users()
    position = np.arange(log.num_events) - (first + num_unknown)[users]
    parts: Parts = (position >= validation[users]).astype(np.int8)
    parts += position >= test[users]
    parts[unknown] = -1
    return parts
