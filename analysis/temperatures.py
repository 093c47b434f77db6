"""What attention temperatures were learned, by block and scenario: a map per group."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.analysis.findings import Analysis
from scaling.analysis.law import Array
from scaling.analysis.said import said_once
from scaling.diagnostics import parse_temperature
from scaling.units import counted, format_si

SAME_COMPUTE = 0.9
"""Without budgets, runs of at least this share of the largest compute count as of the largest."""

LEAST_SPAN = 0.25
"""Numbers closer to 1 than e^0.25 either way are pale: small differences should look small."""


@dataclass(frozen=True)
class HeatPanel:
    """The map of one group."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Array
    """[rows, columns], positive; NaN where there is none."""
    texts: tuple[tuple[str, ...], ...] | None = None
    """[rows][columns]: what stands in the cells; None: the values."""


@dataclass(frozen=True)
class HeatMap:
    """Maps of positive numbers of which 1 is the neutral one."""

    name: str
    """Of the file, without its ending."""
    title: str
    x_label: str
    y_label: str
    panels: tuple[HeatPanel, ...]
    notes: tuple[str, ...]
    strongest: float | None = None
    """The ratio, or one by it, from which colours are the strongest; None: the furthest from 1."""

    @property
    def span(self) -> float:
        """The logarithm of the ratio from which colours are the strongest."""
        if self.strongest is not None:
            return math.log(self.strongest)
        return max(LEAST_SPAN, *(float(np.nanmax(np.abs(np.log(p.values)))) for p in self.panels))


def temperatures(analysis: Analysis) -> HeatMap | None:
    """The learned temperatures of each group's runs at its largest compute; None without any.

    A cell is the mean over those runs of the mean over layers and heads.
    """
    panels, told = [], []
    for name, group in analysis.groups.items():
        named = {c: parse_temperature(str(c)) for c in group.runs.columns}
        columns = {c: t for c, t in named.items() if t is not None and t.layer is None}
        runs = group.runs[group.runs[list(columns)].notna().any(axis=1)]
        if runs.empty:
            continue
        chosen, where = _largest(runs)
        # Blocks that none of these runs has would be empty rows.
        present = {c: t for c, t in columns.items() if chosen[c].notna().any()}
        blocks = sorted({t.block for t in present.values()}, key=_natural)
        scenarios = sorted({t.scenario for t in present.values()}, key=_natural)
        values = np.full((len(blocks), len(scenarios)), np.nan)
        for column, t in present.items():
            mean = pd.to_numeric(chosen[column], errors="coerce").mean()
            values[blocks.index(t.block), scenarios.index(t.scenario)] = mean
        panels.append(HeatPanel(name, tuple(blocks), tuple(scenarios), values))
        runs_text = f"{'mean over ' * (len(chosen) > 1)}{counted(len(chosen), 'run')}"
        told.append((name, f"{runs_text} {where}"))
    if not panels:
        return None
    meaning = (
        "1: plain scaling of attention by the root of the head dimension; above 1 attention is "
        "softer, below 1 sharper; mean over layers and heads"
    )
    return HeatMap(
        name="temperatures", title="Learned temperatures by block and scenario",
        x_label="scenario", y_label="block", panels=tuple(panels), notes=(meaning, *said_once(told)),
    )  # fmt: skip


def _largest(runs: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The runs of the largest budget (or compute), and that in words."""
    if "budget" in runs.columns and runs["budget"].notna().all():
        largest = float(runs["budget"].max())
        return runs[runs["budget"] == largest], f"at a budget of {format_si(largest, 'FLOP')}"
    if "compute" not in runs.columns:
        return runs, "of the whole table, which has no compute"
    largest = float(runs["compute"].max())
    return runs[runs["compute"] >= SAME_COMPUTE * largest], f"at {format_si(largest, 'FLOP')}"


def _natural(name: str) -> list[tuple[int, str]]:
    """Numbers in a name count as numbers: `tab_2` comes before `tab_10`."""
    parts = re.findall(r"\d+|\D+", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
