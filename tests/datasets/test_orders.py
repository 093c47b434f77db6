"""Training reads every request once an epoch, with requests of like lengths in a batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from scaling.datasets import orders
from scaling.datasets.log import EventLog
from scaling.datasets.logged import LoggedConfig
from scaling.datasets.orders import TrainingOrder
from scaling.datasets.request_index import RequestIndex
from scaling.datasets.request_tables import open_tables

SIZES = [1, 2, 3, 7, 16, 50, 10**4]


@pytest.fixture
def table(
    random_log: Callable[[int], EventLog], random_config: Callable[..., LoggedConfig]
) -> RequestIndex:
    """Requests of one candidate each: some hundreds."""
    return open_tables(random_log(0), random_config(max_candidates=1), None).splits["train"]


def rows_of(order: TrainingOrder, batches: int, start: int = 0) -> np.ndarray:
    return np.array(list(itertools.islice(order.batches(start), batches)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("window", [1, 3, 64])
def test_every_epoch_holds_every_request_once(
    table: RequestIndex, size: int, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "WINDOW", window)
    count = len(table)
    rows = rows_of(TrainingOrder(table, size, 5), 3 * count // size + 1)
    assert rows.shape[1] == size
    for epoch in range(rows.size // count):
        assert sorted(rows.ravel()[epoch * count : (epoch + 1) * count]) == list(range(count))


@pytest.mark.parametrize("size", SIZES)
def test_any_batch_can_be_the_first(
    table: RequestIndex, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "WINDOW", 5)
    order = TrainingOrder(table, size, 1)
    most = 2 * len(table) // size + 4
    whole = rows_of(order, most)
    for start in range(0, most - 2, max(1, most // 60)):
        assert rows_of(order, 2, start).tolist() == whole[start : start + 2].tolist()


def test_seeds_and_epochs_differ(table: RequestIndex) -> None:
    count = len(table) // 4
    first = rows_of(TrainingOrder(table, 4, 0), count)
    assert first.tolist() == rows_of(TrainingOrder(table, 4, 0), count).tolist()
    assert first.tolist() != rows_of(TrainingOrder(table, 4, 1), count).tolist()
    assert first.tolist() != rows_of(TrainingOrder(table, 4, 0), count, start=count).tolist()


def test_a_window_is_a_random_sample_whose_batches_are_of_one_length(
    table: RequestIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "WINDOW", 6)
    size, seed = 4, 3
    batches = rows_of(TrainingOrder(table, size, seed), len(table) // size)
    sample = np.random.default_rng([seed, 0]).permutation(len(table))
    orders_seen = set()
    for begin in range(0, len(batches) - 6, 6):
        window = batches[begin : begin + 6]
        assert sorted(window.ravel()) == sorted(sample[begin * size : (begin + 6) * size])
        lengths = table.history_events(window.ravel()).reshape(window.shape)
        by_length = np.argsort(lengths.min(axis=1), kind="stable")
        ends = lengths.max(axis=1)[by_length]
        assert (ends[:-1] <= lengths.min(axis=1)[by_length][1:]).all()
        orders_seen.add(tuple(by_length.tolist()))
    assert len(orders_seen) > 10
