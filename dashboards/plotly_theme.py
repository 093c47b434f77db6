"""How interactive figures look: the colours and axes of `scaling.analysis.style`, light or dark."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, log10
from typing import Any

import numpy as np

from scaling.analysis import style
from scaling.analysis.axes import Axis
from scaling.analysis.law import Array
from scaling.dashboards.plain_text import markup

Json = dict[str, Any]

SYMBOLS = dict(
    zip(
        style.MARKERS,
        ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "hexagon"),
    )
)
"""Plotly's names of matplotlib's markers."""

_FONT = 'system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif'
_HEAD, _FOOT, _LEFT = 30, 56, 72
"""Pixels: above a panel, below it, left of the figure."""
_ENTRY, _GAP = 21, 6
"""Pixels of a legend's entry, and between the two legends."""


@dataclass(frozen=True)
class Theme:
    """Colours of text, axes, grid and background."""

    ink: str
    muted: str
    grid: str
    paper: str


LIGHT = Theme(style.INK, style.MUTED, style.GRID, "#ffffff")
DARK = Theme("#e4e8ec", "#9aa4af", "#333b44", "#12161b")


def theme(dark: bool) -> Theme:
    return DARK if dark else LIGHT


def first_colour(dark: bool) -> str:
    """Of figures that need only one."""
    return (style.DARK_CATEGORIES if dark else style.CATEGORIES)[0]


def axis(found: Axis, title: str, look: Theme) -> Json:
    """A numeric axis, as in the printed figure."""
    out: Json = {
        **plain_axis(look),
        "title": {"text": markup(title, 120), "standoff": 8},
        "type": "log" if found.log else "linear",
        "range": [log10(found.low), log10(found.high)] if found.log else [found.low, found.high],
    }
    if found.ticks is not None:
        out |= {"tickmode": "array", "tickvals": list(found.ticks), "ticktext": list(found.labels)}
    if found.minor:
        small = {"ticks": "outside", "ticklen": 3, "tickcolor": look.muted, "showgrid": False}
        out["minor"] = {"tickmode": "array", "tickvals": list(found.minor), **small}
    return out


def plain_axis(look: Theme) -> Json:
    """What all axes have in common."""
    return {
        "color": look.ink,
        "gridcolor": look.grid,
        "linecolor": look.muted,
        "showline": True,
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": look.muted,
        "automargin": True,
    }


def layout(look: Theme, *, height: int, keys: int = 0, meanings: int = 0) -> Json:
    """A figure's layout but for its axes; title and notes stand in the page around it.

    Args:
        look: of the page.
        height: of the panels, in pixels.
        keys: entries of the legend, which stands below them.
        meanings: entries of a second legend below it, which can't be clicked.
    """
    below = _ENTRY * (keys + meanings) + (_GAP if keys and meanings else 0)
    place = {
        "x": 0, "xanchor": "left", "yanchor": "top", "bgcolor": "rgba(0,0,0,0)",
        "traceorder": "normal", "orientation": "v", "tracegroupgap": 0,
        # Nothing scrolls: by default a legend has half of the height.
        "maxheight": max(below, _ENTRY) + _FOOT,
    }  # fmt: skip
    under = -_FOOT / height
    second = under - (_ENTRY * keys + (_GAP if keys else 0)) / height
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": _FONT, "size": 13, "color": look.ink},
        "height": height + below + _HEAD + _FOOT,
        "margin": {"l": _LEFT, "r": 16, "t": _HEAD, "b": _FOOT + below},
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": look.paper,
            "bordercolor": look.muted,
            "font": {"color": look.ink, "family": _FONT},
            "align": "left",
        },
        "modebar": {
            "bgcolor": "rgba(0,0,0,0)", "color": look.muted, "activecolor": look.ink,
        },
        "showlegend": keys + meanings > 0,
        "legend": {**place, "y": under, "groupclick": "togglegroup"},
        "legend2": {**place, "y": second, "itemclick": False, "itemdoubleclick": False},
        "annotations": [],
        "shapes": [],
        # Zoom and hidden groups stay when new runs come in.
        "uirevision": "same",
    }  # fmt: skip


def number_of(index: int) -> str:
    """Plotly's suffix of the axes of a panel."""
    return "" if index == 0 else str(index + 1)


def places(count: int, columns: int, gap: tuple[float, float]) -> list[tuple[Json, Json]]:
    """Domains (x, y) of panels in rows, from the upper left."""
    rows = -(-count // columns)
    across, up = gap
    width = (1 - across * (columns - 1)) / columns
    height = (1 - up * (rows - 1)) / rows
    found = []
    for index in range(count):
        row, column = divmod(index, columns)
        left, top = column * (width + across), 1 - row * (height + up)
        found.append(
            (
                {"domain": [left, min(left + width, 1.0)]},
                {"domain": [max(top - height, 0.0), top]},
            )
        )
    return found


def panel_title(text: str, x: Json, y: Json) -> Json:
    """The name above a panel."""
    return {
        "text": f"<b>{markup(text, 44)}</b>",
        "xref": "paper",
        "yref": "paper",
        "x": x["domain"][0],
        "y": y["domain"][1],
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 4,
        "showarrow": False,
    }


def numbers(values: Array) -> list[float | None]:
    """As JSON holds them: no NaN, no infinity."""
    known: list[float | None] = values.tolist()
    return (
        known if np.isfinite(values).all() else [v if isfinite(v or 0.0) else None for v in known]
    )
