"""The requests of one split as they are kept: a few bytes of each, the rest is read from the log.

Shapes: R requests of the split, r requests that are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from scaling.datasets.cutting import requests_at
from scaling.datasets.log import EventLog, RequestTable
from scaling.datasets.log_blocks import Ints

BLOCK_REQUESTS = 1 << 17


@dataclass(frozen=True, eq=False)
class RequestIndex:
    """Requests by row; the columns may be memory-mapped and are never written to."""

    log: EventLog
    users: npt.NDArray[Any]
    """The user of every request that was cut, whole numbers in the order of the log."""
    starts: Ints
    """Their first events."""
    sizes: npt.NDArray[Any]
    """Their numbers of candidates."""
    order: Ints | None = None
    """[R]: which of them are used, in which order; None: all of them as they are."""

    def __len__(self) -> int:
        return len(self.starts if self.order is None else self.order)

    @cached_property
    def examples(self) -> int:
        """Candidates of all requests."""
        sizes = self.sizes if self.order is None else self.sizes[self.order]
        return int(sizes.sum(dtype=np.int64))

    def select(self, rows: npt.NDArray[Any]) -> RequestTable:
        """The requests of `rows` [r], in that order."""
        place = rows if self.order is None else self.order[rows]
        start = np.asarray(self.starts[place], np.int64)
        stop = start + self.sizes[place]
        return requests_at(self.log, start, stop, np.asarray(self.users[place], np.int64))

    def whole(self) -> RequestTable:
        """All requests, in memory."""
        return self.select(np.arange(len(self)))

    def history_events(self, rows: Ints) -> Ints:
        """How many events of its user lie before each request, [r]."""
        place = rows if self.order is None else self.order[rows]
        found: Ints = self.starts[place] - self.log.user_offsets[self.users[place]]
        return found

    def tables(self) -> Iterator[RequestTable]:
        """All requests, some at a time."""
        for begin in range(0, len(self), BLOCK_REQUESTS):
            yield self.select(np.arange(begin, min(begin + BLOCK_REQUESTS, len(self))))
