"""Where more is better, figures mark the highest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.cost_figure import loss_vs_cost
from scaling.analysis.figure import Figure, Skipped
from scaling.analysis.findings import Analysis
from scaling.analysis.loss_figure import loss_vs_axis
from scaling.analysis.rate_figure import loss_vs_lr
from scaling.analysis.summary import analyse

Simulate = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def rising(simulate: Simulate) -> Analysis:
    runs = simulate(lengths=(32, 64), seeds=1)
    runs["auc"] = 1.2 - runs["loss"]
    runs["validation_auc"] = runs["auc"]
    runs = runs.assign(latency_ms=runs["width"] / 10.0, lr=np.resize([1e-3, 2e-3], len(runs)))
    return analyse(runs, target="auc", law="gap", fits=False)


def test_a_line_joins_the_best_at_each_value(rising: Analysis) -> None:
    figure = loss_vs_axis(rising, "seq_len")
    assert isinstance(figure, Figure)
    lines = 0
    for panel in figure.panels:
        for line in (layer for layer in panel.layers if layer.kind == "line"):
            (all_of_them,) = (
                layer
                for layer in panel.layers
                if (layer.kind, layer.key) == ("configurations", line.key)
            )
            for x, y in zip(line.x, line.y):
                assert y == all_of_them.y[all_of_them.x == x].max()
                lines += 1
    assert lines > 0


def test_the_frontier_against_latency_is_the_highest_hull(rising: Analysis) -> None:
    figure = loss_vs_cost(rising, "latency_ms")
    assert isinstance(figure, Figure)
    for key, group in rising.groups.items():
        (front,) = (
            layer
            for layer in figure.panels[0].layers
            if (layer.kind, layer.key) == ("frontier", key)
        )
        table = group.configurations
        for latency, auc in zip(front.x, front.y):
            assert auc == table["auc"][table["latency_ms"] <= latency].max()


def test_learning_rates_are_not_compared_by_it(rising: Analysis) -> None:
    assert isinstance(loss_vs_lr(rising), Skipped)
