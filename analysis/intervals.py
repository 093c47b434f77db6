"""Intervals of one fit, by the profile, the linearised and the bootstrap method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from scaling.analysis.delta import huber_factors
from scaling.analysis.law import Array
from scaling.analysis.profile import Ends, Interval, Optima, profile
from scaling.analysis.quantities import Quantity, gradient

if TYPE_CHECKING:
    from scaling.analysis.result import Fit

Method = Literal["profile", "delta", "bootstrap"]


def intervals(
    fit: Fit, quantities: Sequence[Quantity], level: float, method: Method
) -> list[Interval]:
    """Interval of each quantity; NaN where there is none, infinite where an end is open.

    Raises:
        ValueError: an unknown method, or one the fit has nothing for.
    """
    if method == "bootstrap":
        return [bootstrap_interval(fit, quantity, level) for quantity in quantities]
    if method == "delta" or fit.dof <= 0:
        return [delta_interval(fit, quantity, level) for quantity in quantities]
    if method != "profile":
        raise ValueError(f"unknown interval method {method!r}; valid: profile, delta, bootstrap")
    ends = profile_ends(fit, quantities, level)
    return [ends.closed(quantity, k) for k, quantity in enumerate(quantities)]


def delta_interval(fit: Fit, quantity: Quantity, level: float) -> Interval:
    """Value more or less Student's t times the linearised error, on the quantity's scale."""
    problem = fit.problem
    slope = gradient(quantity, fit.law, problem.theta[None], problem.centre)[0]
    (value,) = quantity.scaled(fit.law, problem.theta[None], problem.centre)
    error = float(np.sqrt(max(slope @ problem.cov @ slope, 0.0)))
    unknown = problem.free & ((np.diag(problem.cov) == 0) | (fit.dof <= 0))
    if (np.abs(slope[unknown]) > 0).any():
        return (np.nan, np.nan)
    half = 0.0 if error == 0 else fit.quantile(level) * error
    low, high = quantity.unscaled(np.array([value - half, value + half]))
    return (float(max(low, quantity.bounds[0])), float(min(high, quantity.bounds[1])))


def bootstrap_interval(fit: Fit, quantity: Quantity, level: float) -> Interval:
    """Percentiles of the quantity over the draws."""
    if fit.draws is None:
        raise ValueError("this fit has no draws: see `bootstrapped`")
    return percentiles(
        quantity.of({name: np.asarray(fit.draws[name]) for name in fit.params}), level
    )


def profile_ends(fit: Fit, quantities: Sequence[Quantity], level: float) -> Ends:
    """Where the objective has risen by t^2/2 in units of the noise.

    With least squares and d degrees of freedom, SSE(c)/SSE(min) - 1 = t_d^2 / d; with Huber's
    function the objective is E[psi'] as curved, and its noise E[psi^2] (Huber 1964).

    Raises:
        ValueError: a fit that doesn't hold its rows.
    """
    problem, data = fit.problem, fit.problem.data
    if data is None:
        raise ValueError("this fit doesn't hold its rows: profile intervals need them")
    optima = Optima(
        fit.law, problem.theta[None], np.array([fit.objective]), problem.centre,
        problem.lower, problem.upper, problem.free, problem.loss,
    )  # fmt: skip
    rise = _rise(fit, level)
    return profile(optima, data, quantities, np.array([rise]))


def _rise(fit: Fit, level: float) -> float:
    factor, curvature = huber_factors(fit.problem.loss, np.array(fit.scatter))
    variance = fit.scatter**2 * fit.inflation * float(factor * curvature)
    return max(0.5 * fit.quantile(level) ** 2 * variance, 1e-24)


def percentiles(draws: Array, level: float) -> Interval:
    """The central interval of the draws; draws that are infinite keep their place in the order."""
    tail = 50.0 * (1.0 - level)
    ordered = np.sort(draws[~np.isnan(draws)])
    if ordered.size == 0:
        return (np.nan, np.nan)
    # `method` avoids interpolating between a number and infinity, which gives NaN.
    low = np.percentile(ordered, tail, method="lower")
    high = np.percentile(ordered, 100.0 - tail, method="higher")
    return float(low), float(high)
