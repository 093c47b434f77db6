"""The whole analysis of a run table in one call: frontiers, fits with intervals, comparisons."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scaling.analysis.comparison import Comparison, compare
from scaling.analysis.configurations import configuration_numbers, configurations, usable
from scaling.analysis.findings import Analysis, Group
from scaling.analysis.fitting import Objective, fit
from scaling.analysis.frontier import Frontier, frontier, shared_budgets
from scaling.analysis.grouping import Part, grouped
from scaling.analysis.law import FitError, Law, law_of
from scaling.analysis.references import references_of, split_roles
from scaling.analysis.result import Fit
from scaling.analysis.uncertainty import FrontierSample, RowSample, Sample, bootstrapped
from scaling.analysis.versus import Reader, Setting, Versus, contest

PLAIN = "transformer"
Progress = Callable[[str, float], None]
"""Is told the stage and its share of the whole, 0 to 1."""


def analyse(
    runs: pd.DataFrame,
    *,
    law: str | Law = "offset",
    target: str = "loss",
    by: str = "architecture",
    fixed: Mapping[str, float] | None = None,
    objective: Objective = "huber",
    huber_delta: float = 1e-3,
    starts: int = 24,
    bootstrap: int = 0,
    comparison_draws: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    baseline: str | None = None,
    allow_mixed: bool = False,
    all_runs: bool = False,
    evaluations: Reader | None = None,
    fits: bool = True,
    progress: Progress | None = None,
) -> Analysis:
    """Fit a law per group, with intervals, and compare the groups.

    Laws in compute are fitted to the frontier, others to all runs. A group whose fit can't be made
    is kept with its reason. References are set beside the groups, and nothing is fitted to them.

    Args:
        runs: a run table; rows that can't be used are listed in `excluded`.
        law: name or law.
        target: a loss column.
        by: the column whose values are the groups; a table without it is one group, `all`.
        fixed: given parameters, the same for all groups.
        objective, huber_delta, starts: see `fit`.
        bootstrap: draws of each fit, for percentile intervals; 0 gives profile intervals.
        comparison_draws: of each comparison of two frontiers; 0 compares the fits as they are.
        level: of all intervals.
        seed: of starts and draws.
        baseline: the group the others are compared with; None: see `plain_one`.
        allow_mixed: split groups by data set (or by candidates per request) where the table mixes
            several, instead of refusing it; nothing is pooled or compared across.
        all_runs: fit laws in compute to every run too, instead of to the frontier.
        evaluations: reads losses by user, for comparisons; None where the table is all there is.
        fits: False finds configurations and frontiers alone, which takes a moment.
        progress: is told before every fit and comparison.

    Raises:
        ValueError: a missing column, an unknown law, parameter or baseline, a mixed table, or no
            usable run.
    """
    law = law_of(law)
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}")
    roles = split_roles(runs)
    usability = usable(roles.trained, [*law.variables, target])
    if usability.runs.empty:
        counted_alone = ["all are references, which are counted: no law fits them"]
        why = usability.why_none(*counted_alone[: len(roles.references)])
        raise ValueError(f"no usable run among {len(runs)}: {why}")
    parts = grouped(usability.runs, by=by, allow_mixed=allow_mixed)
    counted, unusable = references_of(
        roles, usability.runs.index, target=target, allow_mixed=allow_mixed
    )
    options: dict[str, Any] = {
        "target": target, "objective": objective, "huber_delta": huber_delta,
        "starts": starts, "seed": seed,
    }  # fmt: skip
    budgets = shared_budgets(configurations(usability.runs, target))
    front = None if all_runs or law.variables != ("compute",) else budgets
    given = dict(fixed or {})
    tell = progress or (lambda stage, share: None)
    groups = {}
    for number, part in enumerate(parts):
        if fits:
            tell(f"fitting {part.name}", 0.5 * number / len(parts))
        groups[part.name] = _group(law, part, front, given, options, bootstrap, level, fits)
    comparable = law.variables == ("compute",) and not law.increasing
    setting = Setting(law, fixed=given, draws=comparison_draws, level=level, **options)
    scopes = {part.name: part.scope for part in parts}
    if baseline is not None and baseline not in groups:
        raise ValueError(f"no group {baseline!r} to compare with; valid: {', '.join(groups)}")
    return Analysis(
        law=law, target=target, level=level, groups=groups,
        contests=_comparisons(groups, scopes, baseline, setting, evaluations, tell)
        if comparable else (),
        excluded=pd.concat([usability.excluded, unusable]) if len(unusable) else usability.excluded,
        references=counted,
        warnings=tuple(_table_warnings(usability.runs, law)),
        draws=bootstrap,
        objective=f"Huber, delta {huber_delta:g}" if objective == "huber" else "least squares",
    )  # fmt: skip


def _group(
    law: Law,
    part: Part,
    budgets: bool | None,
    fixed: dict[str, float],
    options: dict[str, Any],
    draws: int,
    level: float,
    fits: bool,
) -> Group:
    """`budgets`: whether the frontier is chosen by budget; None fits all runs."""
    target, runs = options["target"], part.runs
    table = configurations(runs, target)
    front: Frontier | None = None
    if budgets is not None:
        front = frontier(table, target=target, budgets=budgets, increasing=law.increasing)
        rows = front.points
        sample: Sample = FrontierSample(front)
    else:
        rows = runs.sort_values([*law.variables, target], kind="stable")
        sample = _row_sample(law, rows, target)
    floor = _floor(runs) if target == "loss" and law.offset and law.offset not in fixed else None
    if not fits:
        return Group(part.name, None, None, "", "", floor, runs, table, front)
    entropy = part.entropy(options["seed"])
    draw_seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])

    def attempt(given: dict[str, float]) -> tuple[Fit | None, str]:
        try:
            found = fit(law, rows, fixed=given, **options)
            if draws and found.dof > 0:  # an exact fit leaves no scatter to resample
                found = bootstrapped(found, sample, draws=draws, seed=draw_seed, level=level)
        except FitError as error:
            return None, str(error)
        return found, ""

    free, error = attempt(fixed)
    pinned, pinned_error = attempt({**fixed, str(law.offset): floor}) if floor else (None, "")
    return Group(part.name, free, pinned, error, pinned_error, floor, runs, table, front)


def _row_sample(law: Law, rows: pd.DataFrame, target: str) -> Sample:
    return RowSample(
        np.log(rows[list(law.variables)].to_numpy(dtype=np.float64)),
        np.log(rows[target].to_numpy(dtype=np.float64)),
        configuration_numbers(rows),
    )


def _floor(runs: pd.DataFrame) -> float | None:
    """The known floor of these runs; None if it isn't known for every one, or differs."""
    if "loss_floor" not in runs.columns:
        return None
    floors = pd.to_numeric(runs["loss_floor"], errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(floors).all() or floors.min() <= 0 or np.ptp(floors) > 1e-3 * floors.min():
        return None
    return float(np.median(floors))


def _comparisons(
    groups: dict[str, Group],
    scopes: dict[str, str],
    baseline: str | None,
    setting: Setting,
    evaluations: Reader | None,
    tell: Progress,
) -> tuple[Versus | Comparison, ...]:
    """Every group against the baseline, within one data set.

    Frontiers with draws as `climber compare` does it, else from the groups' own fits.
    """
    out: list[Versus | Comparison] = []
    for scope in dict.fromkeys(scopes.values()):
        members = [name for name in groups if scopes[name] == scope]
        first = baseline or plain_one(members)
        if first not in members:
            continue
        for second in members:
            one, two = groups[first], groups[second]
            if second == first or one.fit is None or two.fit is None:
                continue
            names = (first, second)
            tell(f"comparing {second} with {first}", 0.5 + 0.5 * len(out) / len(groups))
            found: Versus | None = None
            if setting.draws and one.frontier and two.frontier:
                # Points that no law can be fitted to leave the groups' own fits.
                with contextlib.suppress(FitError):
                    found = contest(
                        one.runs, two.runs, names, setting, scope=scope, evaluations=evaluations
                    )
            out.append(found or compare(one.fit, two.fit, names=names, level=setting.level))
    return tuple(out)


def plain_one(names: Sequence[str]) -> str:
    """What the others are held against unless somebody says otherwise: the plain architecture."""
    return next((name for name in names if name.split(" ")[0] == PLAIN), names[0])


def _table_warnings(runs: pd.DataFrame, law: Law) -> list[str]:
    out = []
    if "examples" in runs.columns and "examples" not in law.variables:
        examples = pd.to_numeric(runs["examples"], errors="coerce").dropna()
        if len(examples) > 1 and examples.max() < 1.01 * examples.min():
            out.append(
                f"size law at D = {examples.mean():.4g} examples, the same for all runs: not a "
                "compute frontier"
            )
    if "budget" in runs.columns and law.variables == ("compute",):
        budgets = pd.to_numeric(runs["budget"], errors="coerce").dropna().unique()
        if len(budgets) == 1:
            out.append(
                f"only one budget ({budgets[0]:.4g} FLOPs): nothing to fit a law in compute to"
            )
    return out
