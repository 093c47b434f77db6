"""The table of a comparison at one size: each group's best configuration, mean and standard error.

The configuration is chosen by validation, averaged over its seeds; what is shown is of the test part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.analysis.configurations import configuration_numbers, usable
from scaling.analysis.grouping import grouped
from scaling.analysis.references import split_roles

SETTINGS = ("depth", "width", "seq_len", "blocks", "lr", "params", "compute", "examples")
"""Columns that say what was chosen, where the table has them."""


@dataclass(frozen=True)
class Entry:
    """One group's line."""

    group: str
    metrics: dict[str, tuple[float, float]]
    """Mean over seeds and its standard error (NaN for one seed) by metric; NaN where missing."""
    settings: dict[str, float]
    """Of the chosen configuration, mean over seeds."""
    seeds: int
    configurations: int
    """How many were chosen from."""
    chosen_by: str
    """The column that decided."""
    reference: bool
    """Whether it was counted, not trained."""


def leaderboard(
    runs: pd.DataFrame,
    *,
    metrics: Sequence[str] = ("auc", "ne", "loss"),
    by: str = "variant",
    allow_mixed: bool = False,
) -> list[Entry]:
    """Each group's chosen configuration, the best first by the first metric.

    Args:
        runs: a run table; rows without the first metric are left out, as failed ones are.
        metrics: columns to show; those the table doesn't have are left out.
        by: the column whose values are the groups.
        allow_mixed: split groups by data set instead of refusing a mixed table.

    Raises:
        ValueError: no usable run, an unknown column, or a mixed table.
    """
    shown = [name for name in metrics if name in runs.columns]
    if not shown:
        raise ValueError(f"the run table has none of the columns {', '.join(metrics)}")
    rows = usable(runs, shown[:1]).runs
    if rows.empty:
        raise ValueError(f"no usable run among {len(runs)} with {shown[0]}")
    counted = split_roles(rows).references.index
    entries = [
        _entry(part.name, part.runs, shown, bool(part.runs.index.isin(counted).all()))
        for part in grouped(rows, by=by, allow_mixed=allow_mixed)
    ]
    sign = -1 if _larger_is_better(shown[0]) else 1
    return sorted(entries, key=lambda entry: sign * entry.metrics[shown[0]][0])


def _entry(name: str, runs: pd.DataFrame, metrics: Sequence[str], reference: bool) -> Entry:
    numbers = configuration_numbers(runs)
    # A grid of budgets has several; within one group the choice is among all of them.
    judge = next(
        (c for c in (f"validation_{metrics[0]}", "validation_loss") if _known(runs, c)), metrics[0]
    )
    means = runs[judge].groupby(numbers).mean().to_numpy(dtype=float)
    chosen = np.nanargmax(means if _larger_is_better(judge) else -means)
    best = runs[numbers == np.unique(numbers)[chosen]]
    return Entry(
        group=name,
        metrics={metric: _mean(best[metric]) for metric in metrics},
        settings={c: float(best[c].mean()) for c in SETTINGS if _known(best, c)},
        seeds=len(best),
        configurations=len(means),
        chosen_by=judge,
        reference=reference,
    )


def _mean(column: pd.Series) -> tuple[float, float]:
    """Mean and its standard error."""
    values = pd.to_numeric(column, errors="coerce").dropna().to_numpy(dtype=float)
    if not len(values):
        return math.nan, math.nan
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else math.nan
    return float(values.mean()), error


def _known(runs: pd.DataFrame, column: str) -> bool:
    return column in runs.columns and bool(runs[column].notna().all())


def _larger_is_better(metric: str) -> bool:
    return "auc" in metric
