"""Draw horizontal bars, each with its number, and counts over time."""

from __future__ import annotations

from typing import Any

import matplotlib.dates as dates
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter

from scaling.analysis import style
from scaling.analysis.bars import BarPanel, Bars, TimeBars
from scaling.analysis.framed import framed
from scaling.units import format_share

ROW, MARGIN = 0.27, 0.75
"""Inches: of a bar, of the titles."""


def draw_bars(figure: Bars) -> Canvas:
    """The panels beside each other, each with its own scale."""
    height = ROW * max(len(panel.labels) for panel in figure.panels) + MARGIN
    with framed(figure.title, figure.notes, height, **{"axes.grid": False}) as (canvas, top):
        grid: Any = top.subplots(1, len(figure.panels), squeeze=False)
        for axes, panel in zip(grid[0], figure.panels):
            _bars(axes, panel)
    return canvas


def _bars(axes: Axes, panel: BarPanel) -> None:
    places = np.arange(len(panel.labels))
    axes.set_title(style.literal(panel.title), fontweight="bold")
    axes.barh(places, panel.shares, height=0.72, color=style.CATEGORIES[0])
    for place, share in zip(places, panel.shares):
        axes.annotate(
            format_share(float(share)), (float(share), float(place)), xytext=(4, 0),
            textcoords="offset points", va="center", fontsize=8.5,
        )  # fmt: skip
    # Room for the number behind the longest bar.
    axes.set_xlim(0, 1.3 * max(float(panel.shares.max()), 1e-12))
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.set_yticks(places, [style.literal(label) for label in panel.labels])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[["bottom"]].set_visible(False)


def draw_time_bars(figure: TimeBars) -> Canvas:
    """An outline of the counts, a dashed line where something begins."""
    with framed(figure.title, figure.notes, 3.4) as (canvas, top):
        axes: Any = top.subplots()
        edges = dates.date2num(figure.starts)
        axes.stairs(figure.counts, edges, fill=True, color=style.CATEGORIES[0], alpha=0.8)
        axes.set_xlim(edges[0], edges[-1])
        highest = float(figure.counts.max())
        axes.set_ylim(0, 1.18 * highest)
        for index, (name, time) in enumerate(figure.marks):
            _mark(axes, name, float(dates.date2num(time)), index)
        locator = dates.AutoDateLocator(minticks=3, maxticks=8)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: style.count_label(value)))
        axes.set_xlabel("time (UTC)")
        axes.set_ylabel(style.literal(figure.y_label))
        axes.grid(visible=False, axis="x")
    return canvas


def _mark(axes: Axes, name: str, place: float, index: int) -> None:
    left, right = axes.get_xlim()
    if not left <= place <= right:
        return
    late = place - left > 0.5 * (right - left)
    axes.axvline(place, color=style.INK, linestyle=(0, (4, 2.5)), linewidth=1.1)
    # Two marks may stand close together: their names stand in rows of their own.
    axes.annotate(
        style.literal(name), (place, 0.99 - 0.07 * index), xycoords=("data", "axes fraction"),
        xytext=(-4 if late else 4, 0), textcoords="offset points", va="top",
        ha="right" if late else "left", fontsize=8.5,
    )  # fmt: skip
