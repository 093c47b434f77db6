"""Bars, counts over time, and values with intervals, drawn by plotly."""

from __future__ import annotations

import math

import numpy as np

from scaling.analysis import style
from scaling.analysis.axes import Axis
from scaling.analysis.bars import Bars, Forest, ForestPanel, TimeBars
from scaling.analysis.forest_plot import range_of
from scaling.analysis.law import Array
from scaling.dashboards.plain_text import markup
from scaling.dashboards.plotly_theme import (
    Json,
    Theme,
    axis,
    layout,
    number_of,
    numbers,
    panel_title,
    places,
    plain_axis,
)
from scaling.units import format_share

_ROW, _BETWEEN = 28, 70
"""Pixels: of a row, of titles and labels between panels."""


def bars(figure: Bars, look: Theme, dark: bool) -> Json:
    """The panels beside each other, each with its own scale."""
    most = max(len(panel.labels) for panel in figure.panels)
    out = layout(look, height=_ROW * most + 20, legend=False)
    data = []
    count = len(figure.panels)
    for index, (panel, (across, up)) in enumerate(
        zip(figure.panels, places(count, count, (0.16, 0)))
    ):
        suffix, rows = number_of(index), list(range(len(panel.labels)))
        out[f"xaxis{suffix}"] = {
            **plain_axis(look), **across, "anchor": f"y{suffix}", "showticklabels": False,
            "ticks": "", "showgrid": False, "showline": False,
            "range": [0, 1.3 * max(float(panel.shares.max()), 1e-12)],
        }  # fmt: skip
        out[f"yaxis{suffix}"] = {
            **plain_axis(look), **up, "anchor": f"x{suffix}", "ticks": "", "showgrid": False,
            "tickmode": "array", "tickvals": rows, "ticktext": [markup(t, 24) for t in panel.labels],
            "range": [len(rows) - 0.5, -0.5],
        }  # fmt: skip
        out["annotations"].append(panel_title(panel.title, across, up))
        data.append(
            {
                "type": "bar", "orientation": "h", "x": numbers(panel.shares), "y": rows,
                "marker": {"color": _first(dark)}, "textposition": "outside", "cliponaxis": False,
                "text": [format_share(float(share)) for share in panel.shares],
                "customdata": [markup(label) for label in panel.labels],
                "hovertemplate": "%{customdata}: %{text}<extra></extra>",
                "xaxis": f"x{suffix}", "yaxis": f"y{suffix}",
            }
        )  # fmt: skip
    return {"data": data, "layout": out}


def time_bars(figure: TimeBars, look: Theme, dark: bool) -> Json:
    """Counts as steps over time, a dashed line where something begins."""
    out = layout(look, height=320, legend=False)
    times = [str(time) for time in figure.starts.astype("datetime64[s]")]
    out["xaxis"] = {
        **plain_axis(look), "type": "date", "title": {"text": "time (UTC)"},
        "range": [times[0], times[-1]],
    }  # fmt: skip
    out["yaxis"] = {
        **plain_axis(look), "title": {"text": markup(figure.y_label)},
        "range": [0, 1.18 * float(figure.counts.max())],
    }  # fmt: skip
    for index, (name, moment) in enumerate(figure.marks):
        place = str(moment.astype("datetime64[s]"))
        out["shapes"].append(
            {
                "type": "line", "x0": place, "x1": place, "yref": "paper", "y0": 0, "y1": 1,
                "line": {"color": look.ink, "width": 1.2, "dash": "dash"},
            }
        )  # fmt: skip
        out["annotations"].append(
            {
                "text": markup(name), "x": place, "yref": "paper", "y": 1 - 0.08 * index,
                "xanchor": "right" if index == 0 else "left", "yanchor": "top", "showarrow": False,
            }
        )  # fmt: skip
    counts = numbers(np.append(figure.counts, figure.counts[-1:]))
    trace = {
        "type": "scatter", "mode": "lines", "x": times, "y": counts, "fill": "tozeroy",
        "line": {"shape": "hv", "color": _first(dark), "width": 1},
        "hovertemplate": "%{x}: %{y:,}<extra></extra>",
    }  # fmt: skip
    return {"data": [trace], "layout": out}


