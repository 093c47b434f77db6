"""Items made ahead are the same items; errors come through; the thread ends with its reader."""

from __future__ import annotations

import gc
import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from scaling.prefetch import Prefetched


def prefetching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def wait_until_ended() -> None:
    for thread in prefetching():
        thread.join(timeout=30)
    assert not prefetching()


def test_all_items_come_in_order_and_then_it_ends() -> None:
    items = Prefetched(iter(range(100)))
    assert list(items) == list(range(100))
    wait_until_ended()
    with pytest.raises(StopIteration):
        next(items)


def test_no_more_items_are_made_than_may_wait() -> None:
    made: list[int] = []

    def counted() -> Iterator[int]:
        for number in itertools.count():
            made.append(number)
            yield number

    items = Prefetched(counted(), ahead=3)
    assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
    while len(made) < 9:  # five taken, three that wait, one that waits for room
        time.sleep(0.001)
    time.sleep(0.05)
    assert len(made) == 9
    items.close()
    wait_until_ended()


def test_an_error_comes_where_its_item_would_have_come() -> None:
    def failing() -> Iterator[int]:
        yield from (1, 2)
        raise ValueError("row 3 is torn")

    items = Prefetched(failing())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(ValueError, match="row 3 is torn"):
        next(items)
    wait_until_ended()


def test_the_thread_ends_with_close_and_when_nobody_reads_any_more() -> None:
    first, second = Prefetched(itertools.count()), Prefetched(itertools.count())
    assert next(first) == next(second) == 0
    first.close()
    first.close()
    with pytest.raises(StopIteration):
        next(first)
    assert len(prefetching()) == 1
    del second
    gc.collect()
    wait_until_ended()
