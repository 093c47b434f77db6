"""Items made ahead are the same items; errors come through; the thread ends with its reader."""

from __future__ import annotations

import gc
import itertools
import threading
import time
from collections.abc import Iterator

import pytest
import torch

from scaling.batch import Batch
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.transformer import TransformerConfig
from scaling.prefetch import Prefetched
from scaling.training import TrialRun
from scaling.trial import TrainingConfig, TrialConfig


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


class AheadRun(TrialRun):
    """Reads ahead on a CPU too, as every run does on a GPU."""

    def _batches_from(self, step: int) -> Iterator[Batch]:
        return Prefetched(super()._batches_from(step))


def small_trial() -> TrialConfig:
    return TrialConfig(
        model=TransformerConfig(depth=1, width=16, seq_len=8),
        dataset=SyntheticConfig.tiny(),
        training=TrainingConfig(batch_size=9, lr=3e-3, embedding_lr=0.1, lr_rule="given"),
        budget=2e8,
        seed=3,
    )


def test_a_run_that_reads_ahead_is_the_same_run_also_when_it_goes_on_elsewhere() -> None:
    plain = TrialRun(small_trial())
    plain.advance(60)
    first = AheadRun(small_trial())
    for _ in range(5):
        first.advance(0)
    second = AheadRun(small_trial())
    second.restore(first.state())
    assert len(prefetching()) == 2
    first.close()
    second.advance(60)
    assert len(prefetching()) == 1
    second.close()
    wait_until_ended()
    assert plain.done
    assert second.done
    expected, found = plain.state(), second.state()
    assert found["steps"] == expected["steps"] > 8
    assert found["counts"] == expected["counts"]
    for name, weights in expected["model"].items():
        assert torch.equal(found["model"][name], weights), name
