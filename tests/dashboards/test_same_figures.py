"""Matplotlib and plotly draw the same data on the same axes under the same names."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from plotly.graph_objects import Figure as Checked

from scaling.analysis.bars import BarPanel, Bars, Forest, ForestPanel, TimeBars
from scaling.analysis.figure import Figure, Kind, Layer, Panel
from scaling.analysis.figures import Drawing, figures
from scaling.analysis.plots import LINES, draw
from scaling.analysis.summary import analyse
from scaling.analysis.temperatures import HeatMap, HeatPanel
from scaling.dashboards.plotly_figure import plotly_figure
from scaling.diagnostics import temperature_name

Points = set[tuple[float, float]]
Simulate = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def drawings(simulate: Simulate) -> dict[str, Drawing]:
    """What a table with everything in it has to show, and by hand what it doesn't have."""
    runs = simulate(lengths=(32, 64, 128))
    runs = runs.assign(
        lr=np.resize([1e-3, 3e-3, 1e-2], len(runs)), loss_floor=0.45, latency_ms=runs["width"] / 10,
        device="cpu", threads=1, precision="fp32", run_id=[f"id{row}" for row in range(len(runs))],
    )  # fmt: skip
    for scenario in range(3):
        runs[temperature_name("0-recent", f"tab_{scenario}")] = 0.8 + 0.2 * scenario
    curves = pd.DataFrame(
        {
            "run_id": np.repeat(["id0", "id1", "id95"], 6), "compute": np.tile(np.geomspace(1e10, 1e11, 6), 3),
            "train_loss": np.linspace(0.9, 0.6, 18),
        }
    )  # fmt: skip
    found, _ = figures(analyse(runs, bootstrap=50), curves=curves)
    named: dict[str, Drawing] = {one.name: one for one in found}
    named |= {
        "every kind": every_kind(),
        "forest": a_forest(log=True),
        "plain": a_forest(log=False),
    }
    days = np.array(["2024-01-01", "2024-01-02", "2024-01-03"], "datetime64[s]")
    named["bars"] = Bars("bars", "", (BarPanel("p", ("a", "b"), np.array([0.25, 0.5])),), ())
    named["times"] = TimeBars(
        "times", "", "events", days, np.array([3.0, 4.0]),
        (("test begins", days[1]), ("later", days[2] + np.timedelta64(9, "D"))), (),
    )  # fmt: skip
    named["heat"] = HeatMap(
        "heat", "", "x", "y",
        (HeatPanel("p", ("a", "a"), ("b", "c"), np.array([[0.5, 1], [np.nan, 3]])),), (),
    )  # fmt: skip
    return named


@pytest.fixture(scope="module")
def printed(drawings: dict[str, Drawing]) -> dict[str, Canvas]:
    """The same, drawn by matplotlib."""
    return {name: draw(drawing) for name, drawing in drawings.items()}


def every_kind() -> Figure:
    """Three panels on shared axes, y of both signs."""
    x = np.array([1e10, 3e10, 1e11])

    def layer(kind: Kind, key: str, *more: float) -> Layer:
        y = np.array([1.0, -2.0, 0.5]) + sum(more)
        upper = y + 1.0 if kind in ("band", "interval") else None
        ids = ("run",) if kind == "trail" else tuple(f"{key}{i}" for i in range(3))
        return Layer(kind, key, x, y, upper, () if upper is not None else ids)

    kinds: tuple[Kind, ...] = (
        "seeds", "configurations", "frontier", "line", "trail", "curve", "beyond", "band", "interval",
    )  # fmt: skip
    nothing = np.array([])
    lines = (
        Layer("floor", "", nothing, np.array([-1.5])),
        Layer("reference", "popular", nothing, np.array([0.4])),
        Layer("reference", "recent", nothing, np.array([0.41])),
    )
    first = (*(layer(kind, "astro") for kind in kinds), *lines)
    panels = (
        Panel("one", first),
        Panel("two", tuple(layer(kind, "hstu", 0.3) for kind in kinds)),
        Panel("three", (layer("trail", "hstu"), layer("trail", "hstu", 0.2))),
    )
    return Figure(
        "every", "Title", "training compute (FLOPs)", "residual (%)", panels, ("astro", "hstu"),
        ("astro: a 0.5", "hstu: a 0.4"), False, "frontier",
    )  # fmt: skip


