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

ROW, MARGIN = 0.24, 0.85
"""Inches: of a row, of a panel's title and axis."""
LONGEST_LABEL = 44
WIDEST = 30.0
"""An interval reaches at most so many times its value either way; an arrow says it goes on."""


def draw_forest(figure: Forest) -> Canvas:
    """The panels below each other on one axis."""
    rows = [len(panel.labels) for panel in figure.panels]
    above = ROW * sum(rows) + MARGIN * len(rows) + 0.2
    low, high = range_of(figure)
    with framed(figure.title, figure.notes, above) as (canvas, top):
        grid: Any = top.subplots(len(rows), 1, squeeze=False, height_ratios=rows, sharex=True)
        for (axes,), panel in zip(grid, figure.panels):
            _panel(axes, panel, figure, low, high)
        last = grid[-1][0]
        last.set_xlabel(style.literal(figure.x_label))
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


def _panel(axes: Axes, panel: ForestPanel, figure: Forest, low: float, high: float) -> None:
    places = np.arange(len(panel.labels))
    colour = style.CATEGORIES[0]
    if panel.title:
        axes.set_title(style.literal(style.short(panel.title, 60)), fontweight="bold")
    if figure.equal is not None:
        axes.axvline(figure.equal, color=style.MUTED, linestyle=(0, (4, 2.5)), linewidth=1.1)
    known = np.isfinite(panel.values)
    axes.scatter(panel.values[known], places[known], s=26, color=colour, zorder=4)
    for place, bottom, top in zip(places, panel.lower, panel.upper):
        _interval(axes, float(place), (float(bottom), float(top)), (low, high), colour)
    for place in places[~known]:
        axes.annotate("no value", (0.01, float(place)), xycoords=("axes fraction", "data"),
                      va="center", fontsize=8, color=style.MUTED)  # fmt: skip
    axes.set_ylim(len(places) - 0.5, -0.5)
    names = [style.literal(style.short(label, LONGEST_LABEL)) for label in panel.labels]
    axes.set_yticks(places, names)
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
