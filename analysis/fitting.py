"""Fit a law to the rows of a run table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd

from scaling.analysis.delta import huber_factors, inverse_information
from scaling.analysis.diagnosis import diagnosed, with_interval_warnings
from scaling.analysis.law import Array, Law, law_of
from scaling.analysis.multistart import Optimum, best_of, spread
from scaling.analysis.noise import with_rows
from scaling.analysis.result import Fit, Problem
from scaling.analysis.rows import Rows, read_rows, refuse_hopeless, refuse_wrong_way, repeats, tied
from scaling.analysis.solver import Loss

Objective = Literal["huber", "squares"]


def fit(
    law: str | Law,
    runs: pd.DataFrame,
    *,
    target: str = "loss",
    objective: Objective = "huber",
    huber_delta: float = 1e-3,
    fixed: Mapping[str, float] | None = None,
    starts: int | Sequence[Mapping[str, float]] = 24,
    seed: int = 0,
    diagnose: bool = True,
) -> Fit:
    """Fit `law` to every row of `runs`; no row is left out.

    Minimises sum_i rho(ln loss_i - ln L(x_i)), where rho is Huber's function (Hoffmann et al. 2022,
    appendix D.3) or r^2/2, by a bounded Levenberg-Marquardt method from several starts.

    Args:
        law: a registered law's name, or a law.
        runs: holds the law's variables and the target, positive numbers in raw units.
        target: the column to explain; it must fall with the variables, or rise for a law that does.
        objective: `huber`, insensitive to single bad runs, or `squares`, which needs fewer runs.
        huber_delta: where Huber's function turns linear, as a relative error of the loss.
        fixed: given parameters, in raw units.
        starts: how many (the first from the data, the others random), or the starts themselves as
            raw parameters.
        seed: of the random starts.
        diagnose: whether to say what the data leave open; where they leave much, that takes several
            times as long as the fit. Without it the status says only how the optimizer ended.

    Raises:
        FitError: a missing column, missing or non-positive numbers (the rows are named), fewer
            distinct rows than free parameters, a variable that doesn't vary, or a target that
            plainly goes the other way than the law.
        ValueError: an unknown law, objective or fixed parameter.
    """
    law = law_of(law)
    given = check_given(law, fixed or {})
    loss = row_loss(objective, huber_delta)
    rows = read_rows(law, runs, target)
    free = np.array([name not in given for name in law.parameters])
    refuse_hopeless(law, rows, given)
    refuse_wrong_way(law, rows)

    centre = law.centre(rows.logs, given)
    x = rows.logs - centre
    if isinstance(starts, int):
        # From an evenly spread part of a large table: a start needs no more.
        few = spread(len(x))
        rng = np.random.default_rng(seed)
        theta = law.starts(x[few], rows.values[few], max(starts, 1), rng)
    else:
        theta = np.stack([_working(law, {**start, **given}, centre) for start in starts])
    if given:
        # An anchored amplitude is one working coordinate, so any value of the others will do here.
        theta[:, ~free] = _working(law, {**law.example, **given}, centre)[~free]
    lower, upper = law.bounds(x, rows.values)
    log_values = np.log(rows.values)
    best = best_of(
        law.evaluate, theta, x, log_values, lower=lower, upper=upper, free=free, loss=loss
    )
    predicted, gradient = law.evaluate(x[None], best.theta[None])
    at_bound = (best.theta <= lower) | (best.theta >= upper)
    inside = free & ~at_bound
    dof = len(x) - int(free.sum())
    cov, scatter = covariance(gradient[0], log_values - predicted[0], inside, dof, loss)
    found = described(
        law, rows, given, best,
        Problem(best.theta, centre, free, lower, upper, loss, cov),
        dof=dof, scatter=scatter, objective=objective_name(loss),
    )  # fmt: skip
    found = diagnosed(
        with_rows(found, runs),
        settled=best.settled,
        bound=[name for name, at in zip(law.parameters, free & at_bound) if at],
        tied=tied(rows.logs),
    )
    if diagnose:
        found = with_interval_warnings(found)
    again = repeats(rows)
    return replace(found, warnings=(again, *found.warnings)) if again else found


def described(
    law: Law,
    rows: Rows,
    given: Mapping[str, float],
    best: Optimum,
    problem: Problem,
    *,
    dof: int,
    scatter: float,
    objective: str,
) -> Fit:
    """The fit in raw units, without its diagnosis.

    Args:
        law, rows, given: what was fitted.
        best: the optimum.
        problem: the law's working side, at the optimum.
        dof: rows less free parameters.
        scatter: standard deviation of the log residuals.
        objective: its name.
    """
    raw_gradient = law.raw_gradient(problem.theta, problem.centre)
    cov = raw_gradient @ problem.cov @ raw_gradient.T
    # A raw parameter is unknown when any working one that it depends on is.
    inside = np.diag(problem.cov) > 0
    unknown = (np.abs(raw_gradient) > 0) @ (problem.free & ~(inside & (dof > 0)))
    cov[unknown, :] = cov[:, unknown] = np.nan
    names = list(law.parameters)
    raw = law.to_raw(problem.theta, problem.centre)
    params = dict(zip(names, (float(value) for value in raw))) | dict(given)
    error = np.sqrt(np.maximum(np.diag(cov), 0.0))
    ends = np.exp([rows.logs.min(axis=0), rows.logs.max(axis=0)])
    measured = {
        name: (float(ends[0, k]), float(ends[1, k])) for k, name in enumerate(law.variables)
    }
    measured[rows.target] = (float(rows.values.min()), float(rows.values.max()))
    return Fit(
        law=law, target=rows.target, params=params,
        stderr=dict(zip(names, (float(value) for value in error))),
        cov=pd.DataFrame(cov, index=names, columns=names),
        n=len(rows.values), dof=dof, fixed=dict(given),
        objective=best.objective, objective_name=objective,
        starts=best.starts, starts_at_optimum=best.starts_at_optimum,
        scatter=scatter, measured=measured, problem=problem,
    )  # fmt: skip


def check_given(law: Law, fixed: Mapping[str, float]) -> dict[str, float]:
    """The given parameters in the law's order; `ValueError` for one it hasn't or that can't be."""
    for name, value in fixed.items():
        if name not in law.parameters:
            raise ValueError(
                f"law {law.name!r} has no parameter {name!r}; valid: {', '.join(law.parameters)}"
            )
        free = (0.0, np.inf) if name in law.positive or name == law.offset else (-np.inf, np.inf)
        low, high = law.ranges.get(name, free)
        if not (np.isfinite(value) and low <= value <= high) or (
            name in law.positive and value == 0
        ):
            raise ValueError(f"parameter {name!r} of law {law.name!r} can't be {value!r}")
    return {name: float(fixed[name]) for name in law.parameters if name in fixed}


