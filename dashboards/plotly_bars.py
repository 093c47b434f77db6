"""Bars and counts over time, drawn by plotly."""

from __future__ import annotations

import numpy as np

from scaling.analysis.bar_plot import period_of
from scaling.analysis.bars import Bars, TimeBars
from scaling.dashboards.plain_text import markup
from scaling.dashboards.plotly_theme import (
    Json,
    Theme,
    first_colour,
    layout,
    number_of,
    numbers,
    panel_title,
    places,
    plain_axis,
)
from scaling.units import format_share

_ROW = 28
"""Pixels of a bar."""


def bars(figure: Bars, look: Theme, dark: bool) -> Json:
    """The panels beside each other, each with its own scale."""
    most = max(len(panel.labels) for panel in figure.panels)
    out = layout(look, height=_ROW * most + 20)
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
                "marker": {"color": first_colour(dark)}, "textposition": "outside", "cliponaxis": False,
                "text": [format_share(float(share)) for share in panel.shares],
                "customdata": [markup(label) for label in panel.labels],
                "hovertemplate": "%{customdata}: %{text}<extra></extra>",
                "xaxis": f"x{suffix}", "yaxis": f"y{suffix}",
            }
        )  # fmt: skip
    return {"data": data, "layout": out}


def time_bars(figure: TimeBars, look: Theme, dark: bool) -> Json:
    """Counts as steps over time, a dashed line where something begins."""
    out = layout(look, height=320)
    times = [str(time) for time in figure.starts.astype("datetime64[s]")]
    out["xaxis"] = {
        **plain_axis(look), "type": "date", "title": {"text": period_of(figure), "standoff": 14},
        "range": [times[0], times[-1]], "showgrid": False,
    }  # fmt: skip
    out["yaxis"] = {
        **plain_axis(look), "title": {"text": markup(figure.y_label), "standoff": 8},
        "range": [0, 1.18 * float(figure.counts.max())],
    }  # fmt: skip
    for index, (name, moment) in enumerate(figure.marks):
        if not figure.starts[0] <= moment <= figure.starts[-1]:
            continue
        place = str(moment.astype("datetime64[s]"))
        share = (moment - figure.starts[0]) / (figure.starts[-1] - figure.starts[0])
        before = share > 0.85 or (index == 0 and share > 0.2)
        out["shapes"].append(
            {
                "type": "line", "x0": place, "x1": place, "yref": "paper", "y0": 0, "y1": 1,
                "line": {"color": look.ink, "width": 1.2, "dash": "dash"},
            }
        )  # fmt: skip
        out["annotations"].append(
            {
                "text": markup(name), "x": place, "yref": "paper", "y": 1 - 0.08 * index,
                "xanchor": "right" if before else "left", "yanchor": "top", "showarrow": False,
                "bgcolor": look.paper, "xshift": -4 if before else 4,
            }
        )  # fmt: skip
    counts = numbers(np.append(figure.counts, figure.counts[-1:]))
    trace = {
        "type": "scatter", "mode": "lines", "x": times, "y": counts, "fill": "tozeroy",
        "line": {"shape": "hv", "color": first_colour(dark), "width": 1},
        "fillcolor": first_colour(dark),
        "hovertemplate": f"from %{{x}}<br>{markup(figure.y_label)}: %{{y:,}}<extra></extra>",
    }  # fmt: skip
    return {"data": [trace], "layout": out}
