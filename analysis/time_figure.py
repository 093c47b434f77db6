"""The figure of the plan's forecasts: measured time of every trial against the planned one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scaling.analysis.figure import Figure, Layer, Panel, Skipped
from scaling.analysis.findings import Analysis
from scaling.analysis.law import Array
from scaling.analysis.marks import finite, marks
from scaling.units import counted

NAME = "time_vs_plan"
PLANNED, MEASURED = "planned_seconds", "wall_seconds"


def time_vs_plan(analysis: Analysis) -> Figure | Skipped:
    """Every run whose time was forecast before it began, with the line on which forecasts hold."""
    tables = {
        key: known
        for key, group in analysis.groups.items()
        if len(known := finite(group.runs, PLANNED, MEASURED))
    }
    if not tables:
        return Skipped(NAME, f"no run has {PLANNED} and {MEASURED}")
    layers = [marks("seeds", key, table, PLANNED, MEASURED) for key, table in tables.items()]
    layers += [
        marks("configurations", key, _means(table), PLANNED, MEASURED)
        for key, table in tables.items()
    ]
    values = np.concatenate([one for layer in layers for one in (layer.x, layer.y)])
    ends = np.array([values.min(), values.max()])
    layers.insert(0, Layer("line", "", ends, ends))
    return Figure(
        name=NAME, title="Time of a trial against its forecast",
        x_label="planned time (s)", y_label="measured time (s)",
        panels=(Panel("", tuple(layers)),), keys=tuple(tables), labels=tuple(tables),
        ordered=False, frontier="",
        notes=(
            "Line: the forecast holds; above it a trial took longer",
            *(f"{key}: {_error(table)}" for key, table in tables.items()),
        ),
    )  # fmt: skip


def _means(table: pd.DataFrame) -> pd.DataFrame:
    """Of each configuration, whose trials have one shape; a table without them has none."""
    if "configuration" not in table:
        return table.iloc[:0]
    means = table.groupby("configuration", sort=False)[[PLANNED, MEASURED]].mean()
    return means.reset_index()


def _error(table: pd.DataFrame) -> str:
    ratio: Array = (table[MEASURED] / table[PLANNED]).to_numpy(dtype=np.float64)
    typical = float(np.exp(np.median(np.abs(np.log(ratio))))) - 1
    whole = float(table[MEASURED].sum() / table[PLANNED].sum())
    runs = counted(len(ratio), "run")
    return f"typical error {typical:.0%} of {runs}, together {whole:.2f} times the plan"
