"""Values with intervals, a row each, drawn by plotly (a forest plot)."""

from __future__ import annotations

import numpy as np

from scaling.analysis import style
from scaling.analysis.axes import Axis
from scaling.analysis.bars import Forest, ForestPanel
from scaling.analysis.forest_plot import range_of
from scaling.analysis.result import number
from scaling.dashboards.plain_text import markup
from scaling.dashboards.plotly_theme import (
    Json,
    Theme,
    axis,
    first_colour,
    layout,
    number_of,
    panel_title,
    plain_axis,
)

_ROW, _BETWEEN = 28, 70
"""Pixels: of a row, of titles and labels between panels."""


def forest(figure: Forest, look: Theme, dark: bool) -> Json:
    """A value with its interval in every row, the panels below each other on one axis."""
    heights = [_ROW * len(panel.labels) + 10 for panel in figure.panels]
    whole = sum(heights) + _BETWEEN * (len(heights) - 1)
    out = layout(look, height=whole)
    shown = _axis(figure)
    data: list[Json] = []
    top = 1.0
    for index, (panel, height) in enumerate(zip(figure.panels, heights)):
        suffix = number_of(index)
        where = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
        across, up = {"domain": [0.0, 1.0]}, {"domain": [max(top - height / whole, 0.0), top]}
        top -= (height + _BETWEEN) / whole
        last = index == len(heights) - 1
        out[f"xaxis{suffix}"] = {
            **axis(shown, figure.x_label if last else "", look), **across, "anchor": f"y{suffix}",
            **({} if index == 0 else {"matches": "x"}),
        }  # fmt: skip
        out[f"yaxis{suffix}"] = {
            **plain_axis(look), **up, "anchor": f"x{suffix}", "ticks": "", "showgrid": False, "ticklabelstandoff": 8,
            "tickmode": "array", "tickvals": list(range(len(panel.labels))),
            "ticktext": [markup(label, 40) for label in panel.labels],
            "range": [len(panel.labels) - 0.5, -0.5],
        }  # fmt: skip
        if panel.title:
            out["annotations"].append(panel_title(panel.title, across, up))
        if figure.equal is not None:
            out["shapes"].append(
                {
                    "type": "line", "x0": figure.equal, "x1": figure.equal, "y0": 0, "y1": 1,
                    "xref": where["xaxis"], "yref": f"{where['yaxis']} domain", "layer": "below",
                    "line": {"color": look.muted, "width": 1.2, "dash": "dash"},
                }
            )  # fmt: skip
        out["annotations"] += [
            {
                "text": "no value", "xref": f"{where['xaxis']} domain", "x": 0.01,
                "yref": where["yaxis"], "y": row, "xanchor": "left", "showarrow": False,
                "font": {"size": 11, "color": look.muted},
            }
            for row in np.flatnonzero(~np.isfinite(panel.values)).tolist()
        ]  # fmt: skip
        data += [{**trace, **where} for trace in _traces(panel, first_colour(dark), shown)]
    return {"data": data, "layout": out}


def _axis(figure: Forest) -> Axis:
    low, high = range_of(figure)
    if not figure.log:
        return Axis(False, low, high)
    labelled, rest = style.log_ticks(low, high)
    labels = tuple(map(style.value_label, labelled))
    return Axis(True, low, high, tuple(labelled), labels, tuple(rest))


def _traces(panel: ForestPanel, colour: str, shown: Axis) -> list[Json]:
    """Intervals, arrows where these go on beyond the picture, and values."""
    rows = list(range(len(panel.labels)))
    x: list[float | None] = []
    y: list[float | None] = []
    arrows: list[tuple[float, int, str]] = []
    for row, low, high in zip(rows, panel.lower.tolist(), panel.upper.tolist()):
        if np.isnan(low) or np.isnan(high):
            continue
        x += [low if np.isfinite(low) else shown.low, high if np.isfinite(high) else shown.high]
        x, y = [*x, None], [*y, row, row, None]
        arrows += [(shown.low, row, "triangle-left")] if low < shown.low else []
        arrows += [(shown.high, row, "triangle-right")] if high > shown.high else []
    known = np.flatnonzero(np.isfinite(panel.values)).tolist()
    told = [_told(panel, row) for row in rows]
    bars = {
        "type": "scatter", "mode": "lines", "x": x, "y": y, "connectgaps": False,
        "hoverinfo": "skip", "line": {"color": colour, "width": 1.6},
    }  # fmt: skip
    ends = {
        "type": "scatter", "mode": "markers", "cliponaxis": False,
        "x": [place for place, _, _ in arrows], "y": [row for _, row, _ in arrows],
        "marker": {"color": colour, "size": 9, "symbol": [mark for _, _, mark in arrows]},
        "customdata": [told[row] for _, row, _ in arrows],
        "hovertemplate": "%{customdata}<br>goes on beyond the picture<extra></extra>",
    }  # fmt: skip
    values = {
        "type": "scatter", "mode": "markers", "marker": {"color": colour, "size": 9},
        "x": [float(panel.values[row]) for row in known], "y": known,
        "customdata": [told[row] for row in known],
        "hovertemplate": "%{customdata}<extra></extra>",
    }  # fmt: skip
    return [bars, ends, values] if arrows else [bars, values]


def _told(panel: ForestPanel, row: int) -> str:
    value, low, high = (float(ends[row]) for ends in (panel.values, panel.lower, panel.upper))
    text = number(value) if np.isfinite(value) else "no value"
    if not (np.isnan(low) or np.isnan(high)):
        text += f", interval {number(low)} to {number(high)}"
    return f"<b>{markup(panel.labels[row])}</b><br>{text}"
