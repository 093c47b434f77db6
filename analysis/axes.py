"""Ranges and ticks of a figure's axes, as plain data: any renderer shows the same part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scaling.analysis import style
from scaling.analysis.figure import Figure

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


def axes_of(figure: Figure) -> tuple[Axis, Axis]:
    """x and y, holding every mark; a band may leave the picture, by far where an offset is free."""
    layers = [layer for panel in figure.panels for layer in panel.layers]
    marks = [layer for layer in layers if layer.kind != "band"]
    low, high = min(float(m.y.min()) for m in marks), max(float(m.y.max()) for m in marks)
    span = max(high - low, 1e-3 * max(abs(high), abs(low)))
    for layer in (one for one in layers if one.upper is not None):
        assert layer.upper is not None
        beyond = 0.25 * span if layer.kind == "band" else float("inf")
        low = min(low, max(float(layer.y.min()), low - beyond))
        high = max(high, min(float(layer.upper.max()), high + beyond))
    if low > 0 and high > LOG_FROM * low:
        pad = (high / low) ** 0.06
        y = _log(low / pad, high * pad, style.value_label)
    else:
        y = Axis(False, low - 0.06 * span, high + 0.06 * span)
    left = min(float(m.x.min()) for m in marks if m.x.size)
    right = max(float(m.x.max()) for m in marks if m.x.size)
    margin = max((right / left) ** 0.05, 1.02)
    label = style.power_label if "FLOP" in figure.x_label else style.count_label
    x = _log(left / margin, right * margin, label)
    if figure.ticks:
        labels = tuple(label(tick) for tick in figure.ticks)
        x = Axis(True, x.low, x.high, figure.ticks, labels)
    return x, y


def _log(low: float, high: float, label: Callable[[float], str]) -> Axis:
    labelled, rest = style.log_ticks(low, high)
    return Axis(True, low, high, tuple(labelled), tuple(map(label, labelled)), tuple(rest))
