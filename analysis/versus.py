"""Two architectures of a run table against each other: the answer, and what it rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from scaling.analysis.comparison import Comparison, Verdict, compare
from scaling.analysis.configurations import configurations
from scaling.analysis.cost import COSTS, Cost, at_one_candidate, cost_of
from scaling.analysis.fairness import SUBSAMPLES, Tries, equalised, tries
from scaling.analysis.fitting import Objective, fit
from scaling.analysis.frontier import frontier, shared_budgets
from scaling.analysis.law import FitError, Law, law_of
from scaling.analysis.pairing import Paired, paired
from scaling.analysis.result import Fit
from scaling.analysis.sides import sides_of, stand_ins
from scaling.analysis.uncertainty import FrontierSample, bootstrapped
from scaling.analysis.users import user_draws
from scaling.units import plain

FEWEST_DRAWS = 200

Reader = Callable[[Sequence[str]], Mapping[str, pd.DataFrame]]
"""Losses by user (`evaluation.parquet`) of the runs with these `run_id`s."""


@dataclass(frozen=True)
class Setting:
    """How the two are fitted."""

    law: Law
    target: str = "loss"
    objective: Objective = "huber"
    huber_delta: float = 1e-3
    fixed: Mapping[str, float] | None = None
    starts: int = 24
    draws: int = 2000
    level: float = 0.95
    seed: int = 0

    def options(self) -> dict[str, Any]:
        return {
            "target": self.target, "objective": self.objective, "huber_delta": self.huber_delta,
            "fixed": self.fixed, "starts": self.starts, "seed": self.seed,
        }  # fmt: skip


@dataclass(frozen=True)
class Versus:
    """One answer, with everything a reader asks next."""

    scope: str
    """Data set or candidates per request, where the table mixes several; else empty."""
    comparison: Comparison
    """With the verdict that holds when tries are equal, too."""
    paired: Paired
    tries: Tries
    fair: Comparison | None
    """With as many configurations of one as of the other; None where the numbers are alike."""
    single: Comparison | None
    """With every candidate as a request of its own."""
    single_reason: str
    """Why `single` can't be said."""
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, str]:
        return self.comparison.baseline, self.comparison.candidate

    def sentences(self) -> list[str]:
        """The whole answer in plain language."""
        out = [self.comparison.sentence(), self.comparison.crossing_sentence()]
        if self.fair is not None:
            out.append(f"With equally many configurations per budget: {self.fair.sentence()}")
        if self.single is not None:
            out.append(f"With one candidate per request: {self.single.sentence()}")
        elif self.single_reason:
            out.append(f"With one candidate per request: can't be said, {self.single_reason}.")
        return [*out, self.paired.sentence(), *self.notes]

    def to_dict(self) -> dict[str, Any]:
        """`climber compare --json`, with what it rests on beside the contract's keys."""
        out: dict[str, Any] = self.comparison.to_dict() | plain(
            {
                "cost": self.comparison.quantity,
                "unit": self.comparison.unit,
                "scope": self.scope,
                "law": self.paired.baseline.law.name,
                "target": self.paired.baseline.target,
                "params": {
                    name: {"value": one.params, "interval": one.interval(self.comparison.level)}
                    for name, one in zip(self.names, (self.paired.baseline, self.paired.candidate))
                },
                "frontier": self.paired.to_dict(),
                "configurations_per_budget": {
                    "budgets": self.tries.budgets,
                    self.names[0]: self.tries.baseline,
                    self.names[1]: self.tries.candidate,
                    "ratio": self.tries.ratio,
                },
                "equal_configurations": None if self.fair is None else self.fair.to_dict(),
                "one_candidate_per_request": None if self.single is None else self.single.to_dict(),
                "one_candidate_reason": self.single_reason,
                "notes": self.notes,
            }
        )
        return out