def row_loss(objective: str, huber_delta: float) -> Loss:
    """What is summed over rows, by its name."""
    if objective not in ("huber", "squares"):
        raise ValueError(f"unknown objective {objective!r}; valid: huber, squares")
    if not huber_delta > 0:
        raise ValueError(f"huber_delta must be above 0, got {huber_delta!r}")
    return Loss(huber_delta if objective == "huber" else np.inf)


def _working(law: Law, raw: Mapping[str, float], centre: Array) -> Array:
    missing = [name for name in law.parameters if name not in raw]
    if missing:
        raise ValueError(f"a start of law {law.name!r} lacks {missing[0]!r}")
    return law.to_working(np.array([raw[name] for name in law.parameters], dtype=float), centre)


def objective_name(loss: Loss) -> str:
    """As a fit says it."""
    return f"huber {loss.delta:g}" if np.isfinite(loss.delta) else "squares"


def covariance(
    gradient: Array, residual: Array, inside: np.ndarray, dof: int, loss: Loss
) -> tuple[Array, float]:
    """Covariance of the working parameters (0 for those not inside), and the residual scatter.

    M-estimator with normal errors: sigma^2 E[psi^2] / E[psi']^2 (J'J)^-1 (Huber 1964).
    """
    if dof <= 0 or not inside.any():
        return np.zeros((inside.size, inside.size)), float("nan")
    scatter = float(np.sqrt((residual**2).sum() / dof))
    inverse = inverse_information(gradient[None], np.ones((1, len(residual))), inside[None])[0]
    factor, _ = huber_factors(loss, np.array(scatter))
    return np.asarray(inverse * scatter**2 * factor), scatter
