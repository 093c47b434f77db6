"""Draw values with intervals, a row each (a forest plot)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedFormatter, FixedLocator, NullFormatter

from scaling.analysis import style
from scaling.analysis.bars import Forest, ForestPanel
from scaling.analysis.framed import framed, lay_out
from scaling.analysis.law import Array
from scaling.analysis.page import Page
from scaling.analysis.text import wrapped
from scaling.analysis.ticks import freeze, thin

ROW, MARGIN = 0.24, 0.85
"""Inches: of a row, of a panel's title and axis."""
LABEL, MORE = 0.4, 0.75
"""Share of the width that labels may take; height of a label's further lines, in rows."""
MANY = 2
"""More panels than these stand in columns."""
WIDEST, FARTHEST = 30.0, 4.0
"""An interval reaches at most so many times its value either way (on a plain axis, so many times the
range of values); an arrow says it goes on."""


def draw_forest(figure: Forest, page: Page) -> Canvas:
    """The panels on one axis: below each other or, of many with the same rows, in columns."""
    alike = len({panel.labels for panel in figure.panels}) == 1
    columns = page.across(len(figure.panels)) if alike and len(figure.panels) > MANY else 1
    starts = range(0, len(figure.panels), columns)
    names = [_names(panel, page) for panel in figure.panels]
    rows = [sum(_heights(names[start])) for start in starts]
    above = (ROW * sum(rows) + MARGIN * len(rows) + 0.2) * page.scale
    low, high = range_of(figure)
    with framed(figure.title, figure.notes, above, page) as (canvas, top):
        grid: Any = top.subplots(
            len(rows), columns, squeeze=False, height_ratios=rows, sharex=True, sharey=alike
        )
        width = page.width * (1 - LABEL) / columns if columns > 1 else 0.6 * page.width
        for axes, panel, lines in zip(grid.flat, figure.panels, names):
            _panel(axes, panel, lines, figure, (low, high), width, page)
        for axes in grid.flat[len(figure.panels) :]:
            axes.set_visible(False)
        lowest = grid.flat[: len(figure.panels)][-columns:]
        for axes in lowest:
            axes.tick_params(labelbottom=True)
            # Alone, the axis is about half as wide as the page; its label may begin left of it.
            room = 0.55 * page.width if columns == 1 else width
            axes.set_xlabel(
                style.literal("\n".join(wrapped(figure.x_label, room, page.text, most=3)))
            )
        last = lowest[-1]
        if figure.log:
            last.set_xscale("log")
            labelled, rest = style.log_ticks(low, high)
            label = style.power_label if "FLOP" in figure.x_label else style.value_label
            last.xaxis.set_major_locator(FixedLocator(labelled))
            last.xaxis.set_major_formatter(FixedFormatter([label(tick) for tick in labelled]))
            last.xaxis.set_minor_locator(FixedLocator(rest))
            last.xaxis.set_minor_formatter(NullFormatter())
        last.set_xlim(low, high)
        lay_out(canvas)
        freeze(last.xaxis)
        thin(last, page)
    return canvas


def _heights(names: list[list[str]]) -> list[float]:
    """Of each row, by the lines of its label."""
    return [1 + (len(lines) - 1) * MORE for lines in names]


def _names(panel: ForestPanel, page: Page) -> list[list[str]]:
    """Each row's label in lines."""
    return [wrapped(label, LABEL * page.width, page.text, most=3) for label in panel.labels]


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
        # A single value amid its decade, where round numbers are near.
        pad = max((high / low) ** 0.05, 1.05) if high > 1.1 * low else 2.0
        return low / pad, high * pad
    span = (high - low) or abs(high) or 1.0
    ends = ends[(ends > low - FARTHEST * span) & (ends < high + FARTHEST * span)]
    low, high = float(np.min([*ends, low])), float(np.max([*ends, high]))
    pad = 0.05 * ((high - low) or abs(high) or 1.0)
    return low - pad, high + pad


def _panel(
    axes: Axes, panel: ForestPanel, names: list[list[str]], figure: Forest,
    shown: tuple[float, float], width: float, page: Page,
) -> None:  # fmt: skip
    heights = np.array(_heights(names))
    places = np.cumsum(heights) - 0.5 * heights
    colour = style.CATEGORIES[0]
    if panel.title:
        title = wrapped(panel.title, width, page.panel_title, bold=True, most=2)
        axes.set_title(style.literal("\n".join(title)), fontweight="bold")
    if figure.equal is not None:
        axes.axvline(
            figure.equal, color=style.MUTED, linestyle=style.BEYOND, linewidth=1.1 * page.scale
        )
    known = np.isfinite(panel.values)
    axes.scatter(panel.values[known], places[known], s=26 * page.scale**2, color=colour, zorder=4)
    for place, bottom, top in zip(places, panel.lower, panel.upper):
        _interval(axes, float(place), (float(bottom), float(top)), shown, colour, page)
    for place in places[~known]:
        axes.annotate(
            "no value", (0.02, float(place)), xycoords=("axes fraction", "data"), va="center",
            fontsize=page.notes, color=style.MUTED, zorder=5,
            bbox={"facecolor": style.PAPER, "edgecolor": "none", "pad": 1.0},
        )  # fmt: skip
    axes.set_ylim(float(heights.sum()), 0.0)
    axes.set_yticks(places, [style.literal("\n".join(lines)) for lines in names])
    axes.tick_params(axis="y", length=0, pad=6)  # an arrow may stand at the edge
    axes.grid(visible=False, axis="y")


def _interval(
    axes: Axes, place: float, ends: tuple[float, float], shown: tuple[float, float], colour: str,
    page: Page,
) -> None:  # fmt: skip
    if np.isnan(ends).any():
        return
    inside: Array = np.clip(ends, *shown)
    axes.hlines(place, inside[0], inside[1], color=colour, linewidth=1.3 * page.scale, zorder=3)
    for end, edge, mark in zip(ends, inside, ("<", ">")):
        if end != edge:  # it goes on beyond the picture
            axes.plot(
                [edge], [place], mark, color=colour, markersize=5 * page.scale, zorder=3,
                clip_on=False,
            )  # fmt: skip