def a_forest(*, log: bool) -> Forest:
    """Rows with an interval, an open one, none, and no value."""
    values, upper = np.array([1.0, 2.0, 3.0, np.nan]), np.array([1.5, np.inf, np.nan, np.nan])
    lower = np.array([0.5, 1.5, np.nan, np.nan])
    panel = ForestPanel("p", ("a", "b", "c", "d"), values, lower, upper)
    return Forest("forest", "", "multiplier", (panel, panel), 1.0, log, ())


def on_paper(axes: Axes) -> tuple[Points, set[float]]:
    """The places of all that matplotlib drew, and the heights of its horizontal lines."""
    found, heights = [], set()
    for line in axes.lines:
        data = np.asarray(line.get_xydata())
        found.append(data)
        if len(data) == 2 and data[0, 1] == data[1, 1]:
            heights.add(float(data[0, 1]))
    for collection in axes.collections:
        found.append(np.asarray(collection.get_offsets()))
        found += [path.vertices for path in collection.get_paths()]
    return {(float(x), float(y)) for one in found for x, y in one}, heights


def points(layer: Layer) -> Points:
    both = [layer.y] if layer.upper is None else [layer.y, layer.upper]
    return {(float(x), float(y)) for edge in both for x, y in zip(layer.x, edge)}


def shown(figure: dict[str, Any], panel: int) -> list[dict[str, Any]]:
    """Plotly's traces of a panel."""
    axis = "y" if panel == 0 else f"y{panel + 1}"
    return [trace for trace in figure["data"] if trace.get("yaxis") == axis]


def places(traces: list[dict[str, Any]]) -> Points:
    return {
        (x, y) for t in traces for x, y in zip(t["x"], t["y"]) if x is not None and y is not None
    }


def of_type(
    drawings: dict[str, Drawing], kind: type, printed: dict[str, Canvas]
) -> list[tuple[Any, Canvas]]:
    found = [(one, printed[name]) for name, one in drawings.items() if isinstance(one, kind)]
    assert found
    return found


def panels(canvas: Canvas) -> list[Axes]:
    return [axes for axes in canvas.get_axes() if axes.get_visible()]


@pytest.mark.parametrize("dark", [False, True])
def test_plotly_accepts_every_drawing(drawings: dict[str, Drawing], dark: bool) -> None:
    for name, drawing in drawings.items():
        figure = plotly_figure(drawing, dark=dark)
        checked = Checked(figure)  # raises on unknown names and values
        assert len(checked.data) == len(figure["data"]) > 0, name
        assert json.loads(json.dumps(figure, allow_nan=False)) == figure
        uids = [trace["uid"] for trace in figure["data"] if "uid" in trace]
        assert len(uids) == len(set(uids))


def test_every_place_of_a_figure_is_in_both_and_nothing_else(
    drawings: dict[str, Drawing], printed: dict[str, Canvas]
) -> None:
    for drawing, canvas in of_type(drawings, Figure, printed):
        figure, axes_of = plotly_figure(drawing), panels(canvas)
        assert len(axes_of) == len(drawing.panels)
        assert len([name for name in figure["layout"] if name.startswith("yaxis")]) == len(
            drawing.panels
        )
        for index, (panel, axes) in enumerate(zip(drawing.panels, axes_of)):
            one_panel(panel, axes, figure, index)


def one_panel(panel: Panel, axes: Axes, figure: dict[str, Any], index: int) -> None:
    paper, heights = on_paper(axes)
    levels = {float(la.y[0]) for la in panel.layers if la.kind in LINES}
    expected = set().union(*(points(la) for la in panel.layers if la.kind not in LINES))
    assert expected <= paper
    assert levels <= heights
    assert places(shown(figure, index)) == expected
    axis = "y" if index == 0 else f"y{index + 1}"
    assert {s["y0"] for s in figure["layout"]["shapes"] if s["yref"] == axis} == levels


def test_axes_have_the_same_range_and_names(
    drawings: dict[str, Drawing], printed: dict[str, Canvas]
) -> None:
    scales = set()
    for drawing, canvas in of_type(drawings, Figure, printed):
        layout = plotly_figure(drawing)["layout"]
        (axes, *_) = panels(canvas)
        for name, scale, limits, label in (
            ("xaxis", axes.get_xscale(), axes.get_xlim(), axes.get_xlabel()),
            ("yaxis", axes.get_yscale(), axes.get_ylim(), axes.get_ylabel()),
        ):
            scales.add((name, scale))
            axis = layout[name]
            assert axis["type"] == scale
            ends = np.power(10.0, axis["range"]) if scale == "log" else axis["range"]
            np.testing.assert_allclose(ends, limits)
            assert html.unescape(axis["title"]["text"]) == " ".join(label.split("\n"))
        others = [layout[name] for name in layout if re.fullmatch(r"[xy]axis\d+", name)]
        assert all(axis["matches"] in ("x", "y") for axis in others)
    assert scales == {("xaxis", "log"), ("yaxis", "log"), ("yaxis", "linear")}


