"""The choices an analysis rests on, each with its other settings: what sensitivity tries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from scaling.analysis.configurations import configuration_numbers
from scaling.analysis.law import Law
from scaling.analysis.levels import levels, with_order


@dataclass(frozen=True)
class Setting:
    """One choice made otherwise: the table and the options that `summary.analyse` gets."""

    choice: str
    setting: str
    runs: pd.DataFrame | None = None
    """None where the choice can't be made otherwise; `reason` says why."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the options asked for."""
    reason: str = ""


def settings(
    runs: pd.DataFrame, law: Law, *, target: str, by: str, options: Mapping[str, Any]
) -> Iterator[Setting]:
    """Every choice made otherwise than asked, one at a time.

    Args:
        runs: trained runs that can be used.
        law: decides which columns matter.
        target, by: as asked.
        options: `objective`, `huber_delta` and `all_runs` as asked.
    """
    yield from _columns(runs, law)
    yield from _objectives(runs, options)
    yield from _extremes(runs, by)
    if law.variables == ("compute",):
        other = not options["all_runs"]
        yield Setting("rows", "all runs" if other else "frontier", runs, {"all_runs": other})
    else:
        yield Setting(
            "rows", "frontier", reason=f"law {law.name} is fitted to all runs: it isn't in compute"
        )
    yield from _subsets(runs, target)


def _columns(runs: pd.DataFrame, law: Law) -> Iterator[Setting]:
    """Other ways to count parameters and FLOPs."""
    for choice, setting, ours, theirs in (
        ("parameters", "embedding counted", "params", "params_embedding"),
        ("attention", "causal half counted", "compute", "compute_causal"),
        ("lengths", "nominal", "compute", "compute_nominal"),
    ):
        if ours not in law.variables:
            reason = f"law {law.name} does not read {ours}"
            yield Setting(choice, setting, reason=reason)
            continue
        if theirs not in runs.columns:
            yield Setting(choice, setting, reason=f"the table has no column {theirs}")
            continue
        numbers = pd.to_numeric(runs[theirs], errors="coerce")
        missing = int((~np.isfinite(numbers)).sum())
        if missing:
            reason = f"{theirs} is missing in {missing} of {len(runs)} runs"
            yield Setting(choice, setting, reason=reason)
            continue
        other = runs["params"] + numbers if ours == "params" else numbers
        if np.allclose(other, runs[ours], rtol=1e-9):
            yield Setting(choice, setting, reason=f"{theirs} changes no run's {ours}")
            continue
        yield Setting(choice, setting, runs.assign(**{ours: other}))


def _objectives(runs: pd.DataFrame, options: Mapping[str, Any]) -> Iterator[Setting]:
    delta = float(options["huber_delta"])
    if options["objective"] == "squares":
        yield Setting("objective", f"Huber, delta {delta:g}", runs, {"objective": "huber"})
        return
    yield Setting("objective", "least squares", runs, {"objective": "squares"})
    for other in (delta * 10, delta / 10):
        yield Setting("objective", f"Huber, delta {other:g}", runs, {"huber_delta": other})


def _extremes(runs: pd.DataFrame, by: str) -> Iterator[Setting]:
    """Without each group's largest and smallest level of compute."""
    names = ("without the largest compute", "without the smallest compute")
    try:
        table, order = with_order(runs)
    except ValueError as error:
        yield from (Setting("range", name, reason=str(error)) for name in names)
        return
    groups = table[by] if by in table.columns else pd.Series("all", index=table.index)
    for name, end in zip(names, (-1, 0)):
        kept = []
        for _, group in table.groupby(groups.astype(str), sort=False):
            ranked = group.sort_values(order, kind="stable")
            number = levels(ranked, order)
            kept.append(ranked[number != np.unique(number)[end]])
        yield Setting("range", name, pd.concat(kept))


def _subsets(runs: pd.DataFrame, target: str) -> Iterator[Setting]:
    """Halves of the seeds, and the last checkpoint of each run."""
    seeds = sorted(runs["seed"].dropna().unique()) if "seed" in runs.columns else []
    if len(seeds) < 2:
        many = "the table has no column seed" if "seed" not in runs.columns else "only one seed"
        yield Setting("seeds", "a half", reason=many)
    else:
        half = len(seeds) // 2
        for part in (seeds[:half], seeds[half:]):
            shown = ", ".join(f"{seed:g}" for seed in part)
            yield Setting("seeds", f"only {shown}", runs[runs["seed"].isin(part)])
    keys = [name for name in ("run_id", "name", "configuration") if name in runs.columns]
    if not keys or "examples" not in runs.columns:
        reason = "the table doesn't say which rows are checkpoints of one run"
        yield Setting("checkpoints", "last of each run", reason=reason)
        return
    number = runs[keys[0]] if keys[0] != "configuration" else configuration_numbers(runs)
    groups = [pd.Series(np.asarray(number), index=runs.index)]
    groups += [runs[name] for name in ("architecture", "seed") if name in runs.columns]
    last = runs.groupby(groups, dropna=False)["examples"].transform("max")
    kept = runs[runs["examples"] >= last]
    if len(kept) == len(runs):
        reason = "every run has one row"
        yield Setting("checkpoints", "last of each run", reason=reason)
    else:
        yield Setting("checkpoints", "last of each run", kept)
