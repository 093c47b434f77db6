"""A batch in parts of like lengths: every request once, less padding, the same gradient."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from scaling.batch import Batch
from scaling.datasets.base import Dataset
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.astro import AstroConfig
from scaling.models.base import MODELS, ModelConfig
from scaling.models.transformer import TransformerConfig
from scaling.parts import in_parts, parts_of, places_of_a_part
from scaling.training import TrialRun
from scaling.trial import TrainingConfig, TrialConfig

TRAINED = [name for name in MODELS.names() if MODELS.get(name).role == "trained"]


def lengths(seed: int = 0, requests: int = 40) -> Any:
    random = np.random.default_rng(seed)
    return random.integers(0, [[60, 200]], (requests, 2))


def padding(lengths: Any, parts: list[Any]) -> float:
    places = sum(int(lengths[rows].max(axis=0).sum()) * len(rows) for rows in parts)
    return float(1 - lengths.sum() / places)


@pytest.mark.parametrize("seed", range(5))
def test_every_request_is_in_one_part(seed: int) -> None:
    parts = parts_of(lengths(seed), 50.0)
    assert len(parts) > 1
    assert sorted(np.concatenate(parts)) == list(range(40))


def test_less_padding_for_a_lower_price() -> None:
    wasted = [padding(lengths(), parts_of(lengths(), p)) for p in (math.inf, 1000, 300, 100, 0)]
    assert wasted == sorted(wasted, reverse=True)
    assert wasted[0] > 0.4
    one_view = lengths()[:, 1:]
    assert padding(one_view, parts_of(one_view, 100)) < 0.1
    counts = [len(parts_of(lengths(), price)) for price in (math.inf, 1000, 300, 100, 0)]
    assert counts == sorted(counts)
    assert counts[0] == 1


def test_a_cut_saves_more_than_its_price() -> None:
    price, drawn = 200.0, lengths(1)
    saved = padding(drawn, [np.arange(40)]), padding(drawn, parts_of(drawn, price))
    places = [drawn.sum() / (1 - share) for share in saved]
    assert places[0] - places[1] > price * (len(parts_of(drawn, price)) - 1)


def test_one_part_keeps_the_order() -> None:
    (rows,) = parts_of(lengths(), math.inf)
    assert rows.tolist() == list(range(40))
    (rows,) = parts_of(np.full((7, 3), 5), 0.0)
    assert rows.tolist() == list(range(7))
    (rows,) = parts_of(np.zeros((3, 1), np.int64), 0.0)
    assert rows.tolist() == list(range(3))


def test_deep_and_wide_models_are_worth_more_parts() -> None:
    schema = SyntheticConfig.tiny().open().schema
    prices = [
        places_of_a_part(TransformerConfig(depth=depth, width=width, seq_len=64), schema)
        for depth, width in ((4, 16), (4, 64), (4, 256))
    ]
    assert prices == sorted(prices, reverse=True)
    assert prices[0] > 100 * prices[-1]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return SyntheticConfig.tiny().open()


def batch_of(config: ModelConfig, dataset: Dataset) -> Batch:
    return next(iter(dataset.requests("train", config.views(), batch_size=24, seed=3)))


def gradients(config: ModelConfig, dataset: Dataset, parts: Any) -> list[Any]:
    torch.manual_seed(0)
    ranker = config.build(dataset.schema).double().train()
    count = sum(int(part.candidates.mask.sum()) for part in parts)
    for part in parts:
        logits, mask = ranker(part), part.candidates.mask
        share = int(mask.sum()) / count
        # Not `training_loss`, which is in single precision.
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            logits[mask], part.labels[mask].double()
        )
        (loss * share).backward()  # type: ignore[no-untyped-call]
    return [
        None if p.grad is None else p.grad.to_dense() if p.grad.is_sparse else p.grad
        for p in ranker.parameters()
    ]


@pytest.mark.parametrize("name", TRAINED)
def test_the_gradient_is_the_batches(name: str, dataset: Dataset) -> None:
    config = MODELS.get(name).example(dataset.schema)
    batch = batch_of(config, dataset)
    parts = in_parts(batch, 0.0)
    assert len(parts) > 1
    assert sum(map(len, parts)) == len(batch)
    whole, summed = (gradients(config, dataset, form) for form in ([batch], parts))
    for mine, theirs in zip(whole, summed, strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            torch.testing.assert_close(theirs, mine, rtol=1e-9, atol=1e-12)


def trained(model: ModelConfig, price: float | None, **training: Any) -> dict[str, float]:
    settings = TrainingConfig(batch_size=16, lr=3e-3, embedding_lr=0.1, lr_rule="given")
    settings = dataclasses.replace(settings, **training)
    trial = TrialConfig(
        model=model, dataset=SyntheticConfig.tiny(), training=settings, budget=2e8, seed=0
    )
    run = TrialRun(trial)
    if price is not None:
        run.part_price = price
    run.advance(math.inf)
    return run.finish().metrics


@pytest.mark.parametrize("rank_weight", [0.0, 0.5])
def test_a_trial_in_parts_is_the_same_trial(rank_weight: float) -> None:
    model = AstroConfig(depth=2, width=16, seq_len=16, strategies=("recent", "like"))
    whole, parts = (trained(model, price, rank_loss=rank_weight) for price in (math.inf, 0.0))
    assert whole["steps"] == parts["steps"] > 5
    assert whole["compute"] == parts["compute"]
    for name in ("loss", "validation_loss", "auc"):
        assert parts[name] == pytest.approx(whole[name], abs=2e-5)
    assert parts["loss"] != whole["loss"], "the order of sums tells that there were parts"


def test_experts_get_whole_batches() -> None:
    schema = SyntheticConfig.tiny().open().schema
    plain = TransformerConfig(depth=2, width=16, seq_len=16)
    mixed = dataclasses.replace(plain, experts=2)
    assert plain.build(schema).sums_over_requests
    assert not mixed.build(schema).sums_over_requests
    settings = TrainingConfig(batch_size=16, lr=3e-3, embedding_lr=0.1, lr_rule="given")
    prices = [
        TrialRun(
            TrialConfig(
                model=model, dataset=SyntheticConfig.tiny(), training=settings, budget=1e6, seed=0
            )
        ).part_price
        for model in (plain, mixed)
    ]
    assert prices[0] < prices[1] == math.inf
