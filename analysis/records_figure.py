"""The figure of training throughput against items per record, beside what FLOPs allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scaling.analysis.figure import Figure, Layer, Panel
from scaling.units import counted

PAPER = "m / (1 + m / n)"


def records_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Speed-up over single items: points measured, lines what the models' own FLOPs allow.

    Args:
        rows: of `climber bench turbo`, with `architecture`, `blocks`, `depth`, `items`, `ratio`,
            `line`, `line_paper`; at least one.
    """
    depths = sorted({row["depth"] for row in rows})
    keys = tuple(counted(depth, "layer") for depth in depths)
    panels = []
    for title in dict.fromkeys(map(_title, rows)):
        mine = [row for row in rows if _title(row) == title]
        layers = [_layer("line", PAPER, mine[: len({r["items"] for r in mine})], "line_paper")]
        for depth, key in zip(depths, keys):
            of_depth = [row for row in mine if row["depth"] == depth]
            if of_depth:
                layers.append(_layer("curve", key, of_depth, "line"))
                layers.append(_layer("frontier", key, of_depth, "ratio"))
        panels.append(Panel(title, tuple(layers)))
    first = rows[0]
    return Figure(
        name="training_records",
        title="Training: requests as one record over single items",
        x_label="items per record",
        y_label="examples/s, over those of single items",
        panels=tuple(panels),
        keys=(*keys, PAPER),
        labels=(*(f"{key}: m (r + c) / (r + m c)" for key in keys), f"the paper's {PAPER}"),
        ordered=False,
        frontier="measured (median)",
        ticks=tuple(float(items) for items in sorted({row["items"] for row in rows})),
        notes=(
            f"Width {first['width']}, {first['seq_len']} events. r: FLOPs of a history, c: of a "
            "candidate, m: items per record.",
        ),
    )


def _title(row: Mapping[str, Any]) -> str:
    name = str(row["architecture"])
    return f"{name}, {row['blocks']} blocks" if row["blocks"] > 1 else name


def _layer(kind: Any, key: str, rows: Sequence[Mapping[str, Any]], column: str) -> Layer:
    ranked = sorted(rows, key=lambda row: row["items"])
    x = np.array([float(row["items"]) for row in ranked])
    return Layer(kind, key, x, np.array([float(row[column]) for row in ranked]))
