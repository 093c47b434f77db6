"""The figures of other costs than compute: loss against each, the frontier of each group marked."""

from __future__ import annotations

import pandas as pd

from scaling.analysis.cost import AXES_OF_COST, MACHINE, Cost
from scaling.analysis.figure import Figure, Kind, Layer, Panel, Skipped, label_of, title_of
from scaling.analysis.findings import Analysis
from scaling.analysis.frontier import LowerHull, frontier
from scaling.analysis.marks import finite, marks
from scaling.analysis.said import said_once

COLUMNS = ("examples", "train_seconds", "latency_ms", "latency_cached_ms")
"""Costs that the loss is drawn against where the run table has them."""
LATENCY = "latency_"
LOAD = ", 99th percentile at 100 candidates"
"""What latencies are measured at."""
BUSY = "latency_busy"
DISTURBED = 0.85
"""Share of its cores below which a measurement was disturbed by other work."""


def loss_vs_cost(analysis: Analysis, column: str) -> Figure | Skipped:
    """Runs and configurations, and what no other configuration of the group beats in both: the lower
    convex hull in (log cost, loss), chosen by the validation loss where there is one.

    Args:
        column: of `scaling.analysis.cost.AXES_OF_COST`.
    """
    name, target, cost = f"loss_vs_{column}", analysis.target, AXES_OF_COST[column]
    tables = {
        key: known
        for key, group in analysis.groups.items()
        if len(known := finite(group.configurations, column))
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
            ("seeds", finite(analysis.groups[key].runs, column), column),
            ("configurations", table, column),
            ("frontier", points, "compute"),
            ("line", points, "compute"),
        )
        layers += [marks(kind, key, rows, x, target) for kind, rows, x in drawn]
    runs = pd.concat([finite(group.runs, column) for group in analysis.groups.values()])
    told = _machine(runs, cost) if cost.by_machine else []
    left_out = [key for key in analysis.groups if key not in tables]
    return Figure(
        name=name, title=f"{title_of(target)} against {cost.words}",
        x_label=cost.label + LOAD * column.startswith(LATENCY), y_label=label_of(target),
        panels=(Panel("", tuple(layers)),), keys=tuple(tables), labels=tuple(tables),
        ordered=False, frontier=f"frontier in {cost.words}",
        notes=(*told, *said_once((key, "not in the table") for key in left_out)),
    )  # fmt: skip


def _machine(runs: pd.DataFrame, cost: Cost) -> list[str]:
    """On what it was measured, and what makes the numbers doubtful."""
    told, unlike = [], []
    for name in MACHINE:
        values = sorted(runs[name].dropna().map(str).unique()) if name in runs else []
        told.append(f"{name} {' and '.join(values) or 'not told'}")
        unlike += [name] if len(values) > 1 else []
    notes = [f"measured with {', '.join(told)}"]
    if unlike:
        notes.append(f"not comparable: {', '.join(unlike)} of the runs differ")
    if BUSY in runs and cost.column.startswith(LATENCY):
        busy = pd.to_numeric(runs[BUSY], errors="coerce").dropna()
        if disturbed := int((busy < DISTURBED).sum()):
            notes.append(
                f"{disturbed} of {len(busy)} measurements had less than {DISTURBED:.0%} of their "
                "cores: measure on an idle machine"
            )
    return notes
