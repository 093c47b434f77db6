"""The order in which training reads its requests: shuffled anew every epoch.

Shapes: R requests of the training part, n requests of a window, b requests of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from scaling.datasets.permutation import Ints, Permutation

BatchRule = Literal["mixed", "by_length"]
BATCH_RULES: tuple[BatchRule, ...] = ("mixed", "by_length")

WINDOW: Final = 1024
"""Batches whose requests are dealt out by length together. More leave less padding (KuaiRand, two
views: 18 % with 128, 9 % with 1024), but their lengths are looked up before the first of them."""


@dataclass(frozen=True, eq=False)
class TrainingOrder:
    """Rows in batches, decided by seed, batch size and, where it is given, the views' lengths.

    An epoch is a random order of all requests, cut into batches. With `lengths`, the requests of
    every `WINDOW` batches are dealt out to batches of like lengths (`batches_by_length`), and those
    shuffled: every window is the same random sample whatever the views, every request comes once an
    epoch, and only who shares a batch with whom depends on lengths. It saves most of the padding;
    the gradients of such batches differ more from each other (docs/splits.md has figures).
    """

    count: int
    """R"""
    batch_size: int
    seed: int
    lengths: Callable[[Ints], Ints] | None = None
    """Events in each view of the requests of given rows [n]: [n, views]; None: batches are
    independent of them."""

    def batches(self, start: int = 0) -> Iterator[Ints]:
        """Rows [b], without end, from the batch number `start` on; a batch that an epoch leaves
        short is filled from the next one."""
        rest = np.zeros(0, np.int64)
        for stretch in self._stretches(*divmod(start * self.batch_size, self.count)):
            rows = np.concatenate([rest, stretch])
            whole = len(rows) // self.batch_size * self.batch_size
            for begin in range(0, whole, self.batch_size):
                yield rows[begin : begin + self.batch_size]
            rest = rows[whole:]

    def _stretches(self, epoch: int, place: int) -> Iterator[Ints]:
        """The rows of all epochs, one behind the other, from a place in an epoch on."""
        count, size = self.count, self.batch_size
        while True:
            order = Permutation(count, (self.seed, epoch))
            # The rows that fill the batch which the last epoch left short, and those left short.
            first = min(-epoch * count % size, count)
            last = first + (count - first) // size * size
            if place < first:
                yield order.at(np.arange(place, first))
            for number, begin in enumerate(range(first, last, WINDOW * size)):
                end = min(begin + WINDOW * size, last)
                if place < end:
                    window = self._arranged(order.at(np.arange(begin, end)), epoch, number)
                    yield window[max(place - begin, 0) :]
            yield order.at(np.arange(max(place, last), count))
            epoch, place = epoch + 1, 0

    def _arranged(self, rows: Ints, epoch: int, window: int) -> Ints:
        """The rows of a window, batch behind batch."""
        if self.lengths is None:
            return rows
        batches = batches_by_length(self.lengths(rows), self.batch_size)
        # Numbered from 1: numpy's seeds don't tell a last 0 from none.
        order = np.random.default_rng([self.seed, epoch, window + 1]).permutation(len(batches))
        return rows[batches[order].ravel()]


def batches_by_length(lengths: Ints, size: int) -> Ints:
    """Requests in batches that need little padding: sorted where there is one view.

    The requests are halved at the middle of the view that would be padded most, and so are the
    halves, down to single batches.

    Args:
        lengths: [n, views], events of each view; n is a multiple of `size`.
        size: b

    Returns:
        [n / b, b]: places in `lengths`.
    """
    waiting, batches = [np.arange(len(lengths))], []
    while waiting:
        rows = waiting.pop()
        if len(rows) == size:
            batches.append(rows)
            continue
        here = lengths[rows]
        view = np.argmax(here.max(axis=0) * len(rows) - here.sum(axis=0))
        ordered = rows[np.argsort(here[:, view], kind="stable")]
        half = len(rows) // size // 2 * size
        waiting += [ordered[half:], ordered[:half]]
    return np.array(batches)
