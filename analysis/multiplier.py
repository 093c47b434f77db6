"""The compute multiplier of two fitted laws at one compute, with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.analysis.law import Array
from scaling.analysis.result import Fit, Interval, percentiles
from scaling.units import format_si

SLACK = 1.01
"""A law used so little outside its measured range is not called extrapolated."""
FAR = 700.0
"""Natural logs beyond which a compute is not looked for."""


@dataclass(frozen=True)
class Multiplier:
    """m(C) = C_baseline(L_candidate(C)) / C at one compute: above 1 the candidate is cheaper."""

    compute: float
    value: float | None
    """None where the baseline never reaches the candidate's loss, or a loss doesn't fall."""
    interval: Interval
    """May be infinite above, and NaN where there is none."""
    extrapolated: bool
    """Whether either law is used outside its measured range."""
    reason: str = ""
    """Why there is no value, or what is extrapolated."""


def multiplier(
    baseline: Fit, candidate: Fit, compute: float, level: float, unit: str = "FLOPs"
) -> Multiplier:
    """m(C) at one compute.

    With draws in both fits (of equal number, made together) its interval is that of m(C) from draw
    to draw; where the laws fall, an end x of it is where the draws' baseline at x C and candidate
    at C have equal losses (Fieller 1954). Without draws it is the delta method's.
    """
    here = {"compute": np.array([compute])}
    value = float(inverse(baseline, candidate.predict(here), baseline.params)[0]) / compute
    if baseline.draws is not None and candidate.draws is not None:
        ours, theirs = paired_draws(baseline, candidate)
        losses = candidate.law(here, theirs)
        interval = percentiles(inverse(baseline, losses, ours) / compute, level)
    else:
        interval = _delta_interval(baseline, candidate, compute, value, level)
    if not np.isfinite(value):
        low, high = baseline.predict({"compute": np.array(baseline.measured["compute"])})
        why = "levels off above the candidate's loss" if high < low else "doesn't fall"
        return Multiplier(compute, None, interval, True, f"the baseline's fitted curve {why}")
    reason = _extrapolation(baseline, candidate, compute, value * compute, unit)
    return Multiplier(compute, value, interval, bool(reason), reason)


def paired_draws(one: Fit, two: Fit) -> tuple[dict[str, Array], dict[str, Array]]:
    """Draws of two fits, as many of one as of the other."""
    assert one.draws is not None
    assert two.draws is not None
    size = min(len(next(iter(fit.draws.values()))) for fit in (one, two) if fit.draws)
    first, second = (
        {name: np.asarray(fit.draws[name][:size]) for name in fit.params}
        for fit in (one, two)
        if fit.draws is not None
    )
    return first, second


def inverse(fit: Fit, loss: Array, params: Mapping[str, Any]) -> Array:
    """The compute at which the law reaches each loss; infinite if it never does.

    By the law's own formula where it has one, else by bisection, for a law that falls all the way.
    """
    try:
        return np.asarray(fit.law.inverse(loss, params))
    except NotImplementedError:
        pass
    loss = np.asarray(loss, dtype=np.float64)
    shape = np.broadcast_shapes(loss.shape, *(np.shape(value) for value in params.values()))
    low, high = np.full(shape, -FAR), np.full(shape, FAR)
    with np.errstate(over="ignore"):
        for _ in range(60):
            middle = 0.5 * (low + high)
            above = fit.law({"compute": np.exp(middle)}, params) > loss
            low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(np.where(high >= FAR * (1 - 1e-9), np.inf, np.exp(high)))


def covers(fit: Fit, compute: float) -> bool:
    """Whether a compute lies inside the measured range."""
    low, high = fit.measured["compute"]
    return bool(low / SLACK <= compute <= high * SLACK)


def _extrapolation(baseline: Fit, candidate: Fit, compute: float, needed: float, unit: str) -> str:
    """Which of the two laws is used outside what was measured; empty if neither is."""
    notes = []
    for name, fit, c in (("candidate", candidate, compute), ("baseline", baseline, needed)):
        if not covers(fit, c):
            low, high = fit.measured["compute"]
            notes.append(
                f"the {name} was measured from {format_si(low)} to {format_si(high)} {unit}, "
                f"its law is used at {format_si(c)}"
            )
    return "; ".join(notes)


def _delta_interval(
    baseline: Fit, candidate: Fit, compute: float, value: float, level: float
) -> Interval:
    """The baseline's inverse at the candidate's loss, more or less the error of both losses."""
    there = min(value * compute, baseline.measured["compute"][1])
    error = np.hypot(
        candidate.log_error({"compute": compute})[0], baseline.log_error({"compute": there})[0]
    )
    spread = np.maximum(candidate.quantile(level), baseline.quantile(level)) * error  # NaN stays
    if not np.isfinite(spread):
        return (0.0, np.inf)
    loss = candidate.predict({"compute": np.array([compute, compute])})
    ends = inverse(baseline, loss * np.exp([spread, -spread]), baseline.params) / compute
    return (float(ends[0]), float(ends[1]))
