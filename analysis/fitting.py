"""Fit a law to the rows of a run table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from scaling.analysis.diagnosis import diagnosed
from scaling.analysis.law import Array, FitError, Law, law_of
from scaling.analysis.result import Fit, Problem
from scaling.analysis.solver import Loss, Solution, minimise

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
) -> Fit:
    """Fit `law` to every row of `runs`; no row is left out.

    Minimises sum_i rho(ln loss_i - ln L(x_i)), where rho is Huber's function (Hoffmann et al. 2022,
    appendix D.3) or r^2/2, by a bounded Levenberg-Marquardt method from several starts.

    Args:
        law: a registered law's name, or a law.
        runs: holds the law's variables and the target, positive numbers in raw units.
        target: the column to explain; it must fall with the variables.
        objective: `huber`, insensitive to single bad runs, or `squares`, which needs fewer runs.
        huber_delta: where Huber's function turns linear, as a relative error of the loss.
        fixed: given parameters, in raw units.
        starts: how many (the first from the data, the others random), or the starts themselves as
            raw parameters.
        seed: of the random starts.

    Raises:
        FitError: a missing column, missing or non-positive numbers (the rows are named), fewer
            distinct rows than free parameters, or a variable that doesn't vary.
        ValueError: an unknown law, objective or fixed parameter.
    """
    law = law_of(law)
    given = _given(law, fixed or {})
    loss = _loss(objective, huber_delta)
    logs, values = _rows(law, runs, target)
    free = np.array([name not in given for name in law.parameters])
    _refuse_hopeless(law, logs, values, given, target)

    centre = law.centre(logs, given)
    x = logs - centre
    rng = np.random.default_rng(seed)
    if isinstance(starts, int):
        theta = law.starts(x, values, max(starts, 1), rng)
    else:
        theta = np.stack([_working(law, {**start, **given}, centre) for start in starts])
    if given:
        # An anchored amplitude is one working coordinate, so any value of the others will do here.
        filled = {**dict.fromkeys(law.parameters, 1.0), **given}
        theta[:, ~free] = _working(law, filled, centre)[~free]
    lower, upper = law.bounds(x, values)
    solution = minimise(
        law.evaluate, theta, x[None], np.log(values)[None], np.ones((1, len(values))),
        lower=lower, upper=upper, free=free, loss=loss,
    )  # fmt: skip
    best = solution.theta[int(np.argmin(solution.objective))]
    problem = Problem(best, centre, free, lower, upper, loss, np.zeros((free.size, free.size)))
    return _result(law, target, objective, given, logs, values, solution, problem)


def _given(law: Law, fixed: Mapping[str, float]) -> dict[str, float]:
    for name, value in fixed.items():
        if name not in law.parameters:
            raise ValueError(
                f"law {law.name!r} has no parameter {name!r}; valid: {', '.join(law.parameters)}"
            )
        low = 0.0 if name in law.positive or name == law.offset else -np.inf
        if not np.isfinite(value) or value < low or (name in law.positive and value == 0):
            raise ValueError(f"parameter {name!r} of law {law.name!r} can't be {value!r}")
    return {name: float(fixed[name]) for name in law.parameters if name in fixed}


def _loss(objective: str, huber_delta: float) -> Loss:
    if objective not in ("huber", "squares"):
        raise ValueError(f"unknown objective {objective!r}; valid: huber, squares")
    if not huber_delta > 0:
        raise ValueError(f"huber_delta must be above 0, got {huber_delta!r}")
    return Loss(huber_delta if objective == "huber" else np.inf)


def _rows(law: Law, runs: pd.DataFrame, target: str) -> tuple[Array, Array]:
    """Logs of the variables `[rows, variables]` and the target `[rows]`, in one order for all."""
    names = [*law.variables, target]
    for name in names:
        if name not in runs.columns:
            raise FitError(
                f"the table has no column {name!r}, which law {law.name!r} needs; it has: "
                f"{', '.join(map(str, runs.columns))}"
            )
    table = runs[names].apply(pd.to_numeric, errors="coerce")
    for name in names:
        column = table[name].to_numpy(dtype=np.float64)
        bad = ~(np.isfinite(column) & (column > 0))
        if bad.any():
            rows = [str(row) for row in runs.index[bad]]
            shown = ", ".join(rows[:8]) + (f" and {len(rows) - 8} more" if len(rows) > 8 else "")
            raise FitError(f"{name} must be a positive number, and isn't in row {shown}")
    values = table.to_numpy(dtype=np.float64)
    values = values[np.lexsort(values.T)]  # the result can't depend on the order of the rows
    return np.log(values[:, :-1]), values[:, -1]


def _refuse_hopeless(
    law: Law, logs: Array, values: Array, given: Mapping[str, float], target: str
) -> None:
    free = [name for name in law.parameters if name not in given]
    if not free:
        raise FitError(f"every parameter of law {law.name!r} is given: nothing to fit")
    floor = given.get(law.offset or "")
    if floor is not None and floor >= values.max():
        raise FitError(f"{law.offset} is given as {floor:.4g}, which is above every {target}")
    if len(values) > 1 and np.ptp(values) < 1e-12 * values.max():
        raise FitError(f"every row has {target} = {values[0]:.6g}: there is nothing to explain")
    if len(values) < len(free):
        raise FitError(
            f"{len(values)} rows can't determine the {len(free)} free parameters "
            f"({', '.join(free)}) of law {law.name!r}"
        )
    for column, variable in enumerate(law.variables):
        if np.ptp(logs[:, column]) < 1e-9:
            raise FitError(
                f"all rows have {variable} = {np.exp(logs[0, column]):.4g}: law {law.name!r} "
                f"can't be told from a constant in {variable}"
            )
    distinct = len(np.unique(np.round(logs, 9), axis=0))
    if distinct < len(free):
        raise FitError(
            f"{distinct} distinct values of {', '.join(law.variables)} can't determine the "
            f"{len(free)} free parameters ({', '.join(free)}) of law {law.name!r}"
        )


def _working(law: Law, raw: Mapping[str, float], centre: Array) -> Array:
    missing = [name for name in law.parameters if name not in raw]
    if missing:
        raise ValueError(f"a start of law {law.name!r} lacks {missing[0]!r}")
    return law.to_working(np.array([raw[name] for name in law.parameters], dtype=float), centre)


def _result(
    law: Law,
    target: str,
    objective: str,
    given: dict[str, float],
    logs: Array,
    values: Array,
    solution: Solution,
    problem: Problem,
) -> Fit:
    best = int(np.argmin(solution.objective))
    minimum = float(solution.objective[best])
    x = logs - problem.centre
    predicted, gradient = law.evaluate(x[None], problem.theta[None])
    residual = np.log(values) - predicted[0]
    bound = (problem.theta <= problem.lower) | (problem.theta >= problem.upper)
    inside = problem.free & ~bound
    dof = len(values) - int(problem.free.sum())
    working, scatter = _covariance(gradient[0], residual, inside, dof, problem.loss)
    problem = replace(problem, cov=working)
    raw_gradient = law.raw_gradient(problem.theta, problem.centre)
    cov = raw_gradient @ working @ raw_gradient.T
    # A raw parameter is unknown when any working one that it depends on is.
    unknown = (np.abs(raw_gradient) > 0) @ (problem.free & ~(inside & (dof > 0)))
    cov[unknown, :] = cov[:, unknown] = np.nan
    names = list(law.parameters)
    raw = law.to_raw(problem.theta, problem.centre)
    params = dict(zip(names, (float(value) for value in raw))) | given
    error = np.sqrt(np.maximum(np.diag(cov), 0.0))
    stderr = dict(zip(names, (float(value) for value in error)))
    fitted = Fit(
        law=law, target=target, params=params, stderr=stderr,
        cov=pd.DataFrame(cov, index=names, columns=names),
        n=len(values), dof=dof, fixed=given, objective=minimum,
        objective_name=f"huber {problem.loss.delta:g}" if objective == "huber" else "squares",
        starts=len(solution.objective),
        starts_at_optimum=float(np.mean(solution.objective <= minimum * (1 + 1e-4) + 1e-18)),
        scatter=scatter,
        measured={
            name: (float(np.exp(logs[:, k].min())), float(np.exp(logs[:, k].max())))
            for k, name in enumerate(law.variables)
        }
        | {target: (float(values.min()), float(values.max()))},
        problem=problem,
    )  # fmt: skip
    return diagnosed(
        fitted,
        settled=bool(solution.converged[best]),
        bound=[name for name, at in zip(names, problem.free & bound) if at],
        tied=len(law.variables) > 1 and _tied(logs),
    )


def _covariance(
    gradient: Array, residual: Array, inside: np.ndarray, dof: int, loss: Loss
) -> tuple[Array, float]:
    """Covariance of the working parameters (0 for those not inside), and the residual scatter.

    M-estimator with normal errors: sigma^2 E[psi^2] / E[psi']^2 (J'J)^-1 with
    c = delta / sigma (Huber 1964). Counting the rows within delta instead would rest on two or
    three rows where delta is far below the noise.
    """
    size = gradient.shape[1]
    cov = np.zeros((size, size))
    if dof <= 0 or not inside.any():
        return cov, float("nan")
    scatter = float(np.sqrt((residual**2).sum() / dof))
    jacobian = gradient[:, inside]
    scale = np.maximum(np.sqrt((jacobian**2).sum(axis=0)), 1e-150)
    inverse = np.linalg.pinv((jacobian / scale).T @ (jacobian / scale), rcond=1e-13)
    cov[np.ix_(inside, inside)] = inverse / np.outer(scale, scale) * scatter**2
    if np.isfinite(loss.delta) and scatter > 0:
        c = loss.delta / scatter
        within = 2 * stats.norm.cdf(c) - 1
        squared = within - 2 * c * stats.norm.pdf(c) + 2 * c**2 * stats.norm.sf(c)
        cov *= max(squared / within**2, 1.0)
    return cov, scatter


def _tied(logs: Array) -> bool:
    """Whether two variables move together so closely that their terms can't be told apart."""
    correlation = np.atleast_2d(np.corrcoef(logs.T))
    above = np.triu(np.abs(correlation), 1)
    return bool((above > 0.999).any())
