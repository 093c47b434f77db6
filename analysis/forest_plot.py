"""Draw values with intervals, a row each (a forest plot)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedFormatter, FixedLocator, NullFormatter

from scaling.analysis import style
from scaling.analysis.bars import Forest, ForestPanel
from scaling.analysis.framed import framed
from scaling.analysis.law import Array
from scaling.analysis.page import Page
from scaling.analysis.text import wrapped

ROW, MARGIN = 0.24, 0.85
"""Inches: of a row, of a panel's title and axis."""
LABELS = 0.42
"""Share of the width that the names of rows take at most; longer ones are broken once."""
WIDEST = 30.0
"""An interval reaches at most so many times its value either way; an arrow says it goes on."""


def draw_forest(figure: Forest, page: Page) -> Canvas:
    """The panels below each other on one axis."""
    rows = [len(panel.labels) for panel in figure.panels]
    names = [_names(panel, page) for panel in figure.panels]
    tall = 1.6 if any("\n" in name for panel in names for name in panel) else 1.0
    above = (tall * ROW * sum(rows) + MARGIN * len(rows) + 0.2) * page.scale
    low, high = range_of(figure)
    with framed(figure.title, figure.notes, above, page) as (canvas, top):
        grid: Any = top.subplots(len(rows), 1, squeeze=False, height_ratios=rows, sharex=True)
        for (axes,), panel, labels in zip(grid, figure.panels, names):
            _panel(axes, panel, figure, (low, high), page)
            axes.set_yticks(np.arange(len(labels)), labels)
        last = grid[-1][0]
        label = wrapped(figure.x_label, 0.6 * page.width, page.text + 1)
        last.set_xlabel(style.literal("\n".join(label)))
        if figure.log:
            last.set_xscale("log")
            labelled, rest = style.log_ticks(low, high)
            last.xaxis.set_major_locator(FixedLocator(labelled))
            last.xaxis.set_major_formatter(
                FixedFormatter([style.value_label(tick) for tick in labelled])
            )
            last.xaxis.set_minor_locator(FixedLocator(rest))
            last.xaxis.set_minor_formatter(NullFormatter())
        last.set_xlim(low, high)
    return canvas


def range_of(figure: Forest) -> tuple[float, float]:
    """What the axis shows: every value, and of intervals what lies within reach of them."""
    values = np.concatenate([panel.values for panel in figure.panels])
    ends = np.concatenate([e for p in figure.panels for e in (p.lower, p.upper)])
    if figure.equal is not None:
        values = np.append(values, figure.equal)
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    ends = ends[np.isfinite(ends)]
    if figure.log:
        ends = ends[(ends > low / WIDEST) & (ends < high * WIDEST)]
        low, high = float(np.min([*ends, low])), float(np.max([*ends, high]))
        pad = max((high / low) ** 0.05, 1.05)
        return low / pad, high * pad
    span = (high - low) or abs(high) or 1.0
    ends = ends[(ends > low - WIDEST * span) & (ends < high + WIDEST * span)]
    low, high = float(np.min([*ends, low])), float(np.max([*ends, high]))
    pad = 0.05 * ((high - low) or abs(high) or 1.0)
    return low - pad, high + pad


def _names(panel: ForestPanel, page: Page) -> list[str]:
    room = LABELS * page.width
    lines = [wrapped(label, room, page.text, most=2) for label in panel.labels]
    return [style.literal("\n".join(one)) for one in lines]


def _panel(
    axes: Axes, panel: ForestPanel, figure: Forest, shown: tuple[float, float], page: Page
) -> None:
    places = np.arange(len(panel.labels))
    colour = style.CATEGORIES[0]
    if panel.title:
        (title,) = wrapped(panel.title, (0.95 - LABELS) * page.width, page.text, bold=True, most=1)
        axes.set_title(style.literal(title), fontweight="bold")
    if figure.equal is not None:
        axes.axvline(figure.equal, color=style.MUTED, linestyle=(0, (4, 2.5)), linewidth=1.1)
    known = np.isfinite(panel.values)
    axes.scatter(panel.values[known], places[known], s=26 * page.scale**2, color=colour, zorder=4)
    for place, bottom, top in zip(places, panel.lower, panel.upper):
        _interval(axes, float(place), (float(bottom), float(top)), shown, colour)
    for place in places[~known]:
        axes.annotate("no value", (0.01, float(place)), xycoords=("axes fraction", "data"),
                      va="center", fontsize=page.notes, color=style.MUTED)  # fmt: skip
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _interval(
    axes: Axes, place: float, ends: tuple[float, float], shown: tuple[float, float], colour: str
) -> None:
    if np.isnan(ends).any():
        return
    inside: Array = np.clip(ends, *shown)
    axes.hlines(place, inside[0], inside[1], color=colour, linewidth=1.3, zorder=3)
    for end, edge, mark in zip(ends, inside, ("<", ">")):
        if end != edge:  # it goes on beyond the picture
            axes.plot([edge], [place], mark, color=colour, markersize=5, zorder=3, clip_on=False)
