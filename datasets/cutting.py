"""Cutting a log into requests: which consecutive events of a user are asked about at once.

Shapes: e events and r requests of a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scaling.datasets.log import UNKNOWN_TIME, EventLog, RequestTable
from scaling.datasets.log_blocks import Ints, LogBlock, blocks


@dataclass(frozen=True, kw_only=True)
class Cutting:
    """The rules; see `LoggedConfig`."""

    max_candidates: int
    max_gap_seconds: int | None = None
    same_scenario: bool = False

    def __post_init__(self) -> None:
        if self.max_candidates < 1:
            raise ValueError(f"max_candidates must be at least 1, got {self.max_candidates}")
        if self.max_gap_seconds is not None and self.max_gap_seconds < 0:
            raise ValueError(
                f"max_gap_seconds must be None or at least 0, got {self.max_gap_seconds}"
            )


def cut_block(
    block: LogBlock, cutting: Cutting, parts: npt.NDArray[np.int8] | None = None
) -> tuple[Ints, Ints]:
    """Cuts consecutive events of a user into requests; each event is a candidate once.

    Args:
        parts: [e], the split that each event belongs to, as a number; a request never holds two.
            Events of a negative part, and those of unknown time, are read as history only.

    Returns:
        The first event of each request and the one after its last, counted from the block's first,
        both [r], ascending.
    """
    times, scenarios, count = block.times, block.scenarios, len(block.times)
    known = times != UNKNOWN_TIME
    usable = known if parts is None else known & (parts >= 0)
    begins = np.zeros(count, bool)
    begins[block.user_offsets[:-1][np.diff(block.user_offsets) > 0]] = True
    begins[1:] |= usable[1:] != usable[:-1]
    if parts is not None:
        begins[1:] |= parts[1:] != parts[:-1]
    if cutting.same_scenario:
        begins[1:] |= scenarios[1:] != scenarios[:-1]
    gap = cutting.max_gap_seconds
    if gap is not None:
        # Unknown times are history only, so a change of `usable` has cut there already.
        begins[1:] |= known[:-1] & known[1:] & (times[1:] - gap > times[:-1])
    position = np.arange(count)
    in_run = position - np.maximum.accumulate(np.where(begins, position, 0))
    begins |= in_run % cutting.max_candidates == 0
    start = np.flatnonzero(begins)
    stop = np.append(start[1:], count)
    chosen = usable[start]
    return start[chosen], stop[chosen]


def cut_requests(
    log: EventLog,
    *,
    max_candidates: int,
    max_gap_seconds: int | None = None,
    same_scenario: bool = False,
    parts: npt.NDArray[np.int8] | None = None,
) -> RequestTable:
    """All requests of a log that fits in memory, in its order; see `cut_block`.

    Args:
        parts: [E], of every event.
    """
    cutting = Cutting(
        max_candidates=max_candidates,
        max_gap_seconds=max_gap_seconds,
        same_scenario=same_scenario,
    )
    starts, stops = [], []
    for block in blocks(log):
        first = block.first_event
        mine = None if parts is None else parts[first : first + len(block.times)]
        start, stop = cut_block(block, cutting, mine)
        starts.append(start + first)
        stops.append(stop + first)
    return requests_at(log, np.concatenate(starts), np.concatenate(stops))


def requests_at(log: EventLog, start: Ints, stop: Ints, user: Ints | None = None) -> RequestTable:
    """The requests whose candidates are the events `start .. stop - 1`, in the given order.

    Args:
        start, stop: [r]
        user: [r]; looked up where it isn't given.
    """
    if user is None:
        user = np.searchsorted(log.user_offsets, start, side="right") - 1
    return RequestTable(
        user=user,
        start=start,
        stop=stop,
        time=log.times.take(start),
        scenario=log.scenarios.take(start).astype(np.int64),
        attributes=log.user_attributes[user].astype(np.int64),
        ids=start.copy(),
    )


def candidate_events(start: Ints, stop: Ints) -> Ints:
    """The events `start[0] .. stop[0] - 1`, then those of the next request, ...; both [r]."""
    length = stop - start
    before = np.cumsum(length) - length
    return np.repeat(start - before, length) + np.arange(int(length.sum()))
