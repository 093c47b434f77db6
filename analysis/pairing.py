"""Draws of two architectures' frontiers made together, for comparing them.

The same seeds see the same requests in the same order, and all runs are evaluated on the same users:
noise that two architectures share says nothing about which is better, and cancels here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from scaling.analysis.budget_points import SAID, Rule, budget_points, rule_for
from scaling.analysis.distributions import t_quantile
from scaling.analysis.fitting import Objective, fit
from scaling.analysis.law import Array, FitError, Law
from scaling.analysis.repeats import Noise, Repeats, common_noise, noise_of, repeats
from scaling.analysis.result import Fit
from scaling.analysis.solver import minimise
from scaling.analysis.users import UserDraws

NO_MISFIT = 0.3
"""Odds before seeing the data that points scatter about the law as seeds say, and no more. In 400
simulations a cell, 0 made intervals 1.7 times too wide and 0.6 left 90 % coverage under misfit."""
MISFIT_RANGE = 1e3
"""The scatter about the law may have so many times the variance that the seeds account for."""
ENOUGH_SEEDS = 10
"""Degrees of freedom between seeds below which only the scatter about the law is believed."""
EFFICIENT = 1.5
"""Huber's delta in standard deviations of a point, at least: 96 % of the efficiency of least squares."""
REPEATED = 200
"""In so many draws the choice is repeated; more have normal errors of the same covariance."""
DETECTED = 0.05
"""Shared noise is made use of where chance would show as much correlation in so few cases."""


@dataclass(frozen=True)
class Paired:
    """Two fits whose draws were made together."""

    baseline: Fit
    candidate: Fit
    rule: Rule
    why: str
    """Why a budget isn't valued by its valley; empty if it is."""
    correlation: float
    """Between the two architectures' noise of the same seeds; NaN where it can't be known."""
    seeds_paired: bool
    """Whether that was made use of."""
    users: int
    """How many users the evaluation was resampled over; 0: it wasn't."""
    users_reason: str = ""
    """Why not."""

    def sentence(self) -> str:
        """How the frontier was valued and what was paired."""
        valued = f"Frontier: {SAID[self.rule]}" + (f" ({self.why})" if self.why else "")
        if np.isnan(self.correlation):
            seeds = "not paired over seeds (fewer than two in common)"
        elif self.seeds_paired:
            seeds = f"paired over seeds (their noise correlates by {self.correlation:.2f})"
        else:
            seeds = f"not paired over seeds (their noise correlates by {self.correlation:.2f}, not shown)"
        users = f"paired over {self.users} users" if self.users else "not paired over users"
        users += f" ({self.users_reason})" if self.users_reason else ""
        return f"{valued}; {seeds}; {users}."

    def to_dict(self) -> dict[str, Any]:
        return {
            "rule": self.rule, "why": self.why, "seed_correlation": self.correlation,
            "seeds_paired": self.seeds_paired, "users": self.users or None, "users_reason": self.users_reason,
        }  # fmt: skip


