"""Is the error of one hold-out more than the law's own and the noise allow?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from scaling.analysis.delta import huber_factors
from scaling.analysis.distributions import normal_quantile, t_quantile, t_tail
from scaling.analysis.law import Array
from scaling.analysis.result import Fit, Interval
from scaling.analysis.solver import minimise

_REACH = np.array([0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0])
"""Errors tried on each side, in half-widths of the linearised interval."""

EXACT = 1e-6
"""Errors of ln(loss) below it are digits of the losses and of the fit, not noise."""


def log_errors(found: Fit, rows: pd.DataFrame, target: str) -> Array:
    # A law that falls below 0 is as wrong as one can be, not a missing number.
    predicted = np.maximum(found.predict(rows), 1e-300)
    return np.asarray(np.log(rows[target].to_numpy(dtype=np.float64) / predicted))


def tested(
    found: Fit, window: pd.DataFrame, held: pd.DataFrame, level: float
) -> tuple[float, int, Interval]:
    """Normal score of the level's mean error, its degrees of freedom, the errors allowed."""
    law, problem = found.law, found.problem
    both = pd.concat([window, held])
    x = np.log(both[list(law.variables)].to_numpy(dtype=np.float64)) - problem.centre
    errors, old = log_errors(found, held, found.target), len(window)
    mean = float(errors.mean())
    dof = found.dof + len(held) - 1
    half = float(t_quantile(0.5 + level / 2, dof)) * float(
        np.hypot(
            found.scatter / np.sqrt(len(held)),
            found.log_error({name: held[name].to_numpy() for name in law.variables}).mean(),
        )
    )
    half = max(half, EXACT)
    tried = np.concatenate([-_REACH[::-1] * half, [0.0], _REACH * half, [mean]])
    log_target = np.repeat(
        np.log(both[found.target].to_numpy(dtype=np.float64))[None], len(tried), 0
    )
    log_target[:, old:] += (tried - mean)[:, None]
    theta = np.repeat(problem.theta[None], len(tried), axis=0)
    solution = minimise(
        law.evaluate, theta, x[None], log_target, np.ones((1, len(both))),
        lower=problem.lower, upper=problem.upper, free=problem.free, loss=problem.loss,
    )  # fmt: skip
    best = int(np.argmin(solution.objective))
    value, _ = law.evaluate(x[None], solution.theta[best : best + 1])
    variance = float(((log_target[best] - value[0]) ** 2).sum()) / dof
    variance = max(variance, EXACT**2)
    # What a rise of Huber's objective is worth: Var psi / E psi' for normal errors.
    spread, curvature = huber_factors(problem.loss, np.sqrt(np.array(variance)))
    worth = max(variance * float(spread * curvature), 1e-300)
    raised = 2.0 * (solution.objective - solution.objective[best])
    t = np.sqrt(np.maximum(raised, 0.0) / worth)
    low, high = (
        float(end)
        for end in _crossings(tried[:-1], t[:-1], float(t_quantile(0.5 + level / 2, dof)))
    )
    # Beyond 8 the normal tail underflows to nothing that anybody reads.
    tail = float(-normal_quantile(max(float(t_tail(t[-1], dof)), 1e-15)))
    return float(np.sign(mean) * tail), dof, (low, high)


def _crossings(tried: Array, t: Array, quantile: float) -> Interval:
    """Where t passes the quantile on both sides of its minimum; infinite where it never does."""
    at = int(np.argmin(t))

    def end(side: Array, heights: Array) -> float:
        above = np.flatnonzero(heights > quantile)
        if above.size == 0:
            return np.inf
        k = int(above[0])
        if k == 0:
            return float(abs(side[0]))
        share = (quantile - heights[k - 1]) / (heights[k] - heights[k - 1])
        return float(abs(side[k - 1] + share * (side[k] - side[k - 1])))

    low = end(tried[at::-1], t[at::-1])
    high = end(tried[at:], t[at:])
    return (-low if tried[at] - low <= 0 else low, high)
