"""Maps of numbers around 1, drawn by plotly."""

from __future__ import annotations

import math

import matplotlib as mpl
import numpy as np

from scaling.analysis import style
from scaling.analysis.heat_plot import COLOURS, LONGEST_NAME
from scaling.analysis.temperatures import HeatMap, HeatPanel
from scaling.dashboards.plain_text import markup
from scaling.dashboards.plotly_theme import (
    Json,
    Theme,
    layout,
    number_of,
    numbers,
    panel_title,
    plain_axis,
)

_CELL, _BETWEEN = 40, 84
"""Pixels: of a row, of titles and labels between panels."""


def heat_map(figure: HeatMap, look: Theme) -> Json:
    """The maps below each other on one scale of colours, the number in every cell."""
    heights = [_CELL * len(panel.rows) for panel in figure.panels]
    whole = sum(heights) + _BETWEEN * (len(heights) - 1)
    out = layout(look, height=whole)
    data, top = [], 1.0
    for index, (panel, height) in enumerate(zip(figure.panels, heights)):
        suffix = number_of(index)
        across, up = {"domain": [0.0, 1.0]}, {"domain": [max(top - height / whole, 0.0), top]}
        top -= (height + _BETWEEN) / whole
        last = index == len(heights) - 1
        plain = {**plain_axis(look), "showgrid": False, "ticks": "", "type": "category"}
        x_title, y_title = markup(figure.x_label if last else ""), markup(figure.y_label)
        out[f"xaxis{suffix}"] = {
            **plain, **across, "anchor": f"y{suffix}", "title": {"text": x_title, "standoff": 8},
            **_named(panel.columns),
        }  # fmt: skip
        out[f"yaxis{suffix}"] = {
            **plain, **up, "anchor": f"x{suffix}", "title": {"text": y_title, "standoff": 8},
            "autorange": "reversed", **_named(panel.rows),
        }  # fmt: skip
        out["annotations"].append(panel_title(panel.title, across, up))
        data.append(_map(panel, figure.span, look, suffix))
    return {"data": data, "layout": out}


def _named(names: tuple[str, ...]) -> Json:
    """Cells are places: two may have one name."""
    return {
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": [markup(style.short(name, LONGEST_NAME)) for name in names],
        "type": "linear",
        "zeroline": False,
        "showline": False,
    }


def _map(panel: HeatPanel, span: float, look: Theme, suffix: str) -> Json:
    rows, columns = panel.values.shape
    texts = panel.texts or tuple(
        tuple(f"{v:.2f}" if math.isfinite(v) else "" for v in row) for row in panel.values
    )
    known = np.isfinite(panel.values)
    return {
        "type": "heatmap",
        "x": list(range(columns)),
        "y": list(range(rows)),
        "z": [numbers(row) for row in np.log(panel.values)],
        "zmin": -span, "zmax": span, "zmid": 0,
        "colorscale": _scale(),
        "showscale": False,
        "xgap": 2, "ygap": 2,
        "text": [
            [markup(text) if there else "" for text, there in zip(line, row)]
            for line, row in zip(texts, known)
        ],
        "texttemplate": "%{text}",
        "hoverongaps": False,
        "customdata": [
            [f"{markup(r)}, {markup(c)}" for c in panel.columns] for r in panel.rows
        ],
        "hovertemplate": "%{customdata}: %{text}<extra></extra>",
        "xaxis": f"x{suffix}",
        "yaxis": f"y{suffix}",
    }  # fmt: skip


def _scale() -> list[list[object]]:
    colours = mpl.colormaps[COLOURS]
    return [[step, mpl.colors.to_hex(colours(step))] for step in np.linspace(0, 1, 17).tolist()]
