"""The map of temperatures shows what was logged, of the largest budget, and can be drawn."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.figures import figures
from scaling.analysis.plots import draw, svg, write_plots
from scaling.analysis.summary import analyse
from scaling.analysis.temperatures import HeatMap, temperatures
from scaling.diagnostics import temperature_name


def learned(
    runs: pd.DataFrame, blocks: tuple[str, ...] = ("0-recent", "1-like"), scenarios: int = 11
) -> pd.DataFrame:
    """Temperatures of astro's runs: 1 + block + scenario / 100 at the largest budget, else 9."""
    astro = (runs["architecture"] == "astro").to_numpy()
    largest = (runs["budget"] == runs["budget"].max()).to_numpy()
    columns = {}
    for b, block in enumerate(blocks):
        for s in range(scenarios):
            value = np.where(largest, 1 + b + s / 100 + 0.001 * runs["seed"], 9.0)
            columns[temperature_name(block, f"tab_{s}")] = np.where(astro, value, np.nan)
            columns[temperature_name(block, f"tab_{s}", 0)] = np.where(astro, 5.0, np.nan)
    return pd.concat([runs, pd.DataFrame(columns, index=runs.index)], axis=1)


def test_cells_are_means_over_the_runs_of_the_largest_budget(runs: pd.DataFrame) -> None:
    found = temperatures(analyse(learned(runs), bootstrap=0))
    assert isinstance(found, HeatMap)
    (panel,) = found.panels
    assert (panel.title, panel.rows) == ("astro", ("0-recent", "1-like"))
    assert panel.columns == tuple(f"tab_{s}" for s in range(11)), "10 comes after 9"
    wanted = 1.0005 + np.arange(2)[:, None] + np.arange(11) / 100
    np.testing.assert_allclose(panel.values, wanted)
    assert "astro: mean over 6 runs at a budget of 10 TFLOP" in found.notes


def test_a_table_without_budgets_goes_by_compute(runs: pd.DataFrame) -> None:
    table = learned(runs).drop(columns="budget")
    found = temperatures(analyse(table, bootstrap=0))
    assert found is not None
    assert found.panels[0].values.max() < 9


def test_without_temperatures_there_is_no_such_figure(runs: pd.DataFrame) -> None:
    drawn, skipped = figures(analyse(runs, bootstrap=0))
    assert "temperatures" not in [one.name for one in (*drawn, *skipped)]
    empty = learned(runs).assign(**{"temperature.0-recent.tab_0": np.nan})
    kept = temperatures(analyse(empty, bootstrap=0))
    assert kept is not None
    assert np.isnan(kept.panels[0].values[0, 0])
    svg(kept)


@pytest.mark.parametrize("scenarios", [1, 3, 20])
def test_files_hold_every_number_and_nothing_leaves_the_page(
    runs: pd.DataFrame, scenarios: int, tmp_path: Path
) -> None:
    blocks = tuple(f"{i}-{'strategy' * 4}" for i in range(4))
    drawn, _ = figures(analyse(learned(runs, blocks, scenarios), bootstrap=0))
    (figure,) = [one for one in drawn if one.name == "temperatures"]
    canvas = draw(figure)
    (axes,) = canvas.subfigs[0].axes
    assert len(axes.texts) == 4 * scenarios
    renderer = canvas.canvas.get_renderer()  # type: ignore[attr-defined]
    for part in canvas.subfigs:
        for box in [a.get_tightbbox(renderer) for a in part.axes]:
            assert canvas.bbox.x0 - 1 <= box.x0
            assert box.x1 <= canvas.bbox.x1 + 1
            assert canvas.bbox.y0 - 1 <= box.y0
        for text in part.texts:
            assert text.get_window_extent(renderer).y0 >= canvas.bbox.y0 - 1
    png, vector = write_plots(tmp_path, [figure])
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "image" not in {tag.tag.split("}")[1] for tag in ET.parse(vector).iter()}


def test_a_table_of_hundreds_of_temperatures_is_analysed_without_a_warning(
    runs: pd.DataFrame,
) -> None:
    blocks = tuple(f"{i}-block" for i in range(8))
    assert len(analyse(learned(runs, blocks, 15), bootstrap=0).groups) == 2
