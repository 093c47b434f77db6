"""A canvas with a title at the head and notes at the foot, for figures without a legend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.figure import SubFigure

from scaling.analysis import style
from scaling.analysis.page import Page
from scaling.analysis.text import wrapped

LONGEST_TITLE, LONGEST_NOTE = 3, 12
"""Lines; a name in them may be a megabyte long."""


@contextmanager
def framed(
    title: str, notes: Sequence[str], above: float, page: Page, *, grid: bool = True
) -> Iterator[tuple[Canvas, SubFigure]]:
    """The canvas, and the place between title and notes; laid out once at the end.

    Args:
        above: height of that place in inches, with one line of title.
        page: how wide it is.
        grid: whether the axes have lines.
    """
    lines = noted(notes, page)
    below = line_height(page) * len(lines) + 0.15
    with mpl.rc_context(page.style(grid=grid)):
        above += more_height(title, page.width, page)
        canvas = Canvas(figsize=(page.width, above + below), layout="constrained")
        FigureCanvasAgg(canvas)
        parts: Any = canvas.subfigures(2, 1, height_ratios=[above, below])
        top, bottom = parts
        entitle(top, title, page.width, page)
        write_notes(bottom, lines, 0.97, page)
        yield canvas, top
        lay_out(canvas)


def lay_out(canvas: Canvas) -> None:
    """Gives everything its place, once: not again for every file, and without drawing it for that."""
    engine = canvas.get_layout_engine()
    if engine is not None:
        engine.execute(canvas)
        canvas.set_layout_engine(None)


def entitle(top: SubFigure, title: str, width: float, page: Page) -> None:
    """The title, broken into as many lines as it needs."""
    text = "\n".join(_title(title, width, page))
    top.suptitle(style.literal(text), x=0.01, ha="left", fontsize=page.title, fontweight="bold")


def more_height(title: str, width: float, page: Page) -> float:
    """Inches that a title's further lines take."""
    return (len(_title(title, width, page)) - 1) * 1.2 * page.title / 72.0


def noted(notes: Sequence[str], page: Page, width: float | None = None) -> list[str]:
    """Notes as lines that fit into `width` inches, by default the page's."""
    room = 0.98 * (width or page.width)
    return [line for note in notes for line in wrapped(note, room, page.notes, most=LONGEST_NOTE)]


def write_notes(bottom: SubFigure, lines: Sequence[str], top: float, page: Page) -> None:
    """The lines, from `top` (a share of the height) down."""
    bottom.text(
        0.01, top, style.literal("\n".join(lines)), va="top", ha="left", fontsize=page.notes,
        color=style.MUTED, linespacing=1.4,
    )  # fmt: skip


def line_height(page: Page) -> float:
    """Inches of a line of notes."""
    return 1.6 * page.notes / 72.0


def _title(title: str, width: float, page: Page) -> list[str]:
    return wrapped(title, 0.97 * width, page.title, bold=True, most=LONGEST_TITLE)