def paired(
    baseline: pd.DataFrame | Repeats,
    candidate: pd.DataFrame | Repeats,
    law: Law,
    *,
    target: str = "loss",
    objective: Objective = "huber",
    huber_delta: float = 1e-3,
    fixed: Mapping[str, float] | None = None,
    starts: int = 24,
    draws: int = 2000,
    seed: int = 0,
    rule: Rule | None = None,
    users: UserDraws | None = None,
) -> Paired:
    """Fit a law to two frontiers at shared budgets, with draws made together.

    In every draw each run gets noise as the seeds show it (the shared part alike in both), the
    budgets are valued again, and scatter about the law beyond that is added, its variance drawn
    given the residuals of both fits; then the law is fitted to the fitted curve plus those errors.

    Args:
        baseline, candidate: usable runs of one architecture each, or their `repeats`.
        law: a law in compute.
        target, objective, fixed, starts, seed: see `fit`.
        huber_delta: at least; where it lies below the noise of a point it is raised, since a
            frontier of few points can't spare the efficiency.
        draws: how many.
        rule: how budgets are valued; None: as the configurations allow.
        users: draws of the evaluation's users.

    Raises:
        FitError: a fit that can't be made, or with as many free parameters as points in both.
    """
    data = tuple(
        side if isinstance(side, Repeats) else repeats(side, target)
        for side in (baseline, candidate)
    )
    pair = (data[0], data[1])
    noises = (noise_of(pair[0]), noise_of(pair[1]))
    why = ""
    if rule is None:
        rule, why = rule_for(pair, noises)
    rng = np.random.default_rng(seed)
    covariance, correlation, cells = common_noise(*pair)
    shown = _detected(correlation, cells)
    shared = float(np.clip(covariance, 0.0, min(n.shared for n in noises))) if shown else 0.0
    errors = _errors(pair, noises, shared, rule, min(draws, REPEATED), rng)
    if draws > REPEATED:
        joint = np.cov(np.concatenate(errors, axis=1), rowvar=False)
        more = rng.multivariate_normal(np.zeros(len(joint)), joint, size=draws, method="eigh")
        errors = np.split(more, [errors[0].shape[1]], axis=1)
    points = [_points(side, rule, target) for side in pair]
    found = [
        _fitted(law, table, error, target, objective, huber_delta, fixed, starts, seed)
        for table, error in zip(points, errors)
    ]
    known = min(noise.dof for noise in noises) >= ENOUGH_SEEDS
    misfit = _misfit(found, errors, NO_MISFIT if known else 0.0, draws, rng)
    if users is not None:  # alike at all budgets, so no part of the scatter about the law
        errors = [e + drawn[:draws] for e, drawn in zip(errors, (users.baseline, users.candidate))]
    fits = [
        _drawn(one, table["compute"].to_numpy(), error, misfit, rng)
        for one, table, error in zip(found, points, errors)
    ]
    return Paired(fits[0], fits[1], rule, why, correlation, shared > 0, users.users if users else 0)


def _detected(correlation: float, cells: int) -> bool:
    """Whether a correlation is above 0 by more than chance (one-sided)."""
    if cells < 3 or not np.isfinite(correlation):
        return False
    score = correlation * np.sqrt((cells - 1) / max(1.0 - correlation**2, 1e-12))
    return bool(score > t_quantile(1.0 - DETECTED, cells - 1))


def _errors(
    pair: tuple[Repeats, Repeats],
    noises: tuple[Noise, Noise],
    shared: float,
    rule: Rule,
    draws: int,
    rng: np.random.Generator,
) -> list[Array]:
    """Errors of the points of both frontiers that the seeds account for, `[draws, budgets]`."""
    budgets = {value: k for k, value in enumerate(np.union1d(pair[0].budgets, pair[1].budgets))}
    seeds = sorted({*pair[0].seeds, *pair[1].seeds})
    both = rng.normal(size=(draws, len(budgets), max(len(seeds), 1)))
    out = []
    for data, noise in zip(pair, noises):
        place = np.array([budgets[value] for value in data.budgets])[data.budget]
        shape = (draws, *data.target.shape)
        own = rng.normal(size=(draws, len(data.budgets), data.target.shape[1]))[:, data.budget]
        error = np.sqrt(noise.total - noise.shared) * rng.normal(size=shape)
        error += np.sqrt(noise.shared - shared) * own
        if shared:
            columns = [seeds.index(name) for name in data.seeds]
            error += np.sqrt(shared) * both[:, place][:, :, columns]
        # Every draw starts from the means: seeds that are exchanged change nothing.
        target = _mean(data.target) + error
        selection = target
        if noise.selection or data.selection is not data.target:
            extra = np.sqrt(noise.selection) * rng.normal(size=shape)
            selection = target + _mean(data.selection) - _mean(data.target) + extra
        points = budget_points(data, target, selection, rule)
        out.append(points - points.mean(axis=0))
    return out


def _mean(logs: Array) -> Array:
    return np.asarray(np.nanmean(logs, axis=1))[:, None]


