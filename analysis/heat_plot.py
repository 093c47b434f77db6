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
from scaling.analysis.temperatures import HeatMap, HeatPanel

CELL, MARGIN = 0.36, 1.05
"""Inches: of a row, of a panel's title and labels."""
LONGEST_NAME = 22
COLOURS = "PuOr_r"
"""Told apart by the colour-blind, its middle nearly white."""


def draw_heat_map(figure: HeatMap) -> Canvas:
    """The maps below each other, on one scale of colours, with the notes at the foot."""
    rows = [len(panel.rows) for panel in figure.panels]
    above = CELL * sum(rows) + MARGIN * len(rows) + 0.35
    with framed(figure.title, figure.notes, above, grid=False) as (canvas, top):
        grid: Any = top.subplots(len(figure.panels), 1, squeeze=False, height_ratios=rows)
        for (axes,), panel in zip(grid, figure.panels):
            _panel(axes, panel, figure.span)
            axes.set_ylabel(style.literal(figure.y_label))
        grid[-1][0].set_xlabel(style.literal(figure.x_label))
    return canvas


def _panel(axes: Axes, panel: HeatPanel, span: float) -> None:
    rows, columns = panel.values.shape
    scale = mpl.colormaps[COLOURS]
    logs = np.log(panel.values)
    axes.set_title(style.literal(style.short(panel.title, 60)), fontweight="bold")
    # A mesh stays a drawing in SVG, where an image would become pixels.
    axes.pcolormesh(
        np.ma.masked_invalid(logs), cmap=scale, vmin=-span, vmax=span,
        edgecolors=style.PAPER, linewidth=1.5,
    )  # fmt: skip
    size = 9.0 if columns <= 8 else max(5.0, 105.0 / columns)
    for row in range(rows):
        for column in range(columns):
            log = float(logs[row, column])
            if math.isfinite(log):
                text = panel.texts[row][column] if panel.texts else f"{math.exp(log):.2f}"
                axes.text(
                    column + 0.5, row + 0.5, style.literal(text), ha="center", va="center",
                    fontsize=size, color=_ink(scale, (log / span + 1) / 2),
                )  # fmt: skip
    slanted = sum(len(name) for name in panel.columns) > 70
    names = [style.literal(style.short(name, LONGEST_NAME)) for name in panel.columns]
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


def _ink(scale: Colormap, place: float) -> str:
    """Dark on light cells, light on dark ones."""
    red, green, blue, _ = scale(place)
    return style.INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else style.PAPER
