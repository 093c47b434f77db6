"""A canvas with a title at the head and notes at the foot, for figures without a legend."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.figure import SubFigure

from scaling.analysis import style

WIDTH, LINE = 7.6, 0.18
"""Inches: of the figure, of a line of notes."""


@contextmanager
def framed(
    title: str, notes: Sequence[str], above: float, *, grid: bool = True
) -> Iterator[tuple[Canvas, SubFigure]]:
    """The canvas, and the place between title and notes; laid out once at the end.

    Args:
        above: height of that place in inches.
        grid: whether the axes have lines.
    """
    lines = [
        line for note in notes for line in textwrap.wrap(style.short(note, 900), int(WIDTH / 0.061))
    ]
    below = LINE * len(lines) + 0.15
    with mpl.rc_context({**style.STYLE, "axes.grid": grid}):
        canvas = Canvas(figsize=(WIDTH, above + below), layout="constrained")
        FigureCanvasAgg(canvas)
        parts: Any = canvas.subfigures(2, 1, height_ratios=[above, below])
        top, bottom = parts
        top.suptitle(
            style.literal(style.short(title, 90)), x=0.01, ha="left", fontsize=12, fontweight="bold"
        )
        bottom.text(
            0.01, 0.97, style.literal("\n".join(lines)), va="top", ha="left", fontsize=8,
            color=style.MUTED, linespacing=1.4,
        )  # fmt: skip
        yield canvas, top
        canvas.draw_without_rendering()
        canvas.set_layout_engine("none")
