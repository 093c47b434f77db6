"""The benchmark of serving times the same answers in every arm."""

from __future__ import annotations

import numpy as np
import pytest

from scaling.analysis.serving_figure import serving_figure
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.astro import AstroConfig
from scaling.models.base import ModelConfig
from scaling.models.transformer import TransformerConfig
from scaling.models.turbo import Engine
from scaling.sweeps.benchmark_records import Line
from scaling.sweeps.benchmark_rounding import change_by_rounding, trained_for
from scaling.sweeps.benchmark_serving import (
    measure_batching,
    measure_extension,
    measure_features,
    measure_latency,
    per_candidate,
    random_users,
    ready,
)

MODELS = [
    TransformerConfig(depth=2, width=16, seq_len=16, head_dim=8),
    AstroConfig(depth=2, width=16, seq_len=16, head_dim=8, strategies=("recent", "finish")),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_all_arms_score_the_same(model: ModelConfig) -> None:
    ranker, schema = ready(model)
    for parameter in ranker.parameters():
        parameter.data.add_(0.1)
    (whole,) = random_users(model, [16], [7])
    engine = Engine(ranker, model, schema, cache_bytes=0)
    together, apart = engine.score([whole])[0], engine.score(per_candidate(whole))
    np.testing.assert_allclose(np.concatenate(apart), together, rtol=0, atol=1e-5)
    assert engine.statistics()["misses"] == 1 + 7  # each candidate had its own history encoded


def test_lines_are_those_of_the_flops() -> None:
    model = MODELS[0]
    row = measure_features(model, candidates=4, turns=1)
    flops = model.flops(ready(model)[1], np.array([[16]]), np.array([4]))
    history, items = flops.part("history.")[0], flops.part("candidates.")[0]
    assert row["cached_over_request_line"] == pytest.approx((history + items) / items)
    assert row["request_over_candidate_line"] == pytest.approx(
        4 * (history + items / 4) / (history + items)
    )
    assert row["request_over_candidate_line"] == Line.of(model).own(4)
    assert row["cached_over_request"] > 0


def test_latencies_make_a_figure() -> None:
    rows = [
        measure_latency(model.scaled(seq_len=length), candidates=4, times=3)
        for model in MODELS
        for length in (8, 16)
    ]
    figure = serving_figure([*rows, {**rows[0], "depth": 7}])
    assert [panel.title for panel in figure.panels] == ["transformer", "astro"]
    for panel, mine in zip(figure.panels, (rows[:2], rows[2:])):
        for layer, column in zip(panel.layers, ("cold_p50_ms", "cold_p99_ms")):
            assert layer.x.tolist() == [8, 16]
            assert layer.y.tolist() == [row[column] for row in mine]


def test_uneven_users_are_padded_little() -> None:
    row = measure_batching(MODELS[0].scaled(seq_len=64), candidates=8, users=6, turns=1)
    assert 0 <= row["padding_events"] <= 16 / 48
    assert 0 <= row["padding_candidates"] < 0.5
    assert row["ratio"] > 0


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_new_events_extend_what_is_cached(model: ModelConfig) -> None:
    row = measure_extension(model, 2, turns=2)
    assert min(row["anew_ms"], row["extended_ms"], row["ratio"]) > 0
    with pytest.raises(ValueError, match=r"events must be in 1 .. \d+, got 16"):
        measure_extension(model, 16, turns=1)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_rounding_changes_little(model: ModelConfig) -> None:
    data = SyntheticConfig.tiny()
    ranker = trained_for(model, data, 0.5)
    half, eighth = change_by_rounding(ranker, model, data, requests=200)
    # Biases stay exact, and weigh twice as much beside heads of 8 as beside the usual ones of 16.
    assert eighth["bytes_share"] <= 0.32 < half["bytes_share"] <= 0.55
    for row in (half, eighth):
        assert row["requests"] > 0
        assert row["largest"] >= row["mean"] > 0
        assert abs(row["auc_change"]) <= 0.01
