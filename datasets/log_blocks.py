"""A log in stretches of whole users, so that a pass over it needs little memory however long it is.

Shapes: e events and u users of a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scaling.datasets.log import EventLog

Ints = npt.NDArray[np.int64]

BLOCK_EVENTS = 1 << 21
"""Events of a block, but for a single user with more: a pass holds some dozens of bytes of each."""


@dataclass(frozen=True, eq=False)
class LogBlock:
    """The events of consecutive users; the columns are stretches of the log's, nothing is copied."""

    first_user: int
    first_event: int
    """Numbers of the first user and of the first event in the log."""
    user_offsets: Ints
    """[u + 1], from 0: the events of the block's user i are `user_offsets[i] .. - 1`."""
    items: npt.NDArray[np.int32]
    """[e]"""
    actions: npt.NDArray[np.uint8]
    """[e]"""
    scenarios: npt.NDArray[np.uint8]
    """[e]"""
    times: Ints
    """[e]"""

    @property
    def num_users(self) -> int:
        return len(self.user_offsets) - 1

    def users(self) -> Ints:
        """The user of every event, counted from the block's first, [e]."""
        return np.repeat(np.arange(self.num_users), np.diff(self.user_offsets))


def blocks(log: EventLog, events: int | None = None) -> Iterator[LogBlock]:
    """The whole log in order, every user in one block of about `events` (`BLOCK_EVENTS`)."""
    offsets = log.user_offsets
    most = BLOCK_EVENTS if events is None else events
    user = 0
    while user < log.num_users:
        first = int(offsets[user])
        stop = max(int(np.searchsorted(offsets, first + most, side="right")) - 1, user + 1)
        here = slice(first, int(offsets[stop]))
        yield LogBlock(
            first_user=user,
            first_event=first,
            user_offsets=np.asarray(offsets[user : stop + 1]) - first,
            items=np.asarray(log.items[here]),
            actions=np.asarray(log.actions[here]),
            scenarios=np.asarray(log.scenarios[here]),
            times=np.asarray(log.times[here]),
        )
        user = stop