def _points(data: Repeats, rule: Rule, target: str) -> pd.DataFrame:
    """The frontier: compute and loss of each budget."""
    values = budget_points(data, data.target[None], data.selection[None], rule)[0]
    logs = pd.Series(np.log(data.compute)).groupby(data.budget).mean().to_numpy()
    points = pd.DataFrame({"compute": np.exp(logs), target: np.exp(values)})
    return points.set_axis([f"budget {value:.3g}" for value in data.budgets])


def _fitted(
    law: Law,
    points: pd.DataFrame,
    errors: Array,
    target: str,
    objective: Objective,
    huber_delta: float,
    fixed: Mapping[str, float] | None,
    starts: int,
    seed: int,
) -> Fit:
    options: dict[str, Any] = {
        "target": target, "objective": objective, "fixed": fixed, "starts": starts, "seed": seed,
        "diagnose": False,
    }  # fmt: skip
    delta = max(huber_delta, EFFICIENT * float(errors.std()))
    first = fit(law, points, huber_delta=delta, **options)
    if objective == "squares" or not first.dof or EFFICIENT * first.scatter <= delta:
        return first
    return fit(law, points, huber_delta=EFFICIENT * first.scatter, **options)


def _misfit(
    fits: list[Fit], errors: list[Array], no_misfit: float, draws: int, rng: np.random.Generator
) -> Array:
    """Draws of the variance about the law that the seeds don't account for, `[draws]`.

    Given it, (residual sum) / (v + misfit) has a chi^2 distribution in each fit, v being what the
    errors show. Before the data: `no_misfit` for exactly 0, the rest spread evenly over the log of
    the whole variance up to `MISFIT_RANGE`.
    """
    spare = [
        (one.dof, one.scatter**2, float(e.var())) for one, e in zip(fits, errors) if one.dof > 0
    ]
    if not spare:
        free = int(fits[0].problem.free.sum())
        raise FitError(
            f"as many free parameters ({free}) as budgets: no error of a comparison can be estimated"
        )
    dof, residual, shown = (np.array(column) for column in zip(*spare))
    base = max(float(shown.mean()), 1e-4 * float(residual.mean()), 1e-18)
    top = max(MISFIT_RANGE * base, MISFIT_RANGE * float(residual.max()))
    logs = np.linspace(np.log(base), np.log(top), 2000)
    misfit = np.exp(logs) - base
    whole = np.maximum(shown, 1e-4 * residual.mean() + 1e-18) + misfit[:, None]
    chance = -0.5 * (dof * (np.log(whole) + residual / whole)).sum(axis=1)
    weight = np.exp(chance - chance.max())
    spread = weight * (logs[1] - logs[0]) / np.log(MISFIT_RANGE) * (1.0 - no_misfit)
    spread[0] += no_misfit * weight[0]
    share = np.cumsum(spread)
    drawn = np.interp(rng.random(draws), share / share[-1], misfit)
    return np.asarray(np.maximum(drawn, 0.0))


def _drawn(
    found: Fit, compute: Array, errors: Array, misfit: Array, rng: np.random.Generator
) -> Fit:
    """The fit with draws: refitted to its curve plus errors."""
    law, problem = found.law, found.problem
    x = np.log(compute)[None, :, None] - problem.centre
    curve = law.evaluate(x, problem.theta[None])[0]
    logs = curve + errors + np.sqrt(misfit)[:, None] * rng.normal(size=errors.shape)
    solution = minimise(
        law.evaluate, np.repeat(problem.theta[None], len(logs), axis=0), x, logs,
        np.ones((1, errors.shape[1])),
        lower=problem.lower, upper=problem.upper, free=problem.free, loss=problem.loss,
    )  # fmt: skip
    raw = law.to_raw(solution.theta, problem.centre)
    draws = {name: raw[:, k] for k, name in enumerate(law.parameters)}
    return replace(found, draws=draws | {k: np.full(len(raw), v) for k, v in found.fixed.items()})