def test_legends_say_the_same(drawings: dict[str, Drawing], printed: dict[str, Canvas]) -> None:
    for drawing, canvas in of_type(drawings, Figure, printed):
        told = [
            " ".join(text.get_text().split())
            for part in canvas.subfigs
            for legend in part.legends
            for text in legend.get_texts()
        ]
        entries = [t for t in plotly_figure(drawing)["data"] if t["showlegend"]]
        assert [html.unescape(entry["name"]) for entry in entries] == told
        groups = [entry["legendgroup"] for entry in entries if "legendgroup" in entry]
        assert len(set(groups)) == len(drawing.keys)
        drawn = {t["legendgroup"] for t in plotly_figure(drawing)["data"] if not t["showlegend"]}
        assert set(groups) & drawn  # so that an entry hides something
        assert all(e["legend"] == "legend2" for e in entries if "legendgroup" not in e)


def test_maps_have_the_same_cells(drawings: dict[str, Drawing], printed: dict[str, Canvas]) -> None:
    for drawing, canvas in of_type(drawings, HeatMap, printed):
        figure, drawn = plotly_figure(drawing), panels(canvas)
        for panel, trace, axes in zip(drawing.panels, figure["data"], drawn, strict=True):
            z = np.array(trace["z"], dtype=float)
            np.testing.assert_allclose(z, np.log(panel.values))
            mesh = np.ma.filled(axes.collections[0].get_array(), np.nan)
            np.testing.assert_allclose(mesh.reshape(z.shape), z)
            texts = [text for row in trace["text"] for text in row if text]
            assert texts == [text.get_text() for text in axes.texts]


def test_forests_have_the_same_rows(
    drawings: dict[str, Drawing], printed: dict[str, Canvas]
) -> None:
    for drawing, canvas in of_type(drawings, Forest, printed):
        figure, drawn = plotly_figure(drawing), panels(canvas)
        low, high = drawn[0].get_xlim()
        for index, (panel, axes) in enumerate(zip(drawing.panels, drawn, strict=True)):
            paper, _ = on_paper(axes)
            traces = shown(figure, index)
            rows = [i for i, value in enumerate(panel.values) if np.isfinite(value)]
            expected = {(float(panel.values[i]), float(i)) for i in rows}
            for i in (one for one in rows if np.isfinite(panel.lower[one])):
                for end in (panel.lower[i], panel.upper[i]):
                    expected.add((float(np.clip(end, low, high)), float(i)))
            assert expected == places(traces)
            # On paper a row of one line is 1 high, and begins at its index.
            assert {(value, row + 0.5) for value, row in expected} <= paper
            assert figure["layout"]["yaxis"]["ticktext"] == list(panel.labels)
        assert figure["layout"]["xaxis"]["type"] == drawn[-1].get_xscale()
        notes = [a["text"] for a in figure["layout"]["annotations"]]
        missing = sum(int(np.isnan(panel.values).sum()) for panel in drawing.panels)
        assert notes.count("no value") == missing


def test_bars_have_the_same_lengths(
    drawings: dict[str, Drawing], printed: dict[str, Canvas]
) -> None:
    for drawing, canvas in of_type(drawings, Bars, printed):
        figure, drawn = plotly_figure(drawing), panels(canvas)
        for panel, trace, axes in zip(drawing.panels, figure["data"], drawn, strict=True):
            assert trace["x"] == panel.shares.tolist()
            assert [bar.get_width() for bar in axes.patches] == panel.shares.tolist()
    for times, canvas in of_type(drawings, TimeBars, printed):
        figure = plotly_figure(times)
        (trace,) = figure["data"]
        assert trace["y"][:-1] == times.counts.tolist()
        assert trace["x"] == [str(start) for start in times.starts]
        # What begins outside of the picture is not drawn, neither here nor there.
        assert [a["text"] for a in figure["layout"]["annotations"]] == ["test begins"]
        (axes,) = panels(canvas)
        assert [text.get_text() for text in axes.texts] == ["test begins"]