def forest(figure: Forest, look: Theme, dark: bool) -> Json:
    """A value with its interval in every row, the panels below each other on one axis."""
    heights = [_ROW * len(panel.labels) + 10 for panel in figure.panels]
    whole = sum(heights) + _BETWEEN * (len(heights) - 1)
    out = layout(look, height=whole, legend=False)
    low, high = range_of(figure)
    ticks, minor = style.log_ticks(low, high) if figure.log else (None, ())
    labels = tuple(style.value_label(tick) for tick in ticks or ())
    shown = Axis(
        figure.log, low, high, None if ticks is None else tuple(ticks), labels, tuple(minor)
    )
    data, top = [], 1.0
    for index, (panel, height) in enumerate(zip(figure.panels, heights)):
        suffix, rows = number_of(index), list(range(len(panel.labels)))
        across, up = {"domain": [0.0, 1.0]}, {"domain": [max(top - height / whole, 0.0), top]}
        top -= (height + _BETWEEN) / whole
        last = index == len(heights) - 1
        out[f"xaxis{suffix}"] = {
            **axis(shown, figure.x_label if last else "", look), **across, "anchor": f"y{suffix}",
            **({} if index == 0 else {"matches": "x"}),
        }  # fmt: skip
        out[f"yaxis{suffix}"] = {
            **plain_axis(look), **up, "anchor": f"x{suffix}", "ticks": "", "showgrid": False,
            "tickmode": "array", "tickvals": rows, "ticktext": [markup(t, 40) for t in panel.labels],
            "range": [len(rows) - 0.5, -0.5],
        }  # fmt: skip
        if panel.title:
            out["annotations"].append(panel_title(panel.title, across, up))
        if figure.equal is not None:
            out["shapes"].append(
                {
                    "type": "line", "x0": figure.equal, "x1": figure.equal, "y0": -0.5,
                    "y1": len(rows) - 0.5, "xref": f"x{suffix}", "yref": f"y{suffix}",
                    "line": {"color": look.muted, "width": 1.2, "dash": "dash"},
                }
            )  # fmt: skip
        data.append(
            {
                **_rows(panel, _first(dark), (low, high)),
                "xaxis": f"x{suffix}",
                "yaxis": f"y{suffix}",
            }
        )
    return {"data": data, "layout": out}


def _rows(panel: ForestPanel, colour: str, reach: tuple[float, float]) -> Json:
    def distance(ends: Array, sign: int) -> list[float]:
        # An open end reaches the edge of the picture; the hover text tells it.
        apart = sign * (np.clip(ends, *reach) - panel.values)
        return [float(a) if math.isfinite(a) else 0.0 for a in apart]

    told = [
        f"{value:.4g}" + (f" [{low:.4g}, {high:.4g}]" if not math.isnan(low) else "")
        for value, low, high in zip(panel.values, panel.lower, panel.upper)
    ]
    return {
        "type": "scatter", "mode": "markers", "x": numbers(panel.values),
        "y": list(range(len(panel.labels))), "marker": {"color": colour, "size": 9},
        "error_x": {
            "type": "data", "symmetric": False, "color": colour, "thickness": 1.4, "width": 4,
            "array": distance(panel.upper, 1),
            "arrayminus": distance(panel.lower, -1),
        },
        "customdata": [
            f"{markup(label)}: {text}" for label, text in zip(panel.labels, told)
        ],
        "hovertemplate": "%{customdata}<extra></extra>",
    }  # fmt: skip


def _first(dark: bool) -> str:
    return (style.DARK_CATEGORIES if dark else style.CATEGORIES)[0]
