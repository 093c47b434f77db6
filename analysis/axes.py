"""Ranges and ticks of a figure's axes, as plain data: any renderer shows the same part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from scaling.analysis import style
from scaling.analysis.figure import Figure, Layer
from scaling.analysis.law import Array

LOG_FROM = 2.5
"""The highest mark over the lowest from which the y axis is logarithmic: one diverged run would press
all others into a line."""


@dataclass(frozen=True)
class Axis:
    """One axis of all panels."""

    log: bool
    low: float
    high: float
    ticks: tuple[float, ...] | None = None
    """With a label each; None: whatever the renderer finds even."""
    labels: tuple[str, ...] = ()
    minor: tuple[float, ...] = ()
    """Ticks without labels."""

    def share(self, value: float) -> float:
        """Where a value stands, from 0 at the low end to 1 at the high one."""
        low, high = (log(end) if self.log else end for end in (self.low, self.high))
        return ((log(value) if self.log else value) - low) / (high - low)


def axes_of(figure: Figure) -> tuple[Axis, Axis]:
    """x and y, holding every mark; a band may leave the picture, by far where an offset is free."""
    layers = [layer for panel in figure.panels for layer in panel.layers if layer.y.size]
    bands = [layer for layer in layers if layer.kind == "band"]
    marks = [layer for layer in layers if layer.kind != "band"]
    edges = [
        layer.upper for layer in layers if layer.kind == "interval" and layer.upper is not None
    ]
    y = _upright(np.concatenate([*edges, *(layer.y for layer in marks)]), bands)
    left = min(float(m.x.min()) for m in marks if m.x.size)
    right = max(float(m.x.max()) for m in marks if m.x.size)
    # A single place amid its decade, where round numbers are near.
    margin = max((right / left) ** 0.05, 1.02) if right > 1.05 * left else 2.0
    label = style.power_label if "FLOP" in figure.x_label else style.count_label
    x = _log(left / margin, right * margin, label)
    if figure.ticks:
        exact = style.exact_label if label is style.count_label else label
        labels = tuple(exact(tick) for tick in figure.ticks)
        x = Axis(True, x.low, x.high, figure.ticks, labels)
    return x, y


def _upright(values: Array, bands: Sequence[Layer]) -> Axis:
    """The y axis: all of `values`, and of bands what lies within a quarter of these either way."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    span = max(high - low, 1e-3 * max(abs(high), abs(low))) or 1.0
    log = low > 0 and high > LOG_FROM * low
    wide = (low * (low / high) ** 0.25, high * (high / low) ** 0.25) if log else (
        low - 0.25 * span, high + 0.25 * span
    )  # fmt: skip
    edges = [edge for band in bands for edge in (band.y, band.upper) if edge is not None]
    reach = np.clip(np.concatenate([values, *edges]), *wide)
    low, high = float(np.nanmin(reach)), float(np.nanmax(reach))
    if not log:
        return Axis(False, low - 0.06 * span, high + 0.06 * span)
    pad = (high / low) ** 0.06
    return _log(low / pad, high * pad, style.value_label)


def _log(low: float, high: float, label: Callable[[float], str]) -> Axis:
    labelled, rest = style.log_ticks(low, high)
    return Axis(True, low, high, tuple(labelled), tuple(map(label, labelled)), tuple(rest))
