"""Draw a map of numbers around 1: colour by the logarithm, the number in every cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
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

CELL, MARGIN = 0.36, 0.62
"""Inches: of a row, of a panel's title and the names of its columns."""
LABEL = 0.43
"""Inches of what stands below the last."""
LINE, SLANT = 1.25, 30
"""Height of a line, in sizes of its text; degrees by which names are slanted."""
MANY = 2
"""From more panels than these on, some stand beside each other."""
LONGEST_NAME = 22
COLOURS = "PuOr_r"
"""Told apart by the colour-blind, its middle nearly white."""


def draw_heat_map(figure: HeatMap, page: Page) -> Canvas:
    """The maps on one scale of colours, with the notes at the foot: below each other, and of many
    some beside each other where the page is wide."""
    columns = page.columns if len(figure.panels) > MANY else 1
    places = range(0, len(figure.panels), columns)
    titles = [_title(panel, page, columns) for panel in figure.panels]
    # A row of maps is as high as its highest.
    rows = [max(len(panel.rows) for panel in figure.panels[i : i + columns]) for i in places]
    lines = [max(map(len, titles[i : i + columns])) - 1 for i in places]
    above = (CELL * sum(rows) + MARGIN * len(rows) + LABEL + 0.35) * page.scale
    above += sum(lines) * 1.25 * page.panel_title / 72
    below = [_below(panel, page, columns) for panel in figure.panels]
    above += sum(max(below[i : i + columns]) for i in places)
    with framed(figure.title, figure.notes, above, page, grid=False) as (canvas, top):
        grid: Any = top.subplots(len(rows), columns, squeeze=False, height_ratios=rows)
        for index, axes in enumerate(grid.flat):
            if index >= len(figure.panels):
                axes.set_visible(False)
                continue
            _panel(axes, figure.panels[index], figure.span, page, columns)
            axes.set_title(style.literal("\n".join(titles[index])), fontweight="bold")
            if index % columns == 0:
                axes.set_ylabel(style.literal(figure.y_label))
            if index + columns >= len(figure.panels):
                axes.set_xlabel(style.literal(figure.x_label))
    return canvas


def _panel(axes: Axes, panel: HeatPanel, span: float, page: Page, beside: int) -> None:
    rows, columns = panel.values.shape
    scale = mpl.colormaps[COLOURS]
    logs = np.log(panel.values)
    # A mesh stays a drawing in SVG, where an image would become pixels.
    axes.pcolormesh(
        np.ma.masked_invalid(logs), cmap=scale, vmin=-span, vmax=span,
        edgecolors=style.PAPER, linewidth=1.5,
    )  # fmt: skip
    texts = panel.texts or tuple(tuple(_shown(log) for log in row) for row in logs)
    size, broken, upright = _fitted(texts, _room(panel, page, beside), page)
    for row in range(rows):
        for column in range(columns):
            log = float(logs[row, column])
            if math.isfinite(log):
                text = texts[row][column].replace(" ", "\n" if broken else " ")
                axes.text(
                    column + 0.5, row + 0.5, style.literal(text), ha="center", va="center",
                    fontsize=size, rotation=90 if upright else 0, color=_ink(scale, (log / span + 1) / 2),
                )  # fmt: skip
    turned = _turned(panel, page, beside)
    axes.set_xticks(
        np.arange(columns) + 0.5, [style.literal(name) for name in _short(panel.columns)],
        rotation=turned, ha="right" if 0 < turned < 90 else "center",
    )  # fmt: skip
    axes.set_yticks(np.arange(rows) + 0.5, [style.literal(name) for name in _short(panel.rows)])
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _fitted(texts: Sequence[Sequence[str]], room: float, page: Page) -> tuple[float, bool, bool]:
    """The size at which the numbers fit into cells that are `room` wide, whether they are broken at
    their blanks, and whether they stand upright: as they are if they fit, else what is largest."""

    def size(broken: bool, upright: bool) -> float:
        parts = [text.split(" ") if broken else [text] for row in texts for text in row]
        widest = max((width_of(one, 1.0) for lines in parts for one in lines), default=0.0)
        tall = LINE / 72 * max((len(lines) for lines in parts), default=1)
        along, across = (CELL * page.scale, room) if upright else (room, CELL * page.scale)
        return min(page.text, max(4.0, 0.92 * min(along / max(widest, 1e-9), across / tall)))

    ways = ((False, False), (True, False), (False, True))
    best = max(ways, key=lambda way: size(*way))
    return size(*best), *best


def _room(panel: HeatPanel, page: Page, beside: int) -> float:
    """Width of a cell in inches."""
    return _width(panel, page, beside) / max(len(panel.columns), 1)


def _turned(panel: HeatPanel, page: Page, beside: int) -> int:
    """Degrees by which the names of columns are turned so that they lie apart."""
    room = _room(panel, page, beside)
    if max(width_of(name, page.text) for name in _short(panel.columns)) <= 0.95 * room:
        return 0
    return SLANT if room >= 2 * LINE * page.text / 72 else 90


def _below(panel: HeatPanel, page: Page, beside: int) -> float:
    """What turned names of columns take more than others, in inches."""
    widest = max(width_of(name, page.text) for name in _short(panel.columns))
    return widest * math.sin(math.radians(_turned(panel, page, beside)))


def _short(names: Sequence[str]) -> list[str]:
    return [style.short(name, LONGEST_NAME) for name in names]


def _width(panel: HeatPanel, page: Page, beside: int) -> float:
    """Of one of so many maps in inches: beside it stand the names of its rows."""
    names = max(width_of(name, page.text) for name in _short(panel.rows))
    return page.width / beside - names - 0.6 * page.scale


def _title(panel: HeatPanel, page: Page, beside: int) -> list[str]:
    return wrapped(panel.title, _width(panel, page, beside), page.panel_title, bold=True, most=2)


def _shown(log: float) -> str:
    return f"{math.exp(log):.2f}" if math.isfinite(log) else ""


def _ink(scale: Colormap, place: float) -> str:
    """Dark on light cells, light on dark ones."""
    red, green, blue, _ = scale(place)
    return style.INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else style.PAPER
