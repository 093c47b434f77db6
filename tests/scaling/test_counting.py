"""A reference's trial: one pass, no compute, evaluated as the trained ones are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from scaling.code import code_digest
from scaling.counting import CountingRun
from scaling.datasets.base import Dataset
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.base import ModelConfig
from scaling.models.markov import MarkovConfig
from scaling.models.popularity import PopularityConfig
from scaling.models.transformer import TransformerConfig
from scaling.results import TrialResult
from scaling.running import opened
from scaling.start import start_run
from scaling.sweeps.references import COUNTING, reference_trials
from scaling.training import TrialRun
from scaling.trial import TrainingConfig, TrialConfig

TINY = SyntheticConfig.tiny()


def trial(model: ModelConfig, budget: float = 0.0) -> TrialConfig:
    return TrialConfig(model=model, dataset=TINY, training=COUNTING, budget=budget, seed=0)


def run(config: TrialConfig, slice_seconds: float = 60.0) -> TrialResult:
    counting = start_run(config)
    while not counting.done:
        progress = counting.advance(slice_seconds)
    assert progress.share == 1
    return counting.finish()


def test_endless_data_are_read_as_far_as_the_configuration_says() -> None:
    result = run(trial(PopularityConfig(requests=301)))
    metrics = result.metrics
    assert result.status == "finished"
    assert metrics["requests"] == 301
    assert metrics["compute"] == metrics["compute_nominal"] == metrics["flops_per_request"] == 0
    assert metrics["params"] == metrics["params_embedding"] == 0
    assert metrics["loss_floor"] < metrics["loss"]
    assert metrics["ne"] < 1.05
    assert "mfu" not in metrics
    assert result.curve == []


def test_finite_data_are_read_once_whatever_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches go on into the next epoch, as those of logged data do."""
    from scaling.datasets.base import Size
    from scaling.datasets.synthetic import SyntheticDataset

    whole = SyntheticDataset.size
    monkeypatch.setattr(
        SyntheticDataset,
        "size",
        lambda self, split: Size(100, 1000) if split == "train" else whole(self, split),
    )
    results = []
    for batch_size in (7, 256):
        training = dataclasses.replace(COUNTING, batch_size=batch_size)
        config = dataclasses.replace(trial(MarkovConfig()), training=training)
        results.append(run(config, slice_seconds=1e-4).metrics)
    assert results[0]["requests"] == results[1]["requests"] == 100
    assert results[0]["epochs"] == 1
    assert results[0]["loss"] == results[1]["loss"]


def test_the_rates_come_from_the_training_part() -> None:
    config = trial(PopularityConfig(requests=500))
    counting = CountingRun(config)
    while not counting.done:
        counting.advance(60)
    dataset: Dataset = opened(TINY)
    shown = seen = 0
    for batch in dataset.requests("train", config.model.views(), batch_size=256, seed=0):
        left = min(500 - seen, len(batch))
        shown += int(batch.num_candidates()[:left].sum())
        seen += left
        if seen == 500:
            break
    assert counting.finish().metrics["examples"] == shown


def test_roles_budgets_and_runs_belong_together() -> None:
    transformer = TransformerConfig(depth=1, width=16, seq_len=8)
    with pytest.raises(ValueError, match=r"budget must be 0 for popularity.*got 1000000000"):
        trial(PopularityConfig(), budget=1e9)
    with pytest.raises(ValueError, match=r"budget must be positive.*0 for a reference.*got 0"):
        trial(transformer)
    assert isinstance(start_run(trial(transformer, budget=1e9)), TrialRun)
    with pytest.raises(ValueError, match=r"TrialRun is for trained models.*markov"):
        TrialRun(trial(MarkovConfig()))


def test_a_reference_is_one_trial_whatever_the_sweeps_recipe() -> None:
    models = [PopularityConfig(), TransformerConfig(depth=1, width=16, seq_len=8), MarkovConfig()]
    first, second = reference_trials(models, TINY)
    assert [t.model.name for t in (first, second)] == ["popularity", "markov"]
    assert {(t.budget, t.seed) for t in (first, second)} == {(0.0, 0)}
    assert first.training == COUNTING


def test_code_of_counting_is_told_apart_from_that_of_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scaling import code

    counted = code._closure("scaling.counting", "scaling.models.popularity")
    assert "scaling.counting" in counted
    assert not {"scaling.optim", "scaling.training", "scaling.losses"} & set(counted)
    trained = code._closure("scaling.training", "scaling.models.transformer")
    assert "scaling.running" in trained
    assert "scaling.counting" not in trained
    assert code_digest(trial(PopularityConfig())) != code_digest(trial(MarkovConfig()))


def test_settings_of_training_that_are_no_weights_are_refused() -> None:
    with pytest.raises(ValueError, match=r"TrainingConfig\.rank_loss.*got -1"):
        TrainingConfig(batch_size=8, lr=1e-3, embedding_lr=0.1, lr_rule="given", rank_loss=-1.0)
