"""Benchmarks of training: the figures fit together; how large they are is no test's business."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from scaling import parts
from scaling.datasets.synthetic import SyntheticConfig
from scaling.sweeps import benchmark, benchmark_recbole
from scaling.sweeps.benchmark_data import RandomRequests
from scaling.sweeps.benchmark_memory import FORMS, memory_of_step
from scaling.sweeps.benchmark_padding import measure_padding
from scaling.trial import Precision, TrialConfig

TINY = RandomRequests(num_items=50, candidates=3)


def trial(architecture: str, precision: Precision = "fp32", blocks: int = 2) -> TrialConfig:
    model = benchmark.model_of(architecture, depth=2, width=16, seq_len=8, blocks=blocks)
    return benchmark.timed_trial(model, TINY, batch_size=4, precision=precision)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    trials = [
        trial(name, precision)
        for name in ("transformer", "astro")
        for precision in ("fp32", "bf16")
    ]
    found = benchmark.measure(trials, seconds=0.1, repetitions=3)
    return benchmark.compared([cell.row() for cell in found])


def test_rates_times_the_step_give_what_a_step_holds(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        step = row["step_seconds"]
        assert row["examples_per_second"] * step == pytest.approx(4 * 3)
        assert row["tokens_per_second"] * step == pytest.approx(4 * 8)
        assert row["flops_per_second"] * step == pytest.approx(row["flops_per_step"])
        assert row["flops_causal_per_second"] * step == pytest.approx(row["flops_causal_per_step"])
        assert row["ratio_causal"] * row["gemm_peak"] == pytest.approx(
            row["flops_causal_per_second"]
        )
        assert row["mean_length"] == 8
        assert row["candidates_per_request"] == 3
        assert 0 < row["ratio_causal"] < row["ratio"]
        assert row["ratio_causal"] <= row["best_ratio_causal"]


def test_a_step_holds_the_models_own_flops(rows: list[dict[str, Any]]) -> None:
    for row, name in zip(rows[::2], ("transformer", "astro")):
        config = trial(name)
        views = len(config.model.views())
        flops = config.model.flops(
            TINY.open().schema, np.full((4, views), 8 // views), np.full(4, 3)
        )
        assert row["flops_per_step"] == pytest.approx(3 * flops.total.sum())
        assert row["flops_causal_per_step"] == pytest.approx(3 * flops.total_causal.sum())


def test_relations_are_between_cells_of_one_kind(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if row["architecture"] == "transformer":
            assert row["time_over_transformer"] == 1
        if row["precision"] == "fp32":
            assert row["over_fp32"] == 1
    single = benchmark.compared([row for row in rows if row["precision"] == "bf16"][1:])
    assert single[0]["time_over_transformer"] is None
    assert single[0]["over_fp32"] is None


def test_warm_up_is_left_out_and_one_step_is_the_least() -> None:
    run = benchmark.TimedRun(trial("transformer"))
    run.repeat(0.0, benchmark.WARM_UP_STEPS)
    done = run.repeat(0.0)
    assert done.steps >= 1
    assert done.examples == 12 * done.steps


def test_real_histories_fill_the_windows() -> None:
    assert benchmark.histories_of(128) == SyntheticConfig(
        requests_per_user=benchmark.histories_of(128).requests_per_user,
        chunk_users=benchmark.histories_of(128).chunk_users,
    )
    lives = [benchmark.histories_of(length).requests_per_user for length in (64, 256, 1024)]
    assert lives == sorted(lives)


def test_the_open_batch_size_holds_the_tokens_constant() -> None:
    for length in (64, 256, 1024):
        model = benchmark.model_of("transformer", depth=1, width=16, seq_len=length)
        assert benchmark.timed_trial(model, TINY).training.batch_size * length == 4096


def test_popular_items_are_drawn_more_often_in_any_catalogue() -> None:
    model = benchmark.model_of("transformer", depth=1, width=16, seq_len=64)
    for items in (100, 1_000_000):
        data = RandomRequests(num_items=items).open()
        batches = itertools.islice(data.requests("train", model.views(), batch_size=64, seed=0), 4)
        drawn = np.concatenate([batch.history[0].items.numpy().ravel() for batch in batches])
        assert drawn.min() >= 0
        assert drawn.max() < items
        counts = np.sort(np.bincount(drawn))[::-1] / len(drawn)
        assert counts[0] == pytest.approx(np.log(2) / np.log(items + 1), rel=0.1)


@pytest.mark.slow
def test_memory_is_measured_in_every_form() -> None:
    model = benchmark.model_of("transformer", depth=3, width=16, seq_len=512)
    found = {form: memory_of_step(model, form, 2) for form in FORMS}
    assert found["recomputed"] > 0
    assert found["fused"] < found["reference"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"architecture": "bert"}, "unknown model 'bert'"),
        ({"architecture": "popularity"}, "popularity is counted"),
        ({"architecture": "astro", "blocks": 99}, "blocks must be 1 to 8, got 99"),
        ({"architecture": "astro", "blocks": 3}, "64 .*3 blocks"),
        ({"architecture": "transformer", "width": 0}, "width .* 0"),
    ],
)
def test_bad_shapes_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        benchmark.model_of(**{"depth": 1, "width": 16, "seq_len": 64, **arguments})


@pytest.mark.skipif(benchmark_recbole.installed(), reason="RecBole is installed here")
def test_without_recbole_the_cure_is_named() -> None:
    with pytest.raises(ValueError, match=r"recbole==1\.2\.1"):
        benchmark_recbole.compare(1.0, batch_size=1, threads=1)


@pytest.mark.skipif(not benchmark_recbole.installed(), reason="needs RecBole")
def test_recbole_is_measured_beside_ours() -> None:
    (ours, theirs, _), peak = benchmark_recbole.compare(0.2, batch_size=1, threads=1)
    assert theirs.tokens_per_second == pytest.approx(200 * theirs.examples_per_second)
    assert ours.tokens_per_second * 12 == pytest.approx(200 * ours.examples_per_second)
    assert peak > 0


def test_padding_in_both_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_FLOPS", 1e4)  # as cheap as they are for wide models
    config = SyntheticConfig.tiny()
    models = benchmark.models_reading(config, depth=2, width=16, seq_len=16)
    for found in measure_padding(config, models, batch_size=24, turns=1):
        assert 0 < found.in_parts < found.whole < 1
        assert 1 < found.parts < 24
        assert found.step_whole > 0
        assert found.step_in_parts > 0
