"""Measured against planned time: every run that has both, on the line where the plan holds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scaling.analysis.figure import Figure, Skipped
from scaling.analysis.summary import analyse
from scaling.analysis.time_figure import time_vs_plan


def test_every_run_with_both_times_is_drawn(runs: pd.DataFrame) -> None:
    planned = np.geomspace(1, 100, len(runs))
    timed = runs.assign(planned_seconds=planned, wall_seconds=1.25 * planned)
    timed.loc[timed.index[:3], "planned_seconds"] = np.nan
    figure = time_vs_plan(analyse(timed, bootstrap=0))
    assert isinstance(figure, Figure)
    (panel,) = figure.panels
    seeds = [layer for layer in panel.layers if layer.kind == "seeds"]
    assert sum(layer.x.size for layer in seeds) == len(runs) - 3
    for layer in seeds:
        np.testing.assert_allclose(layer.y, 1.25 * layer.x)
        assert len(layer.ids) == layer.x.size
    (line,) = [layer for layer in panel.layers if layer.kind == "line"]
    np.testing.assert_array_equal(line.x, line.y)
    astro = next(note for note in figure.notes if note.startswith("astro"))
    assert astro == "astro: typical error 25% of 27 runs, together 1.25 times the plan"


def test_a_table_without_forecasts_has_no_such_figure(runs: pd.DataFrame) -> None:
    found = time_vs_plan(analyse(runs.assign(wall_seconds=1.0), bootstrap=0))
    assert isinstance(found, Skipped)
    assert "planned_seconds" in found.reason
