"""Training reads every request once an epoch, with requests of like lengths in a batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from scaling.batch import View
from scaling.datasets import orders
from scaling.datasets.log import EventLog
from scaling.datasets.logged import LoggedConfig, LoggedDataset
from scaling.datasets.orders import TrainingOrder, batches_by_length
from scaling.datasets.permutation import Ints, Permutation

COUNT = 263
LENGTHS = np.random.default_rng(0).geometric(0.1, (COUNT, 2))
SIZES = [1, 2, 3, 7, 16, 50, 300, 10**4]


def order_of(size: int, seed: int = 5, mixed: bool = False) -> TrainingOrder:
    return TrainingOrder(COUNT, size, seed, None if mixed else lambda rows: LENGTHS[rows])


def rows_of(order: TrainingOrder, batches: int, start: int = 0) -> Ints:
    return np.array(list(itertools.islice(order.batches(start), batches)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("window", "mixed"), [(1, False), (3, False), (64, False), (64, True)])
def test_every_epoch_holds_every_request_once(
    size: int, window: int, mixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "WINDOW", window)
    rows = rows_of(order_of(size, mixed=mixed), 3 * COUNT // size + 1)
    assert rows.shape[1] == size
    for epoch in range(rows.size // COUNT):
        assert sorted(rows.ravel()[epoch * COUNT : (epoch + 1) * COUNT]) == list(range(COUNT))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mixed", [False, True])
def test_any_batch_can_be_the_first(
    size: int, mixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "WINDOW", 5)
    most = 2 * COUNT // size + 4
    order = order_of(size, mixed=mixed)
    whole = rows_of(order, most)
    for start in range(0, most - 2, max(1, most // 60)):
        assert rows_of(order, 2, start).tolist() == whole[start : start + 2].tolist()


def test_seeds_and_epochs_differ() -> None:
    first = rows_of(order_of(4), 65)
    assert first.tolist() == rows_of(order_of(4), 65).tolist()
    assert first.tolist() != rows_of(order_of(4, seed=1), 65).tolist()
    assert first.tolist() != rows_of(order_of(4), 65, start=65).tolist()


def test_windows_are_random_samples_whatever_the_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "WINDOW", 6)
    batches = rows_of(order_of(4), COUNT // 4)
    sample = Permutation(COUNT, (5, 0)).at(np.arange(COUNT))
    mixed = rows_of(order_of(4, mixed=True), COUNT // 4)
    assert mixed.ravel().tolist() == sample[: mixed.size].tolist()
    shuffled = set()
    for begin in range(0, COUNT // 4 - 6, 6):
        window = batches[begin : begin + 6]
        assert sorted(window.ravel()) == sorted(sample[begin * 4 : (begin + 6) * 4])
        shuffled.add(tuple(np.argsort(LENGTHS[window].sum(axis=(1, 2))).tolist()))
    assert len(shuffled) > 5, "batches come in no order of length"


def test_one_view_is_sorted_and_several_are_padded_less() -> None:
    lengths = LENGTHS[:256, :1]
    ends = lengths[batches_by_length(lengths, 8)].max(axis=1)[:, 0]
    assert ends.tolist() == np.sort(lengths[:, 0]).reshape(-1, 8).max(axis=1).tolist()
    batches = batches_by_length(LENGTHS[:256], 8)
    assert batches.shape == (32, 8)
    assert sorted(batches.ravel()) == list(range(256))

    def padded(grouped: Ints) -> float:
        held = LENGTHS[grouped]
        return float(1 - held.sum() / (8 * held.max(axis=1)).sum())

    plain = padded(np.arange(256).reshape(-1, 8))
    by_one = padded(np.argsort(LENGTHS[:256, 0]).reshape(-1, 8))
    assert padded(batches) < 0.7 * by_one < 0.7 * plain


def test_a_batch_holds_histories_of_like_lengths(
    random_log: Callable[[int], EventLog], random_config: Callable[..., LoggedConfig]
) -> None:
    """Of all training batches, those of every view set; the window's requests are the same."""
    dataset = LoggedDataset(random_log(0), random_config(max_candidates=1, batches="by_length"), {})
    windows = []
    for names in (("recent",), ("recent", "like"), ("no_click", "lifetime")):
        views = tuple(View(strategy=name, length=30) for name in names)
        batches = dataset.requests("train", views, batch_size=8, seed=0)
        found = list(itertools.islice(batches, dataset.size("train").requests // 8))
        width = sum(view.mask.numel() for batch in found for view in batch.history)
        held = sum(int(view.mask.sum()) for batch in found for view in batch.history)
        assert 1 - held / width < 0.1 * len(names)
        windows.append(sorted(int(i) for batch in found for i in batch.requests))
    assert windows[0] == windows[1] == windows[2]
