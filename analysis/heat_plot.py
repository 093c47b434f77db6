"""Draw a map of numbers around 1: colour by the logarithm, the number in every cell."""

from __future__ import annotations

import math
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure as Canvas

from scaling.analysis import style
from scaling.analysis.framed import framed
from scaling.analysis.page import Page
from scaling.analysis.temperatures import HeatMap, HeatPanel
from scaling.analysis.text import width_of, wrapped

CELL, MARGIN = 0.36, 1.05
"""Inches: of a row, of a panel's title and labels."""
LONGEST_NAME = 22
COLOURS = "PuOr_r"
"""Told apart by the colour-blind, its middle nearly white."""


def draw_heat_map(figure: HeatMap, page: Page) -> Canvas:
    """The maps below each other, on one scale of colours, with the notes at the foot."""
    rows = [len(panel.rows) for panel in figure.panels]
    titles = [_title(panel, page) for panel in figure.panels]
    more = sum(len(lines) - 1 for lines in titles) * 1.25 * page.panel_title / 72
    above = (CELL * sum(rows) + MARGIN * len(rows) + 0.35) * page.scale + more
    with framed(figure.title, figure.notes, above, page, grid=False) as (canvas, top):
        grid: Any = top.subplots(len(figure.panels), 1, squeeze=False, height_ratios=rows)
        for (axes,), panel, title in zip(grid, figure.panels, titles):
            _panel(axes, panel, figure.span, page)
            axes.set_title(style.literal("\n".join(title)), fontweight="bold")
            axes.set_ylabel(style.literal(figure.y_label))
        grid[-1][0].set_xlabel(style.literal(figure.x_label))
    return canvas


def _panel(axes: Axes, panel: HeatPanel, span: float, page: Page) -> None:
    rows, columns = panel.values.shape
    scale = mpl.colormaps[COLOURS]
    logs = np.log(panel.values)
    # A mesh stays a drawing in SVG, where an image would become pixels.
    axes.pcolormesh(
        np.ma.masked_invalid(logs), cmap=scale, vmin=-span, vmax=span,
        edgecolors=style.PAPER, linewidth=1.5,
    )  # fmt: skip
    texts = panel.texts or tuple(tuple(_shown(log) for log in row) for row in logs)
    widest = max(width_of(text, 1.0) for row in texts for text in row)
    # Numbers that don't fit get smaller.
    room = _width(panel, page) / columns
    size = min(page.text, max(4.0, 0.92 * room / max(widest, 1e-9)))
    for row in range(rows):
        for column in range(columns):
            log = float(logs[row, column])
            if math.isfinite(log):
                axes.text(
                    column + 0.5, row + 0.5, style.literal(texts[row][column]), ha="center", va="center",
                    fontsize=size, color=_ink(scale, (log / span + 1) / 2),
                )  # fmt: skip
    short = [style.short(name, LONGEST_NAME) for name in panel.columns]
    slanted = max(width_of(name, page.text) for name in short) > 0.95 * room
    names = [style.literal(name) for name in short]
    axes.set_xticks(
        np.arange(columns) + 0.5, names,
        rotation=30 if slanted else 0, ha="right" if slanted else "center",
    )  # fmt: skip
    axes.set_yticks(
        np.arange(rows) + 0.5, [style.literal(style.short(n, LONGEST_NAME)) for n in panel.rows]
    )
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _width(panel: HeatPanel, page: Page) -> float:
    """Of the map in inches: beside it stand the names of its rows."""
    names = max(width_of(style.short(name, LONGEST_NAME), page.text) for name in panel.rows)
    return page.width - names - 0.6 * page.scale


def _title(panel: HeatPanel, page: Page) -> list[str]:
    return wrapped(panel.title, _width(panel, page), page.panel_title, bold=True, most=2)


def _shown(log: float) -> str:
    return f"{math.exp(log):.2f}" if math.isfinite(log) else ""


def _ink(scale: Colormap, place: float) -> str:
    """Dark on light cells, light on dark ones."""
    red, green, blue, _ = scale(place)
    return style.INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else style.PAPER