def contest(
    baseline: pd.DataFrame,
    candidate: pd.DataFrame,
    names: tuple[str, str],
    setting: Setting,
    *,
    cost: Cost = COSTS["compute"],
    scope: str = "",
    evaluations: Reader | None = None,
) -> Versus:
    """Compare two architectures of one kind of runs.

    Args:
        baseline, candidate: usable runs of one architecture each; `compute` holds the cost.
        names: of the two.
        setting: how they are fitted.
        cost: what `compute` holds.
        scope: what the table mixes.
        evaluations: reads losses by user; None where the table is all there is.

    Raises:
        FitError: one of the two fits can't be made.
    """
    words: dict[str, Any] = {
        "names": names, "level": setting.level, "quantity": cost.words, "unit": cost.unit,
    }  # fmt: skip
    budgets = cost.column == "compute" and shared_budgets(
        configurations(pd.concat([baseline, candidate]), setting.target)
    )
    pair = _fits(baseline, candidate, setting, budgets, evaluations)
    found = compare(pair.baseline, pair.candidate, **words)
    counted = tries(baseline, candidate)
    notes, fair = list[str](), None
    if counted.unequal:
        few = replace(setting, draws=max(FEWEST_DRAWS, setting.draws // SUBSAMPLES))
        try:
            equal = equalised(
                baseline, candidate,
                lambda ours, theirs, number: _fits(
                    ours, theirs, replace(few, seed=setting.seed + number), budgets, None
                ),
                seed=setting.seed,
            )  # fmt: skip
            fair = compare(equal.baseline, equal.candidate, **words)
        except FitError as error:
            notes.append(f"The comparison with equally many configurations failed: {error}.")
        if found.verdict != "not decided" and (fair is None or fair.verdict != found.verdict):
            notes.append(
                f"{_winner(found)} comes out cheaper only with unequal numbers of configurations "
                f"({counted.sentence(names)}): not decided."
            )
            found = replace(found, verdict="not decided")
    alone, reason = None, ""
    if cost.column == "compute":
        alone, reason = _single(baseline, candidate, setting, words)
    return Versus(scope, found, pair, counted, fair, alone, reason, tuple(notes))


def versus(
    runs: pd.DataFrame,
    baseline: str,
    candidate: str,
    *,
    law: str | Law = "offset",
    cost: str = "compute",
    by: str = "architecture",
    allow_mixed: bool = False,
    evaluations: Reader | None = None,
    **options: Any,
) -> list[Versus]:
    """Compare two architectures of a run table; one answer per data set with `allow_mixed`.

    Args:
        runs: a run table.
        baseline, candidate: values of the column `by`.
        law: a law in compute; name or law.
        cost: see `scaling.analysis.cost.COSTS`.
        allow_mixed: answer for each data set and number of candidates, instead of refusing.
        evaluations: reads losses by user; None where the table is all there is.
        options: of `Setting`.

    Raises:
        ValueError: unknown names or columns, a mixed table, unlike machines, no usable run.
        FitError: a fit that can't be made.
    """
    setting = Setting(law_of(law), **options)
    if not 0 < setting.level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {setting.level!r}")
    if setting.law.variables != ("compute",):
        raise ValueError(f"law {setting.law.name!r} is not in compute: see `climber list laws`")
    if setting.law.increasing:
        raise ValueError(
            f"law {setting.law.name!r} is of a metric that rises: compare by a loss (--target), with "
            "a law that falls"
        )
    at = cost_of(cost)
    sides = sides_of(runs, baseline, candidate, by, allow_mixed, at, setting.target)
    return [
        contest(
            one, two, (baseline, candidate), setting,
            cost=at, scope=scope, evaluations=evaluations,
        )
        for scope, one, two in sides
    ]  # fmt: skip


def _fits(
    baseline: pd.DataFrame,
    candidate: pd.DataFrame,
    setting: Setting,
    budgets: bool,
    evaluations: Reader | None,
) -> Paired:
    options = setting.options()
    if not budgets:
        sides = [
            _hull_fit(runs, setting, number) for number, runs in enumerate((baseline, candidate))
        ]
        return Paired(sides[0], sides[1], "hull", "", float("nan"), False, 0)
    users, why = None, "a run table holds no losses by user"
    if evaluations is not None:
        chosen = [stand_ins(runs, setting.target) for runs in (baseline, candidate)]
        try:
            read = evaluations([run for side in chosen for part in side for run in part])
            users = user_draws(read, *chosen, draws=setting.draws, seed=setting.seed)
        except ValueError as error:
            why = str(error)
    found = paired(baseline, candidate, setting.law, draws=setting.draws, users=users, **options)
    return replace(found, users_reason="" if users else why)


def _hull_fit(runs: pd.DataFrame, setting: Setting, number: int) -> Fit:
    front = frontier(configurations(runs, setting.target), target=setting.target, budgets=False)
    found = fit(setting.law, front.points, **setting.options(), diagnose=False)
    if found.dof < 1:
        raise FitError(
            f"{found.n} points on the frontier: no error of a comparison can be estimated"
        )
    seed = int(np.random.SeedSequence([setting.seed, number]).generate_state(1)[0])
    return bootstrapped(
        found, FrontierSample(front), draws=setting.draws, seed=seed, diagnose=False
    )


def _single(
    baseline: pd.DataFrame, candidate: pd.DataFrame, setting: Setting, words: dict[str, Any]
) -> tuple[Comparison | None, str]:
    sides = []
    for runs in (baseline, candidate):
        table, reason = at_one_candidate(runs)
        if table is None:
            return None, reason
        sides.append(table)
    try:
        pair = _fits(sides[0], sides[1], setting, False, None)
    except FitError as error:
        return None, str(error)
    return compare(pair.baseline, pair.candidate, **words), ""


def _winner(found: Comparison) -> str:
    winners: dict[Verdict, str] = {
        "candidate cheaper": found.candidate,
        "baseline cheaper": found.baseline,
    }
    return winners[found.verdict]
