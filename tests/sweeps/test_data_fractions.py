"""Data as an axis: shares of the training data are data sets of their own, read more often."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from scaling.models.transformer import TransformerConfig
from scaling.results import TrialResult
from scaling.start import start_run
from scaling.sweeps.benchmark_reading import GeneratedLog, measure_reading
from scaling.sweeps.data_fractions import data_fractions
from scaling.trial import TrainingConfig, TrialConfig

LOG = GeneratedLog(users=20, events=2000, items=50, max_candidates=4)


def test_every_share_meets_every_model_and_budget() -> None:
    sweep = data_fractions(budgets=(1e9, 2e9), seeds=(0, 1))
    shares = {trial.dataset.fingerprint(): trial.dataset.user_fraction for trial in sweep.trials}
    assert sorted(shares.values()) == [0.125, 0.25, 0.5, 1.0]
    assert len(sweep.trials) == 4 * 2 * 2 * 2
    assert len({trial.digest() for trial in sweep.trials}) == len(sweep.trials)
    by_time = data_fractions(split="temporal", user_fractions=(1.0,), time_fractions=(0.5, 1.0))
    assert {trial.dataset.time_fraction for trial in by_time.trials} == {0.5, 1.0}
    with pytest.raises(ValueError, match="time_fraction needs split 'temporal'"):
        data_fractions(time_fractions=(0.5,))


def trained(fraction: float) -> TrialResult:
    config = TrialConfig(
        model=TransformerConfig(depth=1, width=16, seq_len=8),
        dataset=dataclasses.replace(LOG, user_fraction=fraction),
        training=TrainingConfig(batch_size=16, lr=2e-3, embedding_lr=0.1, lr_rule="given"),
        budget=5e7,
        seed=0,
    )
    run = start_run(config)
    while not run.done:
        run.advance(60)
    return run.finish()


def test_a_smaller_share_is_read_more_often_and_evaluated_on_the_same() -> None:
    fractions = (0.25, 0.5, 1.0)
    results = [trained(fraction) for fraction in fractions]
    for fraction, result in zip(fractions, results):
        size = dataclasses.replace(LOG, user_fraction=fraction).open().size("train")
        assert size is not None
        metrics = result.metrics
        assert metrics["epochs"] == pytest.approx(metrics["requests"] / size.requests)
        assert metrics["unique_examples"] == min(size.examples, metrics["examples"])
    for smaller, larger in itertools.pairwise(results):
        assert smaller.metrics["epochs"] > larger.metrics["epochs"]
        assert smaller.metrics["unique_examples"] < larger.metrics["unique_examples"]
        left, right = smaller.evaluation, larger.evaluation
        assert left is not None
        assert right is not None
        assert left["request"].tolist() == right["request"].tolist()
        assert left["count"].tolist() == right["count"].tolist()


def test_the_benchmark_of_reading_counts_what_it_reads() -> None:
    found = measure_reading(width=16, views=2, length=8, batch_size=4, dataset=LOG, seconds=0.05)
    assert found.read > 0
    assert found.trained > 0
    assert 8 < found.events_per_request <= 16
    assert 0 <= found.padding < 0.5
