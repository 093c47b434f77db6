"""Matplotlib and plotly draw the same data on the same axes under the same names."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from plotly.graph_objects import Figure as Checked

from scaling.analysis.bars import Bars, Forest, TimeBars
from scaling.analysis.figure import Figure, Layer, Panel
from scaling.analysis.figures import Drawing
from scaling.analysis.plots import LINES
from scaling.analysis.temperatures import HeatMap
from scaling.dashboards.plotly_figure import plotly_figure

Points = set[tuple[float, float]]


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
