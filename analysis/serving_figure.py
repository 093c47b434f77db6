"""The figure of a request's latency against the length of its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scaling.analysis.figure import Figure, Layer, Panel

ARMS = {
    "cold p50": "cold_p50_ms",
    "cold p99": "cold_p99_ms",
    "cached p50": "cached_p50_ms",
    "cached p99": "cached_p99_ms",
}


def serving_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Latency, cold and from the cache, of the models that differ in their length alone.

    Args:
        rows: of `climber bench turbo --part serving`, key `latency`, with `architecture`, `depth`,
            `width`, `seq_len`, `candidates` and the arms' columns; at least one.
    """
    first = rows[0]
    same = [
        row
        for row in rows
        if all(row[name] == first[name] for name in ("depth", "width", "candidates"))
    ]
    panels = []
    for architecture in dict.fromkeys(str(row["architecture"]) for row in same):
        mine = sorted(
            (row for row in same if row["architecture"] == architecture),
            key=lambda row: int(row["seq_len"]),
        )
        x = np.array([float(row["seq_len"]) for row in mine])
        layers = tuple(
            Layer("curve", key, x, np.array([float(row[column]) for row in mine]))
            for key, column in ARMS.items()
        )
        panels.append(Panel(architecture, layers))
    return Figure(
        name="serving_latency",
        title="Serving: latency of one request",
        x_label="events of the history",
        y_label="latency (ms)",
        panels=tuple(panels),
        keys=tuple(ARMS),
        labels=tuple(ARMS),
        ordered=False,
        frontier="",
        ticks=tuple(float(length) for length in sorted({row["seq_len"] for row in same})),
        notes=(
            f"{first['candidates']} candidates, width {first['width']}, {first['depth']} layers, "
            "one thread. Cold: the history is encoded; cached: it was before.",
        ),
    )
