"""The figures of measured latency: loss against it, the frontier of each group marked."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scaling.analysis.cost import COSTS, MACHINE
from scaling.analysis.figure import Figure, Kind, Layer, Panel, Skipped, label_of, title_of
from scaling.analysis.findings import Analysis
from scaling.analysis.frontier import LowerHull, frontier
from scaling.analysis.marks import marks

COLUMNS = ("latency_ms", "latency_cached_ms")
"""Costs that the loss is drawn against where the run table has them."""
BUSY = "latency_busy"
DISTURBED = 0.85
"""Share of its cores below which a measurement was disturbed by other work."""


def loss_vs_latency(analysis: Analysis, column: str) -> Figure | Skipped:
    """Runs and configurations, and what no other configuration of the group beats in both: the lower
    convex hull in (log latency, loss), chosen by the validation loss where there is one."""
    name, target, cost = f"loss_vs_{column}", analysis.target, COSTS[column]
    tables = {
        key: known
        for key, group in analysis.groups.items()
        if len(known := _measured(group.configurations, column))
    }
    if not tables:
        return Skipped(name, f"{cost.words}: not in the table")
    layers: list[Layer] = []
    for key, table in tables.items():
        front = frontier(
            table.assign(compute=table[column]), target=target, budgets=False, rule=LowerHull(),
            increasing=analysis.law.increasing,
        )  # fmt: skip
        points = front.points.sort_values("compute")
        drawn: tuple[tuple[Kind, pd.DataFrame, str], ...] = (
            ("seeds", _measured(analysis.groups[key].runs, column), column),
            ("configurations", table, column),
            ("frontier", points, "compute"),
            ("line", points, "compute"),
        )
        layers += [marks(kind, key, rows, x, target) for kind, rows, x in drawn]
    runs = pd.concat([_measured(group.runs, column) for group in analysis.groups.values()])
    left_out = [key for key in analysis.groups if key not in tables]
    return Figure(
        name=name, title=f"{title_of(target)} against {cost.words}",
        x_label=f"{cost.label}, 99th percentile at 100 candidates", y_label=label_of(target),
        panels=(Panel("", tuple(layers)),), keys=tuple(tables), labels=tuple(tables),
        ordered=False, frontier="frontier in latency",
        notes=(*_machine(runs), *(f"{key}: not measured" for key in left_out)),
    )  # fmt: skip


def _measured(table: pd.DataFrame, column: str) -> pd.DataFrame:
    if column not in table:
        return table.iloc[:0]
    values = pd.to_numeric(table[column], errors="coerce")
    known: pd.DataFrame = table[(values > 0) & np.isfinite(values)]
    return known


def _machine(runs: pd.DataFrame) -> list[str]:
    """On what it was measured, and what makes the numbers doubtful."""
    told, unlike = [], []
    for name in MACHINE:
        values = sorted(runs[name].dropna().map(str).unique()) if name in runs else []
        told.append(f"{name} {' and '.join(values) or 'not told'}")
        unlike += [name] if len(values) > 1 else []
    notes = [f"measured with {', '.join(told)}"]
    if unlike:
        notes.append(f"not comparable: {', '.join(unlike)} of the runs differ")
    if BUSY in runs:
        busy = pd.to_numeric(runs[BUSY], errors="coerce").dropna()
        if disturbed := int((busy < DISTURBED).sum()):
            notes.append(
                f"{disturbed} of {len(busy)} measurements had less than {DISTURBED:.0%} of their "
                "cores: measure on an idle machine"
            )
    return notes
