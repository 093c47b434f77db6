"""Draw horizontal bars, each with its number, and counts over time."""

from __future__ import annotations

from typing import Any

import matplotlib.dates
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter

from scaling.analysis import style
from scaling.analysis.bars import BarPanel, Bars, TimeBars
from scaling.analysis.framed import framed
from scaling.analysis.law import Array
from scaling.analysis.page import Page
from scaling.units import format_share

dates: Any = matplotlib.dates  # without types

ROW, MARGIN = 0.27, 0.75
"""Inches: of a bar, of the titles."""
SHORT_DAYS, MOST_TICKS = 60, 8


def draw_bars(figure: Bars, page: Page) -> Canvas:
    """The panels beside each other (below, in a narrow column), each with its own scale."""
    rows = [len(panel.labels) for panel in figure.panels]
    narrow = page.columns == 1
    height = ROW * (sum(rows) if narrow else max(rows)) + MARGIN * (len(rows) if narrow else 1)
    with framed(figure.title, figure.notes, height * page.scale, page, grid=False) as (canvas, top):
        if narrow:
            grid: Any = top.subplots(len(rows), 1, squeeze=False, height_ratios=rows)
        else:
            grid = top.subplots(1, len(rows), squeeze=False)
        for axes, panel in zip(grid.flat, figure.panels):
            _bars(axes, panel, page)
    return canvas


def _bars(axes: Axes, panel: BarPanel, page: Page) -> None:
    places = np.arange(len(panel.labels))
    axes.set_title(style.literal(panel.title), fontweight="bold")
    axes.barh(places, panel.shares, height=0.72, color=style.CATEGORIES[0])
    for place, share in zip(places, panel.shares):
        axes.annotate(
            format_share(float(share)), (float(share), float(place)), xytext=(4, 0),
            textcoords="offset points", va="center", fontsize=page.notes + 0.5,
        )  # fmt: skip
    # Room for the number behind the longest bar.
    axes.set_xlim(0, 1.3 * max(float(panel.shares.max()), 1e-12))
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.set_yticks(places, [style.literal(label) for label in panel.labels])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[["bottom"]].set_visible(False)


def draw_time_bars(figure: TimeBars, page: Page) -> Canvas:
    """An outline of the counts, a dashed line where something begins."""
    with framed(figure.title, figure.notes, 3.4 * page.scale, page) as (canvas, top):
        axes: Any = top.subplots()
        edges = dates.date2num(figure.starts)
        axes.stairs(figure.counts, edges, fill=True, color=style.CATEGORIES[0])
        axes.set_xlim(edges[0], edges[-1])
        highest = float(figure.counts.max())
        axes.set_ylim(0, 1.18 * highest)
        for index, (name, time) in enumerate(figure.marks):
            _mark(axes, name, float(dates.date2num(time)), index, page)
        _date_ticks(axes, edges)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: style.count_label(value)))
        axes.set_xlabel(period_of(figure))
        axes.set_ylabel(style.literal(figure.y_label))
        axes.grid(visible=False, axis="x")
    return canvas


def _date_ticks(axes: Axes, edges: Array) -> None:
    """Some of the edges of a short period; of a longer one the beginnings of months or years."""
    if edges[-1] - edges[0] > SHORT_DAYS:
        locator = dates.AutoDateLocator(minticks=3, maxticks=8)
        formatter = dates.ConciseDateFormatter(locator, show_offset=False)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(formatter)
        return
    ticks = edges[:: -(-len(edges) // MOST_TICKS)]
    whole_days = bool((ticks == ticks.round()).all())
    form = "%d %b" if whole_days else "%d %b\n%H:%M"
    axes.set_xticks(ticks, [dates.num2date(tick).strftime(form) for tick in ticks])


def period_of(figure: TimeBars) -> str:
    """What the axis of time is called, with what it spans."""
    last = figure.starts[-1] - np.timedelta64(1, "s")
    return f"time (UTC), {str(figure.starts[0])[:10]} to {str(last)[:10]}"


def _mark(axes: Axes, name: str, place: float, index: int, page: Page) -> None:
    left, right = axes.get_xlim()
    if not left <= place <= right:
        return
    # The first name stands on the left of its line, the second on the right, where there is room.
    share = (place - left) / (right - left)
    before = share > 0.85 or (index == 0 and share > 0.2)
    axes.axvline(place, color=style.INK, linestyle=(0, (4, 2.5)), linewidth=1.1)
    axes.annotate(
        style.literal(name), (place, 0.99 - 0.07 * index), xycoords=("data", "axes fraction"),
        xytext=(-4 if before else 4, 0), textcoords="offset points", va="top",
        ha="right" if before else "left", fontsize=page.notes + 0.5,
        bbox={"facecolor": style.PAPER, "edgecolor": "none", "pad": 1.0},
    )  # fmt: skip
