"""The benchmark of records: both arms do the same work on the same data, but for repeated histories."""

from __future__ import annotations

import numpy as np
import pytest

from scaling.analysis.plots import draw
from scaling.analysis.records_figure import records_figure
from scaling.models.base import ModelConfig
from scaling.sweeps.benchmark import model_of
from scaling.sweeps.benchmark_data import RandomRequests
from scaling.sweeps.benchmark_records import Line, measure_all, measure_records

MODELS = [
    model_of("transformer", depth=2, width=16, seq_len=32),
    model_of("astro", depth=2, width=16, seq_len=32, blocks=2),
]


@pytest.mark.parametrize("model", MODELS, ids=["transformer", "astro"])
def test_arms_hold_equal_tokens_and_spend_what_their_records_cost(model: ModelConfig) -> None:
    pair = measure_records(model, 6, seconds=0.01, repetitions=2)
    schema = RandomRequests(num_items=10, candidates=6).open().schema
    lengths = np.array([[view.length for view in model.views()]])
    tokens = []
    for arm, items, records in ((pair.whole, 6, 1), (pair.single, 1, 6)):
        forward = model.flops(schema, lengths, np.array([items])).total[0]
        for repetition in arm:
            assert repetition.examples == 6 * repetition.requests
            assert repetition.flops == pytest.approx(3 * records * forward * repetition.requests)
        computed = records * (32 + items * model.blocks)
        tokens.append(arm[0].requests / arm[0].steps * computed)
    assert tokens[0] == pytest.approx(tokens[1], rel=0.02)


@pytest.mark.parametrize("model", MODELS, ids=["transformer", "astro"])
def test_a_models_own_line_is_its_examples_per_flop(model: ModelConfig) -> None:
    schema = RandomRequests(num_items=10).open().schema
    lengths = np.array([[view.length for view in model.views()]])
    line = Line.of(model)
    alone = model.flops(schema, lengths, np.array([1]))
    for items in (1, 6, 64):
        together = model.flops(schema, lengths, np.array([items]))
        assert line.own(items) == pytest.approx(items * alone.total[0] / together.total[0])
        causal = items * alone.total_causal[0] / together.total_causal[0]
        assert line.own_causal(items) == pytest.approx(causal)
    assert line.paper(6) == pytest.approx(6 / (1 + 6 / 32))


def test_rows_become_a_figure_with_a_panel_for_each_kind() -> None:
    rows = measure_all(MODELS, [1, 4], seconds=0.01, repetitions=1)
    assert [(row["architecture"], row["items"]) for row in rows] == [
        ("transformer", 1), ("transformer", 4), ("astro", 1), ("astro", 4),
    ]  # fmt: skip
    for row in rows:
        assert row["ratio"] == pytest.approx(
            row["examples_per_second"] / row["examples_per_second_single"]
        )
        assert row["of_line"] == pytest.approx(row["ratio"] / row["line"])
    figure = records_figure(rows)
    assert [panel.title for panel in figure.panels] == ["transformer", "astro, 2 blocks"]
    for panel in figure.panels:
        measured = [layer for layer in panel.layers if layer.kind == "frontier"]
        assert [layer.x.tolist() for layer in measured] == [[1.0, 4.0]]
    draw(figure)
