"""The tables of the report: what was fitted beside what is known, the runs, and those left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import nan
from typing import Any

import pandas as pd

from scaling.analysis.findings import Analysis
from scaling.analysis.result import number
from scaling.units import MISSING, format_si

MOST_EXCLUDED = 200
"""Excluded runs listed one by one; their number is always given."""

Table = tuple[list[str], list[list[str]]]
"""Head and rows."""

OFFSETS_NOTE = (
    "The floor is the best loss that any model could reach with everything readable; an offset "
    "fitted at a fixed length should be compared with the floor for that length."
)


def offsets_beside(analysis: Analysis, floors: Mapping[Any, Any]) -> Table | None:
    """Fitted offsets beside the known floors, each with its place in the offset's interval."""
    name = analysis.law.offset
    if name is None or not (floors or any(group.floor for group in analysis.groups.values())):
        return None
    rows = []
    for group in analysis.groups.values():
        low, high = group.fit.interval(analysis.level)[name] if group.fit else (nan, nan)
        value = number(group.fit.params[name]) if group.fit else MISSING
        known = [group.floor, *(float(floor) for floor in floors.values())]
        cells = [MISSING if floor is None else _placed(floor, low, high) for floor in known]
        rows.append([group.name, value, f"[{number(low)}, {number(high)}]", *cells])
    reading = [f"floor reading {what}" for what in floors]
    return ["group", f"fitted offset {name}", "interval", "known floor", *reading], rows


REFERENCES_NOTE = (
    "Counted in one pass over the training part, not trained: no compute, no fit, no comparison. A "
    "model that does not beat them has learned no more than they have counted."
)


def references(analysis: Analysis) -> Table | None:
    """Each reference's loss, and the groups whose best configuration does not beat it."""
    if not analysis.references:
        return None
    best = {n: float(g.configurations[analysis.target].min()) for n, g in analysis.groups.items()}
    rows = []
    for one in analysis.references:
        behind = [name for name, loss in best.items() if loss >= one.loss]
        rows.append([one.name, number(one.loss), ", ".join(behind) or "none"])
    return ["reference", f"{analysis.target}, test part", "groups that never beat it"], rows


def unbroken(table: Table) -> Table:
    """Intervals keep to one line."""
    head, rows = table
    return head, [
        [_INTERVAL.sub(lambda one: one[0].replace(" ", "\u00a0"), cell) for cell in row]
        for row in rows
    ]


_INTERVAL = re.compile(r"\[[-+\w.–∞]+, [-+\w.–∞]+\]")


def _placed(floor: float, low: float, high: float) -> str:
    if not low <= high:
        return number(floor)
    place = "below" if floor < low else "above" if floor > high else "inside"
    return f"{number(floor)} ({place} the interval)"


def counts(runs: pd.DataFrame, analysis: Analysis) -> Table:
    """Of each group: runs, configurations, seeds, budgets and the range of compute."""
    head = ["group", "runs", "configurations", "seeds each", "budgets", "compute (FLOPs)"]
    rows = []
    for group in analysis.groups.values():
        table = group.configurations
        seeds = sorted(set(table["num_seeds"]))
        budgets = str(table["budget"].nunique() or MISSING) if "budget" in table else MISSING
        compute = table["compute"].dropna() if "compute" in table else pd.Series(dtype=float)
        span = (
            f"{format_si(compute.min())} to {format_si(compute.max())}" if len(compute) else MISSING
        )
        each = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        rows.append([group.name, str(len(group.runs)), str(len(table)), each, budgets, span])
    used = sum(len(group.runs) for group in analysis.groups.values())
    for one in analysis.references:
        rows.append([f"{one.name} (reference)", str(one.runs), *[MISSING] * 4])
        used += one.runs
    rows.append(["left out", str(len(runs) - used), *[MISSING] * 4])
    return head, rows


def excluded(analysis: Analysis) -> Table | None:
    """The runs that were left out, each with its reason; None where there are none."""
    table = analysis.excluded
    if table.empty:
        return None
    naming = [name for name in ("architecture", "configuration", "seed", "budget") if name in table]
    rows = [
        [str(row), *(as_text(line[name]) for name in naming), str(line["excluded"])]
        for row, line in table.head(MOST_EXCLUDED).iterrows()
    ]
    return ["row", *naming, "reason"], rows


def excluded_note(runs: pd.DataFrame, analysis: Analysis) -> str:
    """How many those are."""
    num = len(analysis.excluded)
    listed = f"; the first {MOST_EXCLUDED} are listed" if num > MOST_EXCLUDED else ""
    return f"{num} of {len(runs)} runs were left out{listed}:"


def as_text(value: object) -> str:
    """A value in a cell."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {as_text(item)}" for key, item in value.items())
    if isinstance(value, float):
        return MISSING if value != value else f"{value:.6g}"
    return MISSING if value is None else str(value)
