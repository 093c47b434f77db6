"""The runs of two architectures that are to be compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scaling.analysis.configurations import usable
from scaling.analysis.cost import Cost, refuse_unlike
from scaling.analysis.grouping import grouped
from scaling.analysis.references import split_roles
from scaling.analysis.repeats import repeats


def sides_of(
    runs: pd.DataFrame,
    baseline: str,
    candidate: str,
    by: str,
    allow_mixed: bool,
    cost: Cost,
    target: str,
) -> list[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Usable runs of two architectures, by scope; `compute` holds the cost.

    Args:
        runs: a run table.
        baseline, candidate: values of the column `by`.
        by: that column.
        allow_mixed: one entry per data set and number of candidates, instead of refusing.
        cost: what they are compared at.
        target: the column to explain.

    Raises:
        ValueError: unknown names or columns, a mixed table, unlike machines, no usable run.
    """
    trained = split_roles(runs).trained
    if by not in trained.columns:
        raise ValueError(
            f"the run table has no column {by!r}; it has: {', '.join(map(str, runs.columns))}"
        )
    known = sorted(trained[by].dropna().astype(str).unique())
    for role, name in (("baseline", baseline), ("candidate", candidate)):
        if name not in known:
            raise ValueError(f"no {role} {name!r} in column {by!r}; valid: {', '.join(known)}")
    if baseline == candidate:
        raise ValueError(f"baseline and candidate are both {baseline!r}")
    both = trained[trained[by].astype(str).isin([baseline, candidate])]
    if cost.column != "compute" or "compute" not in both:
        refuse_unlike(both, cost)
    kept = usable(both, [cost.column, target]).runs
    if cost.column != "compute":
        kept = kept.assign(compute=pd.to_numeric(kept[cost.column]))
    parts = grouped(kept, by=by, allow_mixed=allow_mixed)
    out = []
    for scope in dict.fromkeys(part.scope for part in parts):
        there = {str(p.runs[by].iloc[0]): p.runs for p in parts if p.scope == scope}
        if {baseline, candidate} <= set(there):
            out.append((scope if allow_mixed else "", there[baseline], there[candidate]))
    if not out:
        lacking = [n for n in (baseline, candidate) if n not in set(kept[by].astype(str))]
        raise ValueError(f"no usable run of {' and '.join(lacking) or 'both in one data set'}")
    return out


def stand_ins(runs: pd.DataFrame, target: str) -> list[list[str]]:
    """Runs of the best configuration of each budget, whose users' losses stand for the budget.

    Empty where a run has no `run_id`.
    """
    data = repeats(runs, target)
    mean = np.nanmean(data.selection, axis=1)
    out = []
    for k in range(len(data.budgets)):
        here = np.flatnonzero(data.budget == k)
        best = here[mean[here].argmin()]
        out.append([str(run) for run in data.runs[best][data.present[best]]])
    return out if all(run for runs_ in out for run in runs_) else []


def excluded_runs(
    runs: pd.DataFrame, names: Sequence[str], by: str, cost: str, target: str
) -> pd.DataFrame:
    """Runs of the two that a comparison leaves out, with the column `excluded` (why)."""
    trained = split_roles(runs).trained
    both = trained[trained[by].astype(str).isin(list(names))]
    return usable(both, [cost, target]).excluded
