"""The legend of a figure: what colours and marks mean, and its notes, below the axes."""

from __future__ import annotations

import textwrap
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from scaling.analysis import style
from scaling.analysis.figure import Figure, Kind

ROW, LINE, PAD = 0.185, 0.165, 0.12
"""Heights of a legend row, a line of notes and the gaps, in inches."""
CHARACTER = 0.075
"""Width of a character of the legend, in inches: measured on 9-point DejaVu Sans, rounded up."""


@dataclass(frozen=True)
class Block:
    """Entries in columns."""

    handles: list[Artist]
    labels: list[str]
    columns: int

    @property
    def rows(self) -> int:
        return -(-len(self.labels) // self.columns)


@dataclass(frozen=True)
class Legend:
    """What stands below the axes, with its height in inches."""

    blocks: list[Block]
    notes: list[str]
    height: float

    def place(self, below: SubFigure) -> None:
        """Draw it, from the top down."""
        top = 1.0 - 0.4 * PAD / self.height
        for block in self.blocks:
            drawn = below.legend(
                block.handles, block.labels, loc="upper left", bbox_to_anchor=(0.01, top),
                ncols=block.columns, borderaxespad=0, borderpad=0, labelspacing=0.4,
                columnspacing=1.6,
            )  # fmt: skip
            drawn.set_in_layout(False)
            top -= (block.rows * ROW + 0.5 * PAD) / self.height
        if self.notes:
            text = style.literal("\n".join(self.notes))
            below.text(
                0.01, top, text, va="top", ha="left", fontsize=8, color=style.MUTED, linespacing=1.4
            )


def legend_of(figure: Figure, width: float) -> Legend:
    """The legend of a figure that is `width` inches wide."""
    colours, markers = style.colours(figure.keys, figure.ordered), style.markers(figure.keys)
    kinds = {layer.kind for panel in figure.panels for layer in panel.layers}
    marked = kinds & {"seeds", "configurations", "frontier"}
    keys: list[Artist] = [
        Line2D(
            [],
            [],
            color=colours[key],
            marker=markers[key] if marked else "",
            markersize=6,
            linewidth=1.6,
        )
        for key in figure.keys
    ]
    meaning = [(text, _handle(kind)) for kind, text in meanings(figure, kinds)]
    blocks = [
        _block(keys, list(figure.labels), width),
        _block([handle for _, handle in meaning], [label for label, _ in meaning], width),
    ]
    blocks = [block for block in blocks if block.labels]
    notes = [
        line for note in figure.notes for line in textwrap.wrap(note, int(width / 0.061)) or [""]
    ]
    rows = sum(block.rows for block in blocks)
    return Legend(blocks, notes, ROW * rows + LINE * len(notes) + PAD * 2.5)


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
    }
    texts |= dict(figure.meanings)
    return [(kind, text) for kind, text in texts.items() if kind in kinds]


def _handle(kind: Kind) -> Artist:
    if kind == "band":
        return Patch(facecolor=style.MUTED, alpha=0.25)
    forms: dict[Kind, dict[str, Any]] = {
        "seeds": {"marker": ".", "markersize": 4, "linestyle": "", "alpha": 0.6},
        "configurations": {
            "marker": "o", "markersize": 5, "linestyle": "", "fillstyle": "none",
        },
        "frontier": {"marker": "o", "markersize": 6, "linestyle": ""},
        "reference": {"linestyle": (0, (1, 2)), "linewidth": 1.1},
        "interval": {"marker": "|", "markersize": 9, "linestyle": ""},
        "beyond": {"linestyle": (0, (4, 2.5))},
    }  # fmt: skip
    return Line2D([], [], color=style.MUTED, **forms[kind])


def _block(handles: list[Artist], labels: list[str], width: float) -> Block:
    """As many columns as the longest label leaves room for."""
    longest = max((len(label) for label in labels), default=1)
    columns = max(1, int(width / (CHARACTER * longest + 0.55)))
    return Block(handles, [style.literal(label) for label in labels], min(columns, len(labels)))
