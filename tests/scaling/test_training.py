"""Training: budgets, accounting, determinism, divergence."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from scaling.compute import TRAINING_FACTOR
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.astro import AstroConfig
from scaling.models.base import ModelConfig
from scaling.models.transformer import TransformerConfig
from scaling.results import TrialResult
from scaling.training import CURVE_POINTS, TrialRun
from scaling.trial import TrainingConfig, TrialConfig

TRANSFORMER = TransformerConfig(depth=2, width=16, seq_len=8)
ASTRO = AstroConfig(depth=2, width=16, seq_len=8, strategies=("recent", "like"))
TRAINING = TrainingConfig(batch_size=8, lr=3e-3, embedding_lr=0.1, lr_rule="given")


def trial(model: ModelConfig = TRANSFORMER, budget: float = 1e9, **training: Any) -> TrialConfig:
    return TrialConfig(
        model=model,
        dataset=SyntheticConfig.tiny(),
        training=dataclasses.replace(TRAINING, **training),
        budget=budget,
        seed=0,
    )


def run(config: TrialConfig, slice_seconds: float = 60.0) -> TrialResult:
    training = TrialRun(config)
    while not training.done:
        training.advance(slice_seconds)
    return training.finish()


@pytest.mark.parametrize("model", [TRANSFORMER, ASTRO], ids=["transformer", "astro"])
def test_same_seed_same_loss_to_the_last_digit_however_it_is_sliced(model: ModelConfig) -> None:
    once, again = run(trial(model)), run(trial(model), slice_seconds=0.01)
    for name in ("loss", "auc", "validation_loss", "compute", "examples"):
        assert once.metrics[name] == again.metrics[name]
    assert [p.metrics["train_loss"] for p in once.curve] == [
        p.metrics["train_loss"] for p in again.curve
    ]
    other = run(dataclasses.replace(trial(model), seed=1))
    assert other.metrics["loss"] != once.metrics["loss"]
    assert other.metrics["loss_floor"] == once.metrics["loss_floor"]


def test_training_stops_at_the_first_batch_that_reaches_the_budget() -> None:
    config = trial()
    model, dataset = config.model, config.dataset.open()
    total, steps, examples = 0.0, 0, 0
    for batch in dataset.requests("train", model.views(), batch_size=8, seed=0):
        flops = model.flops(dataset.schema, batch.lengths(), batch.num_candidates())
        total += TRAINING_FACTOR * flops.total.sum()
        steps, examples = steps + 1, examples + int(batch.num_candidates().sum())
        if total >= config.budget:
            break
    metrics = run(config).metrics
    assert metrics["compute"] == pytest.approx(total, rel=1e-12)
    assert (metrics["steps"], metrics["examples"]) == (steps, examples)
    assert metrics["compute_causal"] < metrics["compute"] < metrics["compute_nominal"]
    assert metrics["flops_per_request"] == pytest.approx(
        metrics["compute"] / TRAINING_FACTOR / metrics["requests"]
    )
    # Alone, each candidate pays for its history; together they share it.
    shared = metrics["flops_per_request"] / metrics["candidates_per_request"]
    assert shared < metrics["flops_per_request_single"] < metrics["flops_per_request"]
    assert metrics["examples"] == metrics["unique_examples"]


def test_the_curve_is_in_examples_and_ends_with_the_run() -> None:
    result = run(trial())
    examples = [point.examples for point in result.curve]
    assert examples == sorted(set(examples))
    assert examples[-1] == result.metrics["examples"]
    assert len(examples) == CURVE_POINTS


def test_a_longer_run_beats_the_base_rates_and_stays_above_the_floor() -> None:
    metrics = run(trial(budget=5e9)).metrics
    assert metrics["ne"] < 1
    assert metrics["loss_floor"] < metrics["loss"] < run(trial(budget=3e8)).metrics["loss"]


def test_divergence_is_a_failed_trial_with_its_reason() -> None:
    result = run(trial(lr=1e4, embedding_lr=1e4, clip=1e9))
    assert result.status == "failed"
    assert "loss" in result.reason
    assert result.evaluation is None
    assert "loss" not in result.metrics
    assert all(math.isfinite(value) for value in result.metrics.values())


def test_every_trial_is_evaluated_on_the_same_requests() -> None:
    tables = [run(trial(model)).evaluation for model in (TRANSFORMER, ASTRO)]
    assert all(table is not None for table in tables)
    first, second = (t.sort_values(["behaviour", "request"]) for t in tables if t is not None)
    for column in ("request", "user", "count"):
        np.testing.assert_array_equal(first[column], second[column])
    assert first["request"].nunique() == SyntheticConfig.tiny().test_requests


def test_bf16_trains_to_nearly_the_same_loss() -> None:
    exact, rounded = run(trial()), run(trial(precision="bf16"))
    assert rounded.texts["precision"] == "bf16"
    assert rounded.metrics["loss"] == pytest.approx(exact.metrics["loss"], rel=0.02)
    assert rounded.metrics["loss"] != exact.metrics["loss"]


def test_trials_are_told_apart_by_content_and_configurations_ignore_the_seed() -> None:
    base = trial()
    assert base.digest() == trial().digest()
    others = [trial(ASTRO), trial(budget=2e9), trial(lr=1e-3), base.with_seed(1)]
    assert len({base.digest(), *(other.digest() for other in others)}) == 5
    assert base.configuration() == base.with_seed(1).configuration() != others[0].configuration()
    assert TrialConfig.from_dict(base.to_dict()) == base


@pytest.mark.parametrize(
    ("field", "value"), [("batch_size", 0), ("lr", -1.0), ("warmup", 1.0), ("threads", 0)]
)
def test_bad_training_settings_are_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"TrainingConfig\.{field}.*got"):
        trial(**{field: value})
