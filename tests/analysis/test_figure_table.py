"""The table behind a figure holds every number that is drawn, once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from scaling.analysis.bars import BarPanel, Bars, Forest, ForestPanel, TimeBars
from scaling.analysis.figure import Figure, Layer, Panel
from scaling.analysis.figure_table import figure_table
from scaling.analysis.figures import figures
from scaling.analysis.summary import analyse
from scaling.analysis.temperatures import HeatMap, HeatPanel

Simulate = Callable[..., pd.DataFrame]


def test_every_mark_of_an_analysis_has_its_row(simulate: Simulate) -> None:
    runs = simulate().assign(loss_floor=0.45)
    runs["run_id"] = [f"id{row}" for row in range(len(runs))]
    for figure in figures(analyse(runs, bootstrap=50))[0]:
        assert isinstance(figure, Figure)
        table = figure_table(figure)
        layers = [(panel.title, la) for panel in figure.panels for la in panel.layers]
        assert len(table) == sum(la.y.size for _, la in layers)
        begin = 0
        for title, layer in layers:
            rows = table[begin : begin + layer.y.size]
            begin += layer.y.size
            assert set(zip(rows["panel"], rows["kind"], rows["key"])) == {
                (title, layer.kind, layer.key)
            }
            np.testing.assert_array_equal(rows["y"], layer.y)
            if layer.kind == "floor":
                assert rows["x"].isna().all()
            else:
                np.testing.assert_array_equal(rows["x"], layer.x)
            if layer.upper is None:
                assert rows["upper"].isna().all()
            else:
                np.testing.assert_array_equal(rows["upper"], layer.upper)
            if layer.kind == "seeds":
                mine = runs.set_index("run_id").loc[rows["id"]]
                np.testing.assert_array_equal(mine["loss"], rows["y"])


def test_a_course_of_one_run_has_its_id_at_every_point() -> None:
    layer = Layer("trail", "astro", np.array([1.0, 2.0]), np.array([3.0, 4.0]), ids=("run",))
    figure = Figure("f", "", "x", "y", (Panel("", (layer,)),), ("astro",), ("astro",), False, "")
    assert figure_table(figure)["id"].tolist() == ["run", "run"]


def test_cells_of_maps_keep_their_names_and_texts() -> None:
    values = np.array([[0.5, np.nan]])
    texts = (("half", ""),)
    plain = HeatMap("h", "", "x", "y", (HeatPanel("p", ("r",), ("a", "a"), values),), ())
    told = HeatMap("h", "", "x", "y", (HeatPanel("p", ("r",), ("a", "a"), values, texts),), ())
    table = figure_table(plain)
    assert (
        table[["panel", "row", "column", "text"]].to_numpy().tolist() == [["p", "r", "a", ""]] * 2
    )
    np.testing.assert_array_equal(table["value"], values[0])
    assert figure_table(told)["text"].tolist() == ["half", ""]


def test_bars_times_and_rows_with_intervals() -> None:
    bars = Bars("b", "", (BarPanel("p", ("a", "b"), np.array([0.25, 0.75])),), ())
    assert figure_table(bars).to_numpy().tolist() == [["p", "a", 0.25], ["p", "b", 0.75]]
    days = np.array(["2024-01-01", "2024-01-02", "2024-01-03"], "datetime64[s]")
    times = figure_table(
        TimeBars("t", "", "events", days, np.array([3.0, 4.0]), (("test", days[1]),), ())
    )
    assert times["kind"].tolist() == ["count", "count", "mark"]
    assert times["start"].tolist() == [*pd.to_datetime(days[:2]), pd.Timestamp(days[1])]
    assert times["end"].tolist()[:2] == list(pd.to_datetime(days[1:]))
    assert times["count"].tolist()[:2] == [3, 4]
    assert times.loc[2, "key"] == "test"
    panel = ForestPanel("p", ("a",), np.array([1.0]), np.array([0.5]), np.array([np.inf]))
    forest = figure_table(Forest("f", "", "x", (panel,), 1.0, True, ()))
    assert forest.to_numpy().tolist() == [["p", "a", 1.0, 0.5, np.inf]]
