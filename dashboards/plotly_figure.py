"""Interactive figures: plotly draws the same plain data as `scaling.analysis.plots`."""

from __future__ import annotations

from collections.abc import Mapping
from math import log10

from scaling.analysis.axes import axes_of
from scaling.analysis.bars import Bars, Forest, TimeBars
from scaling.analysis.figure import Figure, Panel
from scaling.analysis.figures import Drawing
from scaling.analysis.line_names import line_names
from scaling.analysis.plots import LINES
from scaling.analysis.temperatures import HeatMap
from scaling.dashboards.plain_text import markup
from scaling.dashboards.plotly_bars import bars, time_bars
from scaling.dashboards.plotly_forest import forest
from scaling.dashboards.plotly_heat import heat_map
from scaling.dashboards.plotly_layers import dash_of, look_of, traces
from scaling.dashboards.plotly_legend import entries
from scaling.dashboards.plotly_theme import (
    Json,
    Theme,
    axis,
    layout,
    number_of,
    panel_title,
    places,
    theme,
)

_HEIGHT = {1: 400, 2: 360}
"""Pixels of a panel, by columns."""
_NAME = 16
"""Pixels that the name of a horizontal line needs above it."""


def plotly_figure(
    drawing: Drawing, *, dark: bool = False, hover: Mapping[str, str] | None = None
) -> Json:
    """A figure as plotly's JSON: `data` and `layout`. Its height is `layout.height`, in pixels.

    All names are text in it, whatever they hold: plotly takes some HTML, and templates.

    Args:
        drawing: plain data; title and notes are for the page around it.
        dark: whether the page is dark.
        hover: what is shown beside the numbers of a mark, by its id (`Layer.ids`); lines of plain
            text. A mark's id stands in its `customdata`.
    """
    look = theme(dark)
    if isinstance(drawing, HeatMap):
        return heat_map(drawing, look)
    if isinstance(drawing, Bars):
        return bars(drawing, look, dark)
    if isinstance(drawing, TimeBars):
        return time_bars(drawing, look, dark)
    if isinstance(drawing, Forest):
        return forest(drawing, look, dark)
    return _figure(drawing, look, dark, hover or {})


def _figure(figure: Figure, colours: Theme, dark: bool, hover: Mapping[str, str]) -> Json:
    columns = min(len(figure.panels), 2)
    rows = -(-len(figure.panels) // columns)
    look = look_of(figure, colours, dark, hover)
    legend = entries(figure, look)
    height = _HEIGHT[columns] * rows
    keys = len(figure.keys)
    out = layout(colours, height=height, keys=keys, meanings=len(legend) - keys)
    x, y = axes_of(figure)
    data: list[Json] = []
    spots = places(len(figure.panels), columns, (0.07, 0.24 / rows if rows > 1 else 0))
    for index, (panel, (across, up)) in enumerate(zip(figure.panels, spots)):
        suffix = number_of(index)
        first_column = index % columns == 0
        same_x, same_y = ({"matches": "x"}, {"matches": "y"}) if index else ({}, {})
        out[f"xaxis{suffix}"] = {
            **axis(x, figure.x_label, colours), **across, **same_x, "anchor": f"y{suffix}",
        }  # fmt: skip
        out[f"yaxis{suffix}"] = {
            **axis(y, figure.y_label if first_column else "", colours), **up, **same_y,
            "anchor": f"x{suffix}", "showticklabels": first_column,
        }  # fmt: skip
        if panel.title:
            out["annotations"].append(panel_title(panel.title, across, up))
        where = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
        data += [{**trace, **where} for trace in traces(panel, index, look)]
        pixels = height * (up["domain"][1] - up["domain"][0])
        out["shapes"] += _lines(panel, colours, where)
        out["annotations"] += [
            _line_name(text, value, y.log, colours, where)
            for value, text in line_names(panel, y.share, _NAME / pixels)
        ]
    return {"data": data + legend, "layout": out}


def _lines(panel: Panel, colours: Theme, where: Mapping[str, str]) -> list[Json]:
    """Horizontal lines from edge to edge, however far a reader zooms."""
    return [
        {
            "type": "line", "layer": "below", "xref": f"{where['xaxis']} domain", "x0": 0, "x1": 1,
            "yref": where["yaxis"], "y0": float(layer.y[0]), "y1": float(layer.y[0]),
            "line": {"color": colours.muted, "width": 1.3, "dash": dash_of(LINES[layer.kind], 1.3)},
        }
        for layer in panel.layers
        if layer.kind in LINES
    ]  # fmt: skip


def _line_name(
    text: str, value: float, log: bool, colours: Theme, where: Mapping[str, str]
) -> Json:
    return {
        "text": markup(text, 120), "xref": f"{where['xaxis']} domain", "yref": where["yaxis"],
        "x": 0.005, "y": _place(value, log), "xanchor": "left", "yanchor": "bottom",
        "showarrow": False, "font": {"size": 11, "color": colours.muted},
    }  # fmt: skip


def _place(value: float, log: bool) -> float:
    """Where an annotation belongs: plotly takes the exponent on a log axis (unlike for shapes)."""
    return log10(value) if log else value
