"""The map of shapes compares what has cost the same, and nothing else."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd

from scaling.analysis.figure import Skipped
from scaling.analysis.plots import svg
from scaling.analysis.shape_figure import MOST, depth_by_length
from scaling.analysis.summary import analyse
from scaling.analysis.temperatures import HeatMap, HeatPanel
from scaling.cli.drawn import paper_shapes
from scaling.sweeps.paper_points import EQUAL_FLOPS

DEPTHS, LENGTHS, BUDGETS = (1, 2, 4), (32, 64), (1e10, 3e10, 1e11, 3e11)


def shapes(architecture: str = "astro") -> pd.DataFrame:
    """Best at depth 2 and length 64; every shape with a worse width beside it."""
    rows = [
        {
            "architecture": architecture, "depth": depth, "seq_len": length, "width": width,
            "budget": budget, "compute": budget * (1 + 0.01 * depth),
            "configuration": f"{depth}-{length}-{width}-{budget:g}", "seed": 0,
            "loss": (0.5 + 1e3 / budget**0.4)
            * (1 + 0.01 * np.log2(depth / 2) ** 2 + 0.02 * np.log2(64 / length) + width / 1e4),
        }
        for depth in DEPTHS for length in LENGTHS for width in (16, 32) for budget in BUDGETS
    ]  # fmt: skip
    return pd.DataFrame(rows)


def drawn(runs: pd.DataFrame, beside: list[HeatPanel] | None = None) -> HeatMap:
    found = depth_by_length(analyse(runs, bootstrap=0), lambda: beside or [])
    assert isinstance(found, HeatMap)
    return found


def test_a_cell_is_the_best_of_its_shape_against_the_best_of_its_budget() -> None:
    runs = shapes()
    figure = drawn(runs)
    assert len(figure.panels) == MOST
    assert "the largest 3 of 4 budgets are shown" in " ".join(figure.notes)
    panel, largest = figure.panels[-1], runs[runs["budget"] == max(BUDGETS)]
    assert (panel.rows, panel.columns) == (("1", "2", "4"), ("32", "64"))
    assert panel.texts is not None
    for i, depth in enumerate(DEPTHS):
        for j, length in enumerate(LENGTHS):
            mine = largest[(largest["depth"] == depth) & (largest["seq_len"] == length)]
            ratio = mine["loss"].min() / largest["loss"].min()
            assert np.isclose(panel.values[i, j], ratio)
            assert panel.texts[i][j] == f"{mine['loss'].min():.4f}"
    assert panel.values[1, 1] == 1.0


def test_of_many_groups_the_largest_budgets_are_shown() -> None:
    """Or the figure would be longer than a page."""
    runs = pd.concat([shapes(name) for name in ("astro", "hstu", "transformer")])
    figure = drawn(runs)
    assert len(figure.panels) == 3
    assert all(panel.title.endswith("300 GFLOP") for panel in figure.panels)
    assert "astro, hstu, transformer: the largest of 4 budgets is shown" in figure.notes


def test_without_budgets_runs_of_equal_compute_are_compared() -> None:
    figure = drawn(shapes().drop(columns="budget"))
    for panel, known in zip(figure.panels, drawn(shapes()).panels):
        np.testing.assert_allclose(panel.values, known.values)
    spread = shapes().drop(columns="budget")
    spread["compute"] *= np.geomspace(1, 4, len(spread))  # no two shapes cost the same
    assert isinstance(depth_by_length(analyse(spread, bootstrap=0)), Skipped)


def test_one_depth_or_one_length_is_no_map() -> None:
    runs = shapes()
    found = depth_by_length(analyse(runs[runs["depth"] == 2], bootstrap=0))
    assert isinstance(found, Skipped)
    assert "depths 2, lengths 32, 64" in found.reason
    found = depth_by_length(analyse(runs.drop(columns="seq_len"), bootstrap=0))
    assert isinstance(found, Skipped)
    assert "no seq_len in the table" in found.reason


def test_the_papers_shapes_stand_beside_those_of_astro_alone() -> None:
    paper = paper_shapes()
    assert drawn(shapes(), paper).panels[-len(paper) :] == tuple(paper)
    assert all("astro" in panel.title for panel in drawn(shapes()).panels)
    assert len(drawn(shapes("transformer"), paper).panels) == MOST
    ET.fromstring(svg(drawn(shapes(), paper)))


def test_the_papers_shapes_are_its_own_numbers() -> None:
    for panel, (_, known) in zip(paper_shapes(), EQUAL_FLOPS.items(), strict=True):
        assert panel.texts is not None
        told = {
            (int(row), int(column)): panel.texts[i][j]
            for i, row in enumerate(panel.rows)
            for j, column in enumerate(panel.columns)
            if panel.texts[i][j]
        }
        assert {place: float(text.split()[0]) for place, text in told.items()} == {
            (shape.layers, shape.length): auc for shape, auc in known.items()
        }
        assert np.nanmin(panel.values) == 1.0
