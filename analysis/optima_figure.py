"""The figures of optima: the best size, data, length, depth, ... of each budget against compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.analysis.figure import Figure, Layer, Panel, Skipped
from scaling.analysis.isoflop_budgets import Budget
from scaling.analysis.isoflop_result import Isoflop, IsoflopGroup
from scaling.analysis.law import Array
from scaling.analysis.optimum import Exponent
from scaling.analysis.result import Interval

WORDS = {
    "params": ("parameters", "dense parameters"),
    "examples": ("examples", "examples seen in training"),
    "seq_len": ("sequence length", "sequence length (events read)"),
    "depth": ("depth", "depth (layers)"),
    "blocks": ("number of blocks", "blocks"),
    "width": ("width", "width"),
    "flops_per_request": ("FLOPs per request", "forward FLOPs per request"),
}
"""Of each axis: in a title, and beside an axis."""
REACH = 3.0
"""How far beyond the largest budget the line is drawn, as `beyond`."""


@dataclass(frozen=True)
class _Best:
    compute: float
    value: float
    interval: Interval


def optima_vs_compute(found: Isoflop) -> list[Figure | Skipped]:
    """A figure per axis that the table varies: the best value of each budget, with its interval,
    and the power law through them."""
    axes = dict.fromkeys(axis for group in found.groups.values() for axis in group.exponents)
    order = [axis for axis in WORDS if axis in axes]
    return [_figure(axis, found) for axis in order]


def _figure(axis: str, found: Isoflop) -> Figure | Skipped:
    name = f"optimal_{axis}"
    panels: list[Panel] = []
    notes: list[str] = []
    edges = 0
    for key, group in found.groups.items():
        best = _best(axis, group, found.size)
        told = {one.compute for one in best}
        layers: list[Layer] = []
        if axis != "examples":  # the best D follows from the best N: a run's own D is none
            layers += _edges(key, [b for b in group.budgets if b.compute not in told], axis, found)
        if best:
            layers += _marks(key, best, group.budgets, axis)
        edges += sum(_open(one.interval) for one in best)
        line = group.exponents.get(axis)
        if line is not None and line.line is not None:
            layers += _line(key, line)
            notes.append(f"{key}: best {WORDS[axis][0]} as C^{_number(line)}")
        elif line is not None and line.reason:
            notes.append(f"{key}: no line, {line.reason}")
        panels += [Panel(key, tuple(layers))] if layers else []
    kinds = {layer.kind for panel in panels for layer in panel.layers}
    if "frontier" not in kinds:
        return Skipped(name, _why(axis, found))
    keys = tuple(panel.title for panel in panels)
    if "configurations" in kinds:
        notes.append(
            "Open marks: the best configuration where the budget's sizes enclose no minimum, so "
            "that the best may lie beyond"
        )
    if edges:
        notes.append(f"Open intervals ({edges}) are drawn to the end of what was measured")
    return Figure(
        name=name, title=f"Best {WORDS[axis][0]} against training compute",
        x_label="training compute (FLOPs)", y_label=f"best {WORDS[axis][1]}",
        panels=tuple(panels), keys=keys, labels=keys, ordered=False,
        frontier=f"minimum of a budget's valley ({found.method})", notes=tuple(notes),
        meanings=(
            ("configurations", "best configuration, no minimum"),
            ("interval", f"{found.level:.0%} interval of the minimum"),
            ("band", f"{found.level:.0%} interval of the line"),
        ),
    )  # fmt: skip


def _best(axis: str, group: IsoflopGroup, size: str) -> list[_Best]:
    if axis in group.axes:
        return [_Best(one.compute, one.value, one.interval) for one in group.axes[axis].minima]
    fields = {
        size: ("size", "size_interval"),
        "params": ("params", "params_interval"),
        "examples": ("examples", "examples_interval"),
    }
    if axis not in fields:
        return []
    value, interval = fields[axis]
    return [
        _Best(one.compute, getattr(one, value), getattr(one, interval))
        for one in group.minima
        if getattr(one, value) is not None
    ]


def _marks(key: str, best: list[_Best], budgets: Sequence[Budget], axis: str) -> list[Layer]:
    x, y = (np.array([getattr(one, name) for one in best]) for name in ("compute", "value"))
    layers = [Layer("frontier", key, x, y)]
    known = [one for one in best if not np.isnan(one.interval).any()]
    if known:
        measured = [_measured(budgets, axis) for _ in known]
        ends = np.array(
            [np.clip(one.interval, *ends) if _open(one.interval) else one.interval
             for one, ends in zip(known, measured)]
        )  # fmt: skip
        at = np.array([one.compute for one in known])
        layers.insert(0, Layer("interval", key, at, ends[:, 0], ends[:, 1]))
    return layers


def _measured(budgets: Sequence[Budget], axis: str) -> Interval:
    values = pd.concat([budget.table[axis] for budget in budgets])
    return float(values.min()), float(values.max())


def _open(interval: Interval) -> bool:
    return bool(np.isinf(interval).any())


def _edges(key: str, budgets: list[Budget], axis: str, found: Isoflop) -> list[Layer]:
    """The best configuration of each budget without a minimum, by what selects."""
    rows = []
    for budget in budgets:
        table = budget.table
        if axis not in table or not (pd.to_numeric(table[axis], errors="coerce") > 0).all():
            continue
        validation = f"validation_{found.target}"
        known = validation in table and bool(table[validation].notna().all())
        best = table.sort_values(validation if known else found.target).iloc[0]
        name = str(best["configuration"]) if "configuration" in table else ""
        rows.append((budget.compute, float(best[axis]), name))
    if not rows:
        return []
    x, y, names = zip(*rows)
    return [Layer("configurations", key, np.array(x), np.array(y), ids=names)]


def _line(key: str, found: Exponent) -> list[Layer]:
    low, high = found.compute
    layers = []
    for kind, x in (
        ("curve", np.geomspace(low, high, 20)),
        ("beyond", np.geomspace(high, REACH * high, 10)),
    ):
        values = np.array([found.at(float(c))[0] for c in x])
        layers.append(Layer("curve" if kind == "curve" else "beyond", key, x, values))
    x = np.geomspace(low, REACH * high, 40)
    band: Array = np.array([found.at(float(c))[1] for c in x])
    if np.isfinite(band).all():
        layers.append(Layer("band", key, x, band[:, 0], band[:, 1]))
    return layers


def _number(found: Exponent) -> str:
    low, high = found.interval
    return f"{found.value:.3g}" + ("" if np.isnan(low) else f" [{low:.3g}, {high:.3g}]")


def _why(axis: str, found: Isoflop) -> str:
    """The reasons that each group gives, of refusals the most frequent one."""
    out = []
    for key, group in found.groups.items():
        listed = [one.reason for one in (
            group.axes[axis].refused if axis in group.axes else group.refused
        )]  # fmt: skip
        most = max(dict.fromkeys(listed), key=listed.count) if listed else ""
        line = group.exponents.get(axis)
        out.append(f"{key}: {most or (line.reason if line else 'not varied')}")
    return "; ".join(dict.fromkeys(out))
