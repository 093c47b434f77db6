"""Sampled negatives: the same for everybody, none of a request's own, nothing from after the split."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scaling.batch import SPLITS, Batch, Schema, Split, View
from scaling.batch_check import first_checked
from scaling.datasets.log import EventLog, build_log
from scaling.datasets.logged import LoggedConfig, LoggedDataset
from scaling.datasets.negatives import NEGATIVES_RULES

VIEWS = (View(strategy="recent", length=6),)
ITEMS, FUTURE = 60, 59


@dataclass(frozen=True, kw_only=True)
class ChosenConfig(LoggedConfig):
    """Events that users chose: positives only."""

    name = "chosen"
    max_candidates: int = 4

    def content(self) -> str:
        return "0"

    def read(self) -> tuple[EventLog, dict[str, Any]]:
        raise AssertionError("in memory")

    def fetch(self) -> list[Path]:
        return []


@pytest.fixture(scope="module")
def log() -> EventLog:
    """4,000 events of 80 users; small items are popular, and item FUTURE comes after the splits."""
    rng = np.random.default_rng(0)
    times = np.sort(rng.integers(0, 10_000, 4000))
    items = (rng.random(4000) ** 2 * FUTURE).astype(int)
    items[times > 9_900] = FUTURE
    schema = Schema(
        num_items=ITEMS,
        behaviours=("choose",),
        action_labels=((1,),),
        scenarios=("all",),
        item_attributes={},
        request_attributes={},
        max_candidates=4,
    )
    zeros = np.zeros(4000, int)
    return build_log(schema, rng.integers(0, 80, 4000), items, zeros, zeros, times)


def batches(data: LoggedDataset, split: Split, size: int = 64) -> list[Batch]:
    found = data.requests(split, VIEWS, batch_size=size, seed=0 if split == "train" else None)
    return list(itertools.islice(found, 4))


@pytest.mark.parametrize("rule", NEGATIVES_RULES)
@pytest.mark.parametrize("count", [1, 5])
def test_negatives_stand_beside_the_candidates(log: EventLog, rule: Any, count: int) -> None:
    config = ChosenConfig(negatives=count, negatives_by=rule)
    data = LoggedDataset(log, config, {})
    assert data.schema.max_candidates == 4 * (1 + count)
    assert data.schema.label_rates == pytest.approx((1 / (1 + count),))
    for split in SPLITS:
        size, cut = data.size(split), data.tables[split]
        assert size.examples == cut.examples * (1 + count)
        _, candidates = data.sample(split, VIEWS, 50)
        assert (candidates % (1 + count) == 0).all()
        for batch in first_checked(iter(batches(data, split)), data.schema, VIEWS):
            for request in range(len(batch)):
                mask = batch.candidates.mask[request]
                label = batch.labels[request, mask, 0].numpy()
                items = batch.candidates.items[request, mask].numpy()
                assert len(items) == label.sum() * (1 + count)
                assert not set(items[label == 0]) & set(items[label == 1])


def test_they_are_the_same_for_everybody_but_other_seeds(log: EventLog) -> None:
    def drawn(size: int = 64, **options: Any) -> dict[int, tuple[int, ...]]:
        data = LoggedDataset(log, ChosenConfig(negatives=3, **options), {})
        found = {}
        for batch in data.requests("test", VIEWS, batch_size=size):
            for number, items, mask in zip(
                batch.requests, batch.candidates.items, batch.candidates.mask
            ):
                found[int(number)] = tuple(items[mask].tolist())
        return found

    assert drawn() == drawn() == drawn(size=7)
    assert drawn() != drawn(negatives_seed=1)
    assert drawn() != drawn(negatives_by="popularity")


@pytest.mark.parametrize("rule", NEGATIVES_RULES)
def test_only_what_training_shows_is_drawn_as_the_rule_says(log: EventLog, rule: Any) -> None:
    config = ChosenConfig(negatives=8, negatives_by=rule, max_candidates=1)
    data = LoggedDataset(log, config, {})
    drawn, shown = np.zeros(ITEMS), np.zeros(ITEMS)
    train = data.requests("train", VIEWS, batch_size=64, seed=0)
    for _ in range(len(data.tables["train"]) // 64):
        batch = next(train)
        mask, label = batch.candidates.mask, batch.labels[..., 0] > 0
        drawn += np.bincount(batch.candidates.items[mask & ~label], minlength=ITEMS)
        shown += np.bincount(batch.candidates.items[mask & label], minlength=ITEMS)
    assert shown[FUTURE] == drawn[FUTURE] == 0
    assert log.items[log.items == FUTURE].size
    chance = shown / shown.sum() if rule == "popularity" else (shown > 0) / (shown > 0).sum()
    # The request's own item is none of its negatives: beside item j, the others come up anew.
    own = shown / shown.sum()
    beside = own / (1 - chance)
    expected = chance * (beside.sum() - beside)
    assert expected.sum() == pytest.approx(1)
    assert np.abs(drawn / drawn.sum() - expected).max() < 0.004


def test_what_a_log_of_positives_needs_is_said(log: EventLog) -> None:
    with pytest.raises(ValueError, match=r"same labels \{'choose': 1\}.*the field `negatives`"):
        LoggedDataset(log, ChosenConfig(), {}).requests("train", VIEWS, batch_size=4, seed=0)
    with pytest.raises(ValueError, match=r"training shows 59 items, .* at least 64 .* of 16"):
        LoggedDataset(log, ChosenConfig(negatives=1, max_candidates=16), {})
    with pytest.raises(ValueError, match=r"chosen.negatives must be at least 0, got -1"):
        ChosenConfig(negatives=-1)
    with pytest.raises(ValueError, match=r"negatives_by must be one of uniform, popularity"):
        ChosenConfig(negatives_by="often")  # type: ignore[arg-type]


def test_a_view_chosen_by_the_candidates_would_tell_which_are_real(
    random_log: Callable[[int], EventLog],
) -> None:
    views = (View(strategy="request.genre", length=6),)
    plain = LoggedDataset(random_log(0), ChosenConfig(), {})
    next(plain.requests("test", views, batch_size=4))
    sampled = LoggedDataset(random_log(0), ChosenConfig(negatives=1), {})
    with pytest.raises(ValueError, match=r"'request.genre' .* would tell which they are"):
        sampled.requests("test", views, batch_size=4)


def test_no_negatives_change_nothing(random_log: Callable[[int], EventLog]) -> None:
    plain = ChosenConfig()
    assert "negatives" not in plain.identity()
    assert dataclasses.replace(plain, negatives=2).fingerprint() != plain.fingerprint()
    first = LoggedDataset(random_log(0), plain, {})
    second = LoggedDataset(random_log(0), dataclasses.replace(plain, negatives=2), {})
    for one, two in zip(batches(first, "test", 4), batches(second, "test", 4)):
        columns = one.candidates.items.shape[1]
        assert torch.equal(one.history[0].items, two.history[0].items)
        real = one.candidates.mask
        assert torch.equal(one.candidates.items[real], two.candidates.items[:, :columns][real])
        assert torch.equal(one.labels[real], two.labels[:, :columns][real])
