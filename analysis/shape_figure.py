"""The map of shapes: the loss by depth and length at equal true training FLOPs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from scaling.analysis.figure import Skipped, title_of
from scaling.analysis.findings import Analysis
from scaling.analysis.marks import positive
from scaling.analysis.quantity import QUANTITIES
from scaling.analysis.said import said_once
from scaling.analysis.temperatures import HeatMap, HeatPanel
from scaling.units import format_si

NAME = "depth_by_length"
MOST, TOGETHER = 3, 4
"""So many budgets of a group are drawn at most, the largest; so many maps of all groups, but of each
its largest budget."""
SAME = 1.1
"""Without budgets, runs within this ratio of compute count as equal."""
ASTRO = "astro"
"""Whose shapes the paper's table is of."""


def depth_by_length(
    analysis: Analysis, beside: Callable[[], Sequence[HeatPanel]] = tuple
) -> HeatMap | Skipped:
    """A panel per group and budget that has several depths and several lengths.

    A cell is the best configuration of that depth and length, its colour the ratio of its loss to
    the panel's best.

    Args:
        analysis: of a run table.
        beside: gives the paper's own shapes, shown below those of astro.
    """
    if analysis.law.increasing:
        return Skipped(NAME, f"{analysis.target} is better the higher: the map is of losses")
    panels, told, notes = [], [], []
    most = min(MOST, max(TOGETHER // max(len(analysis.groups), 1), 1))
    for key, group in analysis.groups.items():
        table = group.configurations
        if missing := [one for one in ("depth", "seq_len") if not positive(table, one).all()]:
            told.append((key, f"no {' and no '.join(missing)} in the table"))
            continue
        found = [
            panel for budget in _budgets(table) if (panel := _map(key, budget, analysis.target))
        ]
        if not found:
            depths, lengths = (_values(table, axis) for axis in ("depth", "seq_len"))
            told.append(
                (
                    key,
                    f"no budget has several depths and several lengths (depths {depths}, lengths "
                    f"{lengths})",
                )
            )
        panels += found[-most:]
        if len(found) > most:
            shown = f"the largest {most}" if most > 1 else "the largest"
            notes.append(
                (key, f"{shown} of {len(found)} budgets {'are' if most > 1 else 'is'} shown")
            )
    reasons = said_once(told)
    if not panels:
        return Skipped(NAME, "; ".join(reasons) or "no runs")
    shapes = list(beside()) if ASTRO in analysis.groups else []
    panels += shapes
    return HeatMap(
        name=NAME, title=f"{title_of(analysis.target)} by depth and length at equal training FLOPs",
        x_label=QUANTITIES["seq_len"].label, y_label=QUANTITIES["depth"].label,
        panels=tuple(panels),
        notes=(
            "In a cell: the loss of the best configuration of that shape; the colour is its ratio to "
            "the best of the panel. FLOPs are counted at the real lengths of the histories",
            *(_PAPER if shapes else ()), *said_once(notes), *reasons,
        ),
    )  # fmt: skip


_PAPER = (
    "The paper's shapes (Climber, arXiv 2502.09888): its AUC, and in brackets its FLOPs by our count "
    "over those that the paper calls equal; the colour is the ratio of 1 \N{MINUS SIGN} AUC to "
    "the best. These are FLOPs of a request, not of a training",
)


def _budgets(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Configurations of equal compute, the smallest first."""
    if "budget" in table and table["budget"].notna().all():
        return [part for _, part in table.groupby("budget")]
    if not positive(table, "compute").all():
        return []
    table = table.sort_values("compute")
    logs = np.log(table["compute"].to_numpy(dtype=np.float64))
    cuts = np.flatnonzero(np.diff(logs) > np.log(SAME)) + 1
    parts = np.split(np.arange(len(table)), cuts)
    groups = [table.iloc[part] for part in parts]
    # Close steps of a long chain are not equal at its ends.
    return [one for one in groups if one["compute"].max() <= SAME * one["compute"].min()]


def _map(key: str, table: pd.DataFrame, target: str) -> HeatPanel | None:
    best = table.groupby(["depth", "seq_len"])[target].min().unstack()
    if min(best.shape) < 2:
        return None
    losses = best.to_numpy(dtype=np.float64)
    column = "budget" if "budget" in table and table["budget"].notna().all() else "compute"
    place = format_si(float(table[column].max()), "FLOP")
    return HeatPanel(
        f"{key}, {place}",
        tuple(f"{depth:g}" for depth in best.index),
        tuple(f"{length:g}" for length in best.columns),
        losses / float(np.nanmin(losses)),
        tuple(tuple("" if np.isnan(v) else f"{v:.4f}" for v in line) for line in losses),
    )


def _values(table: pd.DataFrame, axis: str) -> str:
    return ", ".join(f"{value:g}" for value in sorted(table[axis].unique()))
