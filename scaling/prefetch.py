"""The next batches are made while a step runs."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_WAIT_SECONDS = 0.1
"""How often a thread that waits for room looks whether it is still wanted."""


class Prefetched(Generic[T]):
    """An iterator that runs ahead of its reader in a thread of its own.

    The items are the same in the same order; an error is raised where its item would have come. The
    thread ends with the items, with `close`, or when nobody holds the iterator any more.
    """

    def __init__(self, items: Iterator[T], ahead: int = 2) -> None:
        """`ahead`: the most items that wait for the reader."""
        self._ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(ahead)
        self._closed = threading.Event()
        # The thread must not hold `self`, else it would never be let go.
        self._thread = threading.Thread(
            target=_fill, args=(items, self._ready, self._closed), name="prefetch", daemon=True
        )
        weakref.finalize(self, self._closed.set)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._closed.is_set():
            raise StopIteration
        item, error = self._ready.get()
        if error is not None:
            self.close()
            raise error
        assert item is not None, "an item or an error"
        return item

    def close(self) -> None:
        """End the thread; what it made is thrown away."""
        self._closed.set()
        self._thread.join()


def _fill(
    items: Iterator[T],
    ready: queue.Queue[tuple[T | None, BaseException | None]],
    closed: threading.Event,
) -> None:
    while not closed.is_set():
        found: tuple[T | None, BaseException | None]
        try:
            found = next(items), None
        except BaseException as error:  # StopIteration too: the reader raises it
            found = None, error
        while not closed.is_set():
            try:
                ready.put(found, timeout=_WAIT_SECONDS)
                break
            except queue.Full:
                continue
        if found[1] is not None:
            return
