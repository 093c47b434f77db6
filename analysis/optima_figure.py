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
from scaling.analysis.law_line import law_line
from scaling.analysis.optimum import Exponent
from scaling.analysis.quantity import COMPUTE, QUANTITIES
from scaling.analysis.result import Interval
from scaling.analysis.said import said_once


@dataclass(frozen=True)
class _Best:
    compute: float
    value: float
    interval: Interval


def optima_vs_compute(found: Isoflop) -> list[Figure | Skipped]:
    """A figure per axis that the table varies: the best value of each budget, with its interval,
    and the power law through them."""
    axes = dict.fromkeys(axis for group in found.groups.values() for axis in group.exponents)
    return [_figure(axis, found) for axis in QUANTITIES if axis in axes]


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
            notes.append(f"{key}: best {QUANTITIES[axis].words} as C^{_number(line)}")
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
        name=name, title=f"Best {QUANTITIES[axis].words} against {COMPUTE.words}",
        x_label=COMPUTE.label, y_label=f"best {QUANTITIES[axis].label}",
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
        measured = _measured(budgets, axis)
        ends = np.array(
            [np.clip(i, *measured) if _open(i) else i for i in (one.interval for one in known)]
        )
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
    def band(x: Array) -> tuple[Array, Array]:
        lower, upper = np.array([found.at(float(c))[1] for c in x]).T
        return lower, upper

    return law_line(
        key, found.compute, lambda x: np.array([found.at(float(c))[0] for c in x]), band
    )


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
        out.append((key, most or (line.reason if line else "") or "not varied"))
    return "; ".join(said_once(out))
