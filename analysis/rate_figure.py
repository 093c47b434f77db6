"""The figure of a learning-rate sweep: loss against rate, a line per size, the minima marked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scaling.analysis.figure import Figure, Layer, Panel, Skipped, label_of, title_of
from scaling.analysis.findings import Analysis
from scaling.analysis.learning_rates import FEWEST, RateCurve, rate_curves, spread
from scaling.units import format_si

NAME = "loss_vs_lr"
_SHOWN = ("width", "depth", "blocks", "seq_len", "batch_size")
"""Axes that a curve is named by. A budget that follows from the size (equal data) would repeat it."""


def loss_vs_lr(analysis: Analysis) -> Figure | Skipped:
    """A panel per group, a curve per size; `Skipped` where no size was trained at enough rates."""
    target = analysis.target
    if analysis.law.increasing:
        return Skipped(NAME, f"rates are compared by a loss, not by {target}")
    curves = {
        name: rate_curves(group.runs, target=target)
        for name, group in analysis.groups.items()
        if "lr" in group.runs.columns
    }
    shown = {name: found for name, found in curves.items() if found}
    if not shown:
        return Skipped(NAME, f"no size was trained at {FEWEST} learning rates")
    telling = [
        axis
        for axis in _SHOWN
        # What is the same for all of a group's curves would only make the legend longer.
        if any(len({curve.size.get(axis) for curve in found}) > 1 for found in shown.values())
    ] or ["width"]
    panels, notes, labels = [], [], list[str]()
    for name, found in shown.items():
        layers: list[Layer] = []
        for curve in found:
            label = _label(curve, telling)
            labels += [label] if label not in labels else []
            layers += _layers(label, curve)
        panels.append(Panel(name, tuple(layers)))
        notes.append(_told(name, found))
    return Figure(
        name=NAME, title=f"{title_of(target)} against learning rate",
        x_label="learning rate of matrices with a fan-in of 64",
        y_label=label_of(target),
        panels=tuple(panels), keys=tuple(labels), labels=tuple(labels), ordered=True,
        frontier="minimum of the parabola", notes=tuple(notes),
    )  # fmt: skip


def _layers(label: str, curve: RateCurve) -> list[Layer]:
    near = curve.near()
    x = np.geomspace(near[0], near[-1], 40)
    layers = [
        Layer("configurations", label, curve.rates, curve.losses),
        Layer("line", label, x, curve.fitted(x)),
    ]
    if curve.best is not None:
        best = np.array([curve.best])
        layers.append(Layer("frontier", label, best, curve.fitted(best)))
    return layers


def _told(name: str, found: Sequence[RateCurve]) -> str:
    factor = spread(found)
    if factor is None:
        open_ = sum(curve.best is None for curve in found)
        return f"{name}: {open_} of {len(found)} sizes have no minimum inside the rates tried"
    best = [curve.best for curve in found if curve.best is not None]
    return (
        f"{name}: the best rate is {min(best):.2g} to {max(best):.2g}, a factor {factor:.2f} over "
        f"{len(found)} sizes"
    )


def _label(curve: RateCurve, axes: Sequence[str]) -> str:
    values = [(axis.replace("_", " "), curve.size.get(axis, float("nan"))) for axis in axes]
    return ", ".join(f"{axis} {format_si(value)}" for axis, value in values)
