"""The loss against compute and against the axes of an architecture, as plain data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scaling.analysis.figure import Figure, Layer, Panel, Skipped, label_of, name_of, title_of
from scaling.analysis.findings import Analysis, Group
from scaling.analysis.frontier import LowerHull, frontier
from scaling.analysis.law_line import law_line
from scaling.analysis.marks import finite, marks, positive
from scaling.analysis.quantity import COMPUTE, QUANTITIES
from scaling.analysis.result import number
from scaling.analysis.said import said_once
from scaling.units import format_si

FAR = 1.5
"""A line further from the marks than this many times their own range is told, not drawn."""


def loss_vs_compute(analysis: Analysis) -> Figure | Skipped:
    """Every run, every configuration, the frontiers, their laws with bands, the known floor."""
    name, target = "loss_vs_compute", analysis.target
    layers: list[Layer] = []
    notes: list[str] = []
    groups = analysis.groups
    if not all(positive(group.runs, "compute").all() for group in groups.values()):
        return Skipped(name, "not every run has a compute")
    for key, group in groups.items():
        layers += [
            marks("seeds", key, group.runs, "compute", target),
            marks("configurations", key, group.configurations, "compute", target),
        ]
        if group.frontier is not None:
            layers.append(marks("frontier", key, group.frontier.points, "compute", target))
        layers += _curve(key, group, analysis.level)
    floor = _common_floor(groups)
    if floor is not None:
        lowest, highest = _extent(layers)
        if lowest - floor < FAR * (highest - lowest):
            layers.append(Layer("floor", "", np.array([]), np.array([floor])))
        else:
            notes.append(f"the known floor, {number(floor)}, lies below the axis")
    counted, told = _references(analysis, layers)
    layers += counted
    notes += told
    if analysis.law.variables == ("compute",):
        lines = f"Lines: {target} = {analysis.law.formula}, fitted to {_fitted_to(groups)}"
        if any(layer.kind == "band" for layer in layers):
            how = "linearised" if analysis.interval_method == "profile" else "bootstrap"
            lines += f"; bands: {analysis.level:.0%} intervals ({how})"
        notes.append(f"{lines}; dashed beyond the data")
        failed = {key: group.error for key, group in groups.items() if group.error}
        notes += said_once((key, f"no fit, {error}") for key, error in failed.items())
    else:
        notes.append(f"no curve: law {analysis.law.name!r} isn't one in compute")
    return Figure(
        name=name, title=f"{title_of(target)} against {COMPUTE.words}", x_label=COMPUTE.label,
        y_label=label_of(target),
        panels=(Panel("", tuple(layers)),), keys=tuple(groups),
        labels=tuple(_label(key, group, analysis.level) for key, group in groups.items()),
        ordered=False, frontier=_chosen_by(groups), notes=tuple(notes),
    )  # fmt: skip


def loss_vs_axis(analysis: Analysis, axis: str) -> Figure | Skipped:
    """The loss against one axis of the architecture, a line per budget, a panel per group.

    A line joins the best configuration at each value of the axis; all runs are shown behind it. Of
    sizes without common budgets it joins those that no smaller one beats.

    Raises:
        ValueError: an unknown axis.
    """
    if axis not in QUANTITIES:
        raise ValueError(f"unknown axis {axis!r}; valid: {', '.join(QUANTITIES)}")
    name, target = f"loss_vs_{axis}", analysis.target
    tables = {key: group.configurations for key, group in analysis.groups.items()}
    shown = {
        key: table
        for key, table in tables.items()
        if axis in table and positive(table, axis).all() and table[axis].nunique() > 1
    }
    if not shown:
        values = {v for t in tables.values() if axis in t for v in t[axis].dropna().unique()}
        seen = (
            f"only one value, {min(values):g}" if len(values) == 1 else "no two values to compare"
        )
        return Skipped(name, f"{QUANTITIES[axis].label}: {seen if values else 'not in the table'}")
    budgets = _budgets(shown)
    panels = []
    for key, table in shown.items():
        runs, layers = analysis.groups[key].runs, []
        for label, budget in budgets.items():
            here = _at(table, budget)
            best = _best(here, axis, analysis, hull=budget is None and axis == "params")
            layers += [
                marks("seeds", label, _at(runs, budget), axis, target),
                marks("configurations", label, here, axis, target),
                marks("line", label, best, axis, target),
            ]
        front = analysis.groups[key].frontier
        if front is not None and axis in front.points:
            # A fitted minimum lies between configurations: it has a size and no depth.
            known = finite(front.points, axis)
            layers += [
                marks("frontier", label, _at(known, budget), axis, target)
                for label, budget in budgets.items()
            ]
        panels.append(Panel(key, tuple(layer for layer in layers if layer.x.size)))
    counted, told = _references(analysis, [layer for p in panels for layer in p.layers])
    panels = [Panel(panel.title, (*panel.layers, *counted)) for panel in panels]
    left_out = [key for key in tables if key not in shown]
    ticks = np.unique(np.concatenate([table[axis].to_numpy(float) for table in shown.values()]))
    lines = ", a line per training budget" if len(budgets) > 1 else ""
    if axis == "params" and None in budgets.values():
        told.append("Lines: sizes that no smaller one beats (lower convex hull)")
    return Figure(
        name=name, title=f"{title_of(target)} against {QUANTITIES[axis].words}{lines}",
        x_label=QUANTITIES[axis].label, y_label=label_of(target), panels=tuple(panels),
        keys=tuple(budgets), labels=tuple(budgets), ordered=len(budgets) > 1,
        frontier=_chosen_by(analysis.groups),
        ticks=tuple(ticks) if axis != "params" and len(ticks) <= 12 else (),
        notes=(*said_once((key, "one value only, left out") for key in left_out), *told),
    )  # fmt: skip


def _best(table: pd.DataFrame, axis: str, analysis: Analysis, *, hull: bool) -> pd.DataFrame:
    """The best configuration at each value of the axis; with `hull` only what no smaller value beats:
    where compute differs, the best of neighbouring sizes go up and down with it."""
    increasing = analysis.law.increasing
    if hull:
        front = frontier(
            table.assign(compute=table[axis]), target=analysis.target, budgets=False,
            rule=LowerHull(), increasing=increasing,
        )  # fmt: skip
        return front.points.assign(**{axis: front.points["compute"]}).sort_values(axis)
    by_value = table.groupby(axis)[analysis.target]
    return table.loc[by_value.idxmax() if increasing else by_value.idxmin()].sort_values(axis)


def _curve(key: str, group: Group, level: float) -> list[Layer]:
    if group.fit is None or group.fit.law.variables != ("compute",):
        return []
    fit = group.fit
    return law_line(
        key,
        fit.measured["compute"],
        lambda x: fit.predict({"compute": x}),
        lambda x: fit.band({"compute": x}, level),
    )


def _fitted_to(groups: dict[str, Group]) -> str:
    return "the frontier" if any(group.frontier for group in groups.values()) else "all runs"


def _chosen_by(groups: dict[str, Group]) -> str:
    columns = {group.frontier.selected_by for group in groups.values() if group.frontier}
    return f"frontier (chosen by {' or '.join(sorted(map(name_of, columns)))})"


def _label(key: str, group: Group, level: float) -> str:
    """The group's name with its exponent and interval."""
    if group.fit is None or len(group.fit.law.exponents) != 1:
        return key
    (exponent,) = group.fit.law.exponents
    value = f"{group.fit.params[exponent]:.3g}"
    if exponent in group.fit.fixed:
        return f"{key}: {exponent} {value} (given)"
    low, high = group.fit.interval(level)[exponent]
    if np.isnan(low):
        return f"{key}: {exponent} {value} (no interval)"
    ends = (format_si(end) if np.isinf(end) else f"{end:.3g}" for end in (low, high))
    return f"{key}: {exponent} {value} [{', '.join(ends)}]"


