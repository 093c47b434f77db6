"""The legend of a figure: what colours and marks mean, and its notes, below the axes."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from scaling.analysis import style
from scaling.analysis.figure import Figure, Kind
from scaling.analysis.framed import line_height, noted, write_notes
from scaling.analysis.page import Page
from scaling.analysis.text import width_of, wrapped

PAD = 0.12
"""Inches between blocks."""
HANDLE, GAP = 2.8, 1.6
"""Of a mark with the space behind it, and between columns, in sizes of the text."""
LINE, APART = 1.2, 0.4
"""Of a line of a label, and between labels, in sizes of the text."""
LONGEST = 3
"""Lines of a label."""
MOST_STEPS, NAMED_STEPS = 24, 12
"""Steps of a quantity that are all named; of more, so many are."""
MARKED: frozenset[Kind] = frozenset({"seeds", "configurations", "frontier"})


@dataclass(frozen=True)
class Block:
    """Entries in columns."""

    handles: list[Artist]
    labels: list[list[str]]
    """Lines of each."""
    columns: int

    def height(self, page: Page) -> float:
        """In inches. Columns are filled one after the other, the first ones with one more."""
        whole, more = divmod(len(self.labels), self.columns)
        tallest, begin = 0.0, 0
        for column in range(self.columns):
            end = begin + whole + (column < more)
            lines = [LINE * len(label) + APART for label in self.labels[begin:end]]
            tallest, begin = max(tallest, sum(lines)), end
        return tallest * page.text / 72.0


@dataclass(frozen=True)
class Legend:
    """What stands below the axes, with its height in inches."""

    blocks: list[Block]
    notes: list[str]
    height: float
    page: Page

    def place(self, below: SubFigure) -> None:
        """Draw it, from the top down."""
        top = 1.0 - 0.4 * PAD / self.height
        for block in self.blocks:
            labels = [style.literal("\n".join(lines)) for lines in block.labels]
            drawn = below.legend(
                block.handles, labels, loc="upper left", bbox_to_anchor=(0.01, top),
                ncols=block.columns, borderaxespad=0, borderpad=0, labelspacing=APART,
                columnspacing=GAP, handlelength=2.0, handletextpad=0.8,
            )  # fmt: skip
            drawn.set_in_layout(False)
            top -= (block.height(self.page) + 0.5 * PAD) / self.height
        if self.notes:
            write_notes(below, self.notes, top, self.page)


def legend_of(figure: Figure, width: float, page: Page) -> Legend:
    """The legend of a figure that is `width` inches wide."""
    colours, markers = style.colours(figure.series, figure.ordered), style.markers(figure.series)
    kinds = {layer.kind for panel in figure.panels for layer in panel.layers}
    marked, dashes = marked_keys(figure), dashes_of(figure)
    keys: list[Artist] = [
        Line2D(
            [], [], color=colours[key], marker=markers[key] if key in marked else "",
            markersize=6 * page.scale, linewidth=1.6 * page.scale, linestyle=dashes[key],
        )
        for key in figure.keys
    ]  # fmt: skip
    shown = named_keys(figure)
    meaning = [(text, _handle(kind, page.scale)) for kind, text in meanings(figure, kinds)]
    blocks = [
        _block([keys[i] for i in shown], [figure.labels[i] for i in shown], width, page),
        _block([handle for _, handle in meaning], [label for label, _ in meaning], width, page),
    ]
    blocks = [block for block in blocks if block.labels]
    left_out = len(figure.keys) - len(shown)
    told = (f"{left_out} steps between those of the legend are not named",) if left_out else ()
    notes = noted((*told, *figure.notes), page, width)
    height = sum(block.height(page) for block in blocks) + line_height(page) * len(notes)
    return Legend(blocks, notes, height + PAD * 2.5, page)


def marked_keys(figure: Figure) -> set[str]:
    """The keys whose marks tell them apart; those of the others need dashes."""
    layers = [layer for panel in figure.panels for layer in panel.layers]
    return {layer.key for layer in layers if layer.kind in MARKED}


def dashes_of(figure: Figure) -> dict[str, Any]:
    """A line style per key."""
    marked = marked_keys(figure)
    found = style.dashes(figure.series, figure.ordered)
    return {key: "solid" if key in marked else dash for key, dash in found.items()}


def named_keys(figure: Figure) -> list[int]:
    """Places of the keys that are named: all, or of many steps of one quantity some, evenly, with
    both ends."""
    count = len(figure.keys)
    if not figure.ordered or count <= MOST_STEPS:
        return list(range(count))
    return [round(i * (count - 1) / (NAMED_STEPS - 1)) for i in range(NAMED_STEPS)]


def meanings(figure: Figure, kinds: Set[Kind]) -> list[tuple[Kind, str]]:
    """What the marks of those kinds are, in words, where the reader must be told."""
    texts: dict[Kind, str] = {
        "seeds": "run (one seed)",
        "configurations": "configuration (mean over seeds)",
        "frontier": figure.frontier,
        "reference": "reference (counted, not trained)",
        "band": "interval of the fit",
        "interval": "interval",
        "beyond": "extrapolated",
        "trail": "course of a run",
    }
    texts |= dict(figure.meanings)
    return [(kind, text) for kind, text in texts.items() if kind in kinds]


def _handle(kind: Kind, scale: float) -> Artist:
    if kind == "band":
        return Patch(facecolor=style.MUTED, alpha=0.25)
    forms: dict[Kind, dict[str, Any]] = {
        "seeds": {"marker": ".", "markersize": 4 * scale, "linestyle": "", "alpha": 0.6},
        "configurations": {
            "marker": "o", "markersize": 5 * scale, "linestyle": "", "fillstyle": "none",
        },
        "frontier": {"marker": "o", "markersize": 6 * scale, "linestyle": ""},
        "reference": {"linestyle": (0, (1, 2)), "linewidth": 1.1 * scale},
        "interval": {"marker": "|", "markersize": 9 * scale, "linestyle": ""},
        "beyond": {"linestyle": style.BEYOND},
        "trail": {"linewidth": 0.7 * scale, "alpha": 0.6},
        "curve": {"linewidth": 1.8 * scale},
    }  # fmt: skip
    return Line2D([], [], color=style.MUTED, **forms.get(kind, {}))


def _block(handles: list[Artist], labels: list[str], width: float, page: Page) -> Block:
    """As many columns as the widest label leaves room for."""
    em = page.text / 72.0
    room = 0.98 * width - HANDLE * em
    lines = [wrapped(label, room, page.text, most=LONGEST) for label in labels]
    widest = max((width_of(line, page.text) for label in lines for line in label), default=1.0)
    columns = max(1, int((0.98 * width + GAP * em) / (widest + (HANDLE + GAP) * em)))
    return Block(handles, lines, min(columns, max(len(labels), 1)))
