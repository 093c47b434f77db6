"""The order in which training reads its requests: shuffled anew every epoch, in batches of one length.

Shapes: R requests, b requests of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from scaling.datasets.log_blocks import Ints
from scaling.datasets.request_index import RequestIndex

WINDOW: Final = 64
"""Batches whose requests are sorted by length together. More leave less padding; fewer leave batches
closer to independent draws."""


@dataclass(frozen=True, eq=False)
class TrainingOrder:
    """Rows in batches, decided by the seed and the batch size alone.

    An epoch is a random order of all requests. It is cut into windows of `WINDOW` batches; the
    requests of a window are sorted by the length of their histories, cut into batches, and the
    batches shuffled. Every window is a random sample and every request comes once an epoch; only
    who shares a batch with whom depends on lengths.
    """

    table: RequestIndex
    batch_size: int
    seed: int

    def batches(self, start: int = 0) -> Iterator[Ints]:
        """Rows of the table [b], without end, from the batch number `start` on; a batch that an
        epoch leaves short is filled from the next one."""
        rest = np.zeros(0, np.int64)
        for stretch in self._stretches(*divmod(start * self.batch_size, len(self.table))):
            rows = np.concatenate([rest, stretch])
            whole = len(rows) // self.batch_size * self.batch_size
            for begin in range(0, whole, self.batch_size):
                yield rows[begin : begin + self.batch_size]
            rest = rows[whole:]

    def _stretches(self, epoch: int, place: int) -> Iterator[Ints]:
        """The rows of all epochs, one behind the other, from a place in an epoch on."""
        count, size = len(self.table), self.batch_size
        while True:
            order = np.random.default_rng([self.seed, epoch]).permutation(count)
            # The rows that fill the batch which the last epoch left short, and those left short.
            first = min(-epoch * count % size, count)
            last = first + (count - first) // size * size
            if place < first:
                yield order[place:first]
            for number, begin in enumerate(range(first, last, WINDOW * size)):
                end = min(begin + WINDOW * size, last)
                if place < end:
                    window = self._by_length(order[begin:end], epoch, number)
                    yield window[max(place - begin, 0) :]
            yield order[max(place, last) :]
            epoch, place = epoch + 1, 0

    def _by_length(self, rows: Ints, epoch: int, window: int) -> Ints:
        """The rows of a window, batch behind batch."""
        length = self.table.history_events(rows)
        batches = rows[np.argsort(length, kind="stable")].reshape(-1, self.batch_size)
        # Numbered from 1: numpy's seeds don't tell a last 0 from none.
        order = np.random.default_rng([self.seed, epoch, window + 1]).permutation(len(batches))
        return batches[order].ravel()