def _budgets(tables: dict[str, pd.DataFrame]) -> dict[str, float | None]:
    """Label and value of every budget; one entry without value if there are none."""
    if not all("budget" in t and t["budget"].notna().all() for t in tables.values()):
        return {"all runs": None}
    values = np.unique(np.concatenate([t["budget"].to_numpy(float) for t in tables.values()]))
    for digits in (2, 3, 4, 6):  # as few digits as tell them apart
        labels = [format_si(value, "FLOP", digits) for value in values]
        if len(set(labels)) == len(labels):
            break
    return dict(zip(labels, (float(value) for value in values)))


def _at(table: pd.DataFrame, budget: float | None) -> pd.DataFrame:
    return table if budget is None else table[table["budget"] == budget]


def _common_floor(groups: dict[str, Group]) -> float | None:
    floors = {group.floor for group in groups.values()}
    return floors.pop() if len(floors) == 1 else None


def _extent(layers: Sequence[Layer]) -> tuple[float, float]:
    values = np.concatenate([layer.y for layer in layers if layer.kind in ("seeds", "curve")])
    return float(values.min()), float(values.max())


def _references(analysis: Analysis, layers: Sequence[Layer]) -> tuple[list[Layer], list[str]]:
    """A line for each reference near the marks; a note for each that would press them flat."""
    lowest, highest = _extent(layers)
    reach = FAR * (highest - lowest)
    drawn, notes = [], []
    for one in analysis.references:
        if lowest - reach < one.loss < highest + reach:
            drawn.append(Layer("reference", one.name, np.array([]), np.array([one.loss])))
        else:
            where = "above" if one.loss > highest else "below"
            notes.append(f"{one.sentence(analysis.target)}, {where} the axis")
    return drawn, notes
