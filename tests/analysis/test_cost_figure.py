"""Loss against latency: what was measured is drawn, with the frontier that is in the data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.cost_figure import loss_vs_cost
from scaling.analysis.figure import Figure, Skipped
from scaling.analysis.figures import figures
from scaling.analysis.plots import write_plots
from scaling.analysis.summary import analyse

Simulate = Callable[..., pd.DataFrame]


@pytest.fixture
def timed(simulate: Simulate) -> pd.DataFrame:
    """Wider models are slower; astro's cached latency is unknown."""
    runs = simulate(sizes=3, seeds=2)
    slower = runs["architecture"].map({"astro": 2.0, "transformer": 1.0})
    cached = (runs["width"] / 50).where(runs["architecture"] == "transformer")
    return runs.assign(
        latency_ms=slower * runs["width"] / 10, latency_cached_ms=cached, latency_busy=np.where(runs["architecture"] == "astro", 0.99, 0.5),
        device="cpu", threads=1, precision="fp32",
    )  # fmt: skip


def test_the_frontier_is_what_nothing_beats_in_both(timed: pd.DataFrame, tmp_path: Path) -> None:
    analysis = analyse(timed, bootstrap=20)
    figure = loss_vs_cost(analysis, "latency_ms")
    assert isinstance(figure, Figure)
    assert figure.keys == ("astro", "transformer")
    for key, group in analysis.groups.items():
        marks = {la.kind: la for la in figure.panels[0].layers if la.key == key}
        assert sorted(marks["seeds"].y) == sorted(timed[timed["architecture"] == key]["loss"])
        table = group.configurations
        assert len(marks["configurations"].x) == len(table)
        front = marks["frontier"]
        assert (np.diff(front.x) > 0).all()
        for latency, loss in zip(front.x, front.y):
            (row,) = table.index[(table["latency_ms"] == latency) & (table["loss"] == loss)]
            quicker = table[table["latency_ms"] <= latency]
            assert table["validation_loss"][row] == quicker["validation_loss"].min()
    assert any("30 of 60 measurements had less than 85%" in note for note in figure.notes)
    assert "measured with device cpu, threads 1, precision fp32" in figure.notes
    cached = loss_vs_cost(analysis, "latency_cached_ms")
    assert isinstance(cached, Figure)
    assert not any("not comparable" in note for note in cached.notes)
    assert cached.keys == ("transformer",)
    assert "astro: not in the table" in cached.notes
    drawn = {one.name for one in figures(analysis)[0]}
    assert {"loss_vs_latency_ms", "loss_vs_latency_cached_ms"} <= drawn
    assert all(path.stat().st_size for path in write_plots(tmp_path, [figure], formats=("svg",)))


def test_a_table_without_latency_has_no_such_figure(simulate: Simulate) -> None:
    analysis = analyse(simulate(sizes=1, seeds=1), bootstrap=20)
    assert isinstance(loss_vs_cost(analysis, "latency_ms"), Skipped)
    assert not any("latency" in one.name for part in figures(analysis) for one in part)
