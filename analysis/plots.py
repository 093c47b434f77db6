"""Draw figures with matplotlib: PNG, SVG and PDF files, or SVG to stand in a page."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedFormatter, FixedLocator, NullFormatter

from scaling.analysis import style
from scaling.analysis.axes import Axis, axes_of
from scaling.analysis.bar_plot import draw_bars, draw_time_bars
from scaling.analysis.bars import Bars, Forest, TimeBars
from scaling.analysis.figure import Figure, Layer, Panel
from scaling.analysis.figures import Drawing
from scaling.analysis.forest_plot import draw_forest
from scaling.analysis.framed import entitle, lay_out, more_height
from scaling.analysis.heat_plot import draw_heat_map
from scaling.analysis.legend import MARKED, dashes_of, legend_of
from scaling.analysis.line_names import line_names
from scaling.analysis.mapper import Mapper
from scaling.analysis.page import SCREEN, Page, page_of
from scaling.analysis.temperatures import HeatMap
from scaling.analysis.text import width_of, wrapped
from scaling.analysis.ticks import freeze, thin

LINES: dict[str, Any] = {"floor": (0, (6, 3)), "reference": (0, (1, 2))}
"""Kinds of horizontal lines, with their dashes."""
FORMATS = ("png", "svg", "pdf")
SCREEN_DPI, DPI = 160, 300
"""Dots per inch of pixels: on a screen, and in print."""
SMALL = 0.85
"""Height of a row of narrow panels, of many, over that of a row of others."""
ROOM, LEAST = (400, 60), 0.4
"""So many marks of a panel are drawn at their full size, so many of its frontiers; and the least
share of that size."""
NAME_HEIGHT = 11.0
"""What a name needs above its line, in points."""
PLACES = 9
"""So many places along its line are tried for a name, both ends first."""


def write_plots(
    directory: Path,
    figures: Sequence[Drawing],
    *,
    formats: Sequence[str] = ("png", "svg"),
    column: str | None = None,
    mapper: Mapper = map,
) -> list[Path]:
    """Write every figure in every format, aside and then renamed.

    Args:
        directory: made if missing.
        figures: from `scaling.analysis.figures.figures`.
        formats: of `FORMATS`.
        column: `single` or `double` for a paper's column, 3.4 or 7 inches wide; None for a screen.
        mapper: draws the figures.

    Returns:
        the paths written.

    Raises:
        ValueError: an unknown format or column.
    """
    if unknown := [one for one in formats if one not in FORMATS]:
        raise ValueError(f"unknown format {unknown[0]!r}; valid: {', '.join(FORMATS)}")
    page = page_of(column)
    directory.mkdir(parents=True, exist_ok=True)
    dpi = DPI if column else SCREEN_DPI
    write = partial(_write, directory=directory, formats=formats, page=page, dpi=dpi)
    return [path for written in mapper(write, figures) for path in written]


def _write(
    figure: Drawing, directory: Path, formats: Sequence[str], page: Page, dpi: int
) -> list[Path]:
    canvas, paths = draw(figure, page), []
    for ending in formats:
        path = directory / f"{figure.name}.{ending}"
        aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            aside.write_bytes(_saved(canvas, ending, style.PAPER, dpi))
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        paths.append(path)
    return paths


def svg(figure: Drawing) -> str:
    """The figure as an SVG document with a transparent background."""
    return _saved(draw(figure), "svg", "none", SCREEN_DPI).decode()


def draw(figure: Drawing, page: Page = SCREEN) -> Canvas:
    """The figure on a canvas of its own: no pyplot, so neither state nor a display is needed."""
    if isinstance(figure, HeatMap):
        return draw_heat_map(figure, page)
    if isinstance(figure, Bars):
        return draw_bars(figure, page)
    if isinstance(figure, TimeBars):
        return draw_time_bars(figure, page)
    if isinstance(figure, Forest):
        return draw_forest(figure, page)
    with mpl.rc_context(page.style()):
        columns = page.across(len(figure.panels))
        rows = -(-len(figure.panels) // columns)
        width = page.width if columns == 1 else page.wide
        legend = legend_of(figure, width, page)
        row = page.row * (SMALL if columns > page.columns else 1.0)
        above = page.alone if rows == 1 else row * rows
        above += more_height(figure.title, width, page)
        canvas = Canvas(figsize=(width, above + legend.height), layout="constrained")
        FigureCanvasAgg(canvas)
        # The legend has a place of its own below the axes, so it can't hide data.
        parts: Any = canvas.subfigures(2, 1, height_ratios=[above, legend.height])
        top, bottom = parts
        entitle(top, figure.title, width, page)
        grid = top.subplots(rows, columns, squeeze=False, sharey=True)
        places = [place for line in grid for place in line]
        # Labels are broken to what surely lies along their axis: ticks and titles take the rest.
        across = (width - 0.75 * page.scale) / columns - 0.1
        down = above / rows - 0.7 * page.scale
        size = mpl.rcParams["axes.labelsize"]
        for axes, panel in zip(places, figure.panels):
            _panel(axes, panel, figure, across, page)
            axes.set_xlabel(style.literal("\n".join(wrapped(figure.x_label, across, size, most=2))))
        for line in grid:
            line[0].set_ylabel(
                style.literal("\n".join(wrapped(figure.y_label, down, size, most=2)))
            )
        for axes in places[len(figure.panels) :]:
            axes.set_visible(False)
        _limits(places, figure)
        legend.place(bottom)
        with warnings.catch_warnings():
            _expect_missing_glyphs()
            lay_out(canvas)
        for axes, panel in zip(places, figure.panels):
            freeze(axes.yaxis)
            thin(axes, page)
            _name_lines(axes, panel, page)
    return canvas


def _panel(axes: Axes, panel: Panel, figure: Figure, width: float, page: Page) -> None:
    colours = style.colours(figure.series, figure.ordered)
    markers = style.markers(figure.series)
    dashes = dashes_of(figure)
    if panel.title:
        size = float(mpl.rcParams["axes.titlesize"])
        title = "\n".join(wrapped(panel.title, width, size, bold=True, most=2))
        axes.set_title(style.literal(title), fontweight="bold")
    sizes = {kind: page.scale * _crowded(figure, kind) for kind in MARKED}
    for layer in panel.layers:
        look = colours.get(layer.key, style.MUTED), markers.get(layer.key, "o")
        size = sizes.get(layer.kind, page.scale)
        _layer(axes, layer, *look, dashes.get(layer.key, "solid"), size)


def _crowded(figure: Figure, kind: str) -> float:
    """How much smaller marks of a kind are, for the panel that holds the most."""
    counts = [
        sum(layer.x.size for layer in panel.layers if layer.kind == kind) for panel in figure.panels
    ]
    most = ROOM[1] if kind == "frontier" else ROOM[0]
    return float(np.clip((most / max(*counts, 1)) ** 0.5, LEAST, 1.0))


def _layer(axes: Axes, layer: Layer, colour: str, marker: str, dashes: Any, scale: float) -> None:
    x, y = layer.x, layer.y
    area = scale**2
    if layer.kind == "seeds":
        axes.scatter(
            x, y, s=9 * area, marker=".", color=colour, alpha=0.5, linewidths=0.6, zorder=3.5
        )
    elif layer.kind == "configurations":
        axes.scatter(
            x, y, s=26 * area, marker=marker, facecolors="none", edgecolors=colour,
            linewidths=0.9 * scale, alpha=0.75, zorder=3,
        )  # fmt: skip
    elif layer.kind == "frontier":
        axes.scatter(
            x, y, s=44 * area, marker=marker, color=colour, edgecolors=style.PAPER,
            linewidths=0.8 * scale, zorder=5,
        )  # fmt: skip
    elif layer.kind == "band":
        assert layer.upper is not None
        axes.fill_between(x, y, layer.upper, color=colour, alpha=0.15, linewidth=0, zorder=1)
    elif layer.kind == "interval":
        assert layer.upper is not None
        axes.vlines(x, y, layer.upper, color=colour, linewidth=1.1 * scale, zorder=2.5)
    elif layer.kind in LINES:
        axes.axhline(
            float(y[0]), color=style.MUTED, linestyle=LINES[layer.kind], linewidth=1.1 * scale,
            zorder=1,
        )  # fmt: skip
    else:
        line = style.BEYOND if layer.kind == "beyond" else dashes
        strong = {"curve": 1.8, "trail": 0.6}.get(layer.kind, 1.2) * scale
        faint, above = (0.4, 2.0) if layer.kind == "trail" else (1.0, 4.0)
        line = "solid" if layer.kind == "trail" else line
        axes.plot(x, y, color=colour, linestyle=line, linewidth=strong, alpha=faint, zorder=above)


def _name_lines(axes: Axes, panel: Panel, page: Page) -> None:
    """Names above the horizontal lines, where the fewest marks are in the way. Lines too close for
    a name each share a row of names."""
    apart, size = NAME_HEIGHT * page.scale, page.notes + 0.5
    for value, text in line_names(panel, lambda value: _points(axes, value), apart):
        share = width_of(text, size) * axes.figure.dpi / axes.bbox.width
        first, *inner, last = np.linspace(0.005, max(0.995 - share, 0.005), PLACES)
        met = {
            begin: _in_the_way(axes, panel, value, (begin, begin + share))
            for begin in (first, last, *inner)
        }
        # Below the marks: a name may be crossed by a curve, but hides none.
        axes.annotate(
            style.literal(text), (min(met, key=lambda begin: met[begin]), value),
            xycoords=("axes fraction", "data"), xytext=(0, 3.5), textcoords="offset points",
            color=style.MUTED, fontsize=size, zorder=1.5,
        ).set_in_layout(False)  # fmt: skip


def _in_the_way(axes: Axes, panel: Panel, value: float, reach: tuple[float, float]) -> int:
    """How much of the marks lies where a name above `value` would stand, in that part of the
    width."""
    low = _points(axes, value) - 3
    beside = 4 * axes.figure.dpi / 72 / axes.bbox.width  # half a mark
    met = 0
    for layer in panel.layers:
        if layer.x.size == 0 or layer.kind == "band":
            continue
        places = axes.transData.transform(np.column_stack([layer.x, layer.y]))
        if layer.kind in ("line", "curve", "beyond"):  # between its points there is a line, too
            steps = np.linspace(places[0, 0], places[-1, 0], 100)
            places = np.column_stack([steps, np.interp(steps, places[:, 0], places[:, 1])])
        across = axes.transAxes.inverted().transform(places)[:, 0]
        heights = places[:, 1] * 72 / axes.figure.dpi
        inside = (across >= reach[0] - beside) & (across <= reach[1] + beside)
        met += int((inside & (heights > low) & (heights < low + NAME_HEIGHT + 6)).sum())
    return met


def _points(axes: Axes, value: float) -> float:
    """Height of a value on the page, in points."""
    return float(axes.transData.transform((1.0, value))[1]) * 72 / axes.figure.dpi


def _limits(places: Sequence[Axes], figure: Figure) -> None:
    """The same part of every panel."""
    x, y = axes_of(figure)
    for axes in places[: len(figure.panels)]:
        for one, name, direction in ((x, "x", axes.xaxis), (y, "y", axes.yaxis)):
            axes.set(**{f"{name}scale": "log" if one.log else "linear"})
            axes.set(**{f"{name}lim": (one.low, one.high)})
            if one.ticks is not None:
                _ticks(direction, one)


def _ticks(direction: Any, axis: Axis) -> None:
    direction.set_major_locator(FixedLocator(list(axis.ticks or ())))
    direction.set_major_formatter(FixedFormatter(list(axis.labels)))
    direction.set_minor_locator(FixedLocator(list(axis.minor)))
    direction.set_minor_formatter(NullFormatter())


def _saved(canvas: Canvas, ending: str, paper: str, dpi: int) -> bytes:
    out = io.BytesIO()
    # No time of day: the same figure is the same file.
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(ending)
    with mpl.rc_context(style.STYLE), warnings.catch_warnings():
        _expect_missing_glyphs()
        canvas.savefig(out, format=ending, dpi=dpi, facecolor=paper, metadata=metadata)
    return out.getvalue()


def _expect_missing_glyphs() -> None:
    """A name in a script that the font lacks is drawn as boxes; no reason to fail."""
    warnings.filterwarnings("ignore", message="Glyph .* missing from")
