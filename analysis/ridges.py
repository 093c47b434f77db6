"""What the data can't tell apart, in words: parameters that trade off along a flat valley."""

from __future__ import annotations

import numpy as np

from scaling.analysis.intervals import Method
from scaling.analysis.law import Array
from scaling.analysis.result import Fit, number

DIFFER = " by two methods: "
"""In every sentence about intervals that disagree."""
RIDGE = " fits equally well"
"""In every sentence about a ridge."""
DOUBTFUL = 0.3
"""A linearised interval this wide, on each side and relative to the exponent or to the range of the
target, may be far from the profile's; narrower ones agree within a few percent."""
FLAT = 3.0
"""An exponent whose ends differ by this factor is flat."""
PARTNER = 0.6
"""Of its own way from the optimum to its end: a parameter that moves so much along is a partner."""
DISAGREE = 1.5
"""Two intervals disagree if one is this much wider, or their ends so many half-widths apart."""


def condition(fit: Fit) -> float:
    """Condition number of the Jacobian at the optimum, its columns scaled to length 1.

    Over the parameters that are free and not at a bound; NaN for a fit that doesn't hold its rows.
    """
    problem = fit.problem
    if problem.data is None:
        return float("nan")
    inside = problem.free & (problem.theta > problem.lower) & (problem.theta < problem.upper)
    jacobian = fit.law.evaluate(problem.data.x, problem.theta[None])[1][0][:, inside]
    length = np.sqrt((jacobian**2).sum(axis=0))
    values = np.linalg.svd(jacobian / np.maximum(length, 1e-300), compute_uv=False)
    return float(values[0] / max(values[-1], 1e-300))


def doubtful(fit: Fit, level: float) -> bool:
    """Whether the linearised intervals may mislead, so that the profile is worth its time."""
    lowest, highest = fit.measured[fit.target]
    for name, (low, high) in fit.interval(level, "delta").items():
        if name in fit.fixed:
            continue
        if np.isnan(low) or np.isnan(high):
            return True
        value = fit.params[name]
        scale = highest - lowest if name == fit.law.offset else abs(value)
        if name in fit.law.positive and name not in fit.law.anchors.values():
            low, high, value, scale = np.log(low), np.log(high), np.log(value), 1.0
        elif name != fit.law.offset and name not in fit.law.exponents:
            continue
        if max(high - value, value - low) > DOUBTFUL * scale:
            return True
    return False


def disagreements(fit: Fit, level: float, *methods: Method) -> list[str]:
    """A sentence for each telling parameter whose intervals by two methods differ much."""
    first, second = (fit.interval(level, method) for method in methods)
    out = []
    for name in _telling(fit):
        one, two = np.array(first[name]), np.array(second[name])
        if np.isnan([one, two]).any():
            continue
        if (one == two).all():
            continue
        narrow, wide = sorted((np.ptp(one), np.ptp(two)))
        apart = np.abs(one - two).max()
        if np.isfinite(wide) and apart <= DISAGREE * narrow / 2 and wide <= DISAGREE * narrow:
            continue
        shown = (
            f"{method} [{number(low)}, {number(high)}]"
            for method, (low, high) in zip(methods, (one, two))
        )
        out.append(f"interval of {name}{DIFFER}{' but '.join(shown)}")
    return out


def ridges(fit: Fit, level: float) -> list[str]:
    """A sentence for each parameter that the data leave open, with what it trades off against."""
    free = [name for name in fit.law.parameters if name not in fit.fixed]
    columns = [fit.law.parameters.index(name) for name in free]
    ends = fit.profile(level)
    moved = np.abs(ends.theta[0] - fit.problem.theta)[
        :, :, columns
    ]  # [parameter, side, parameters]
    share = moved.max(axis=1) / np.maximum(moved.max(axis=(0, 1)), 1e-300)
    raw = fit.law.to_raw(ends.theta[0], fit.problem.centre)[:, :, columns]
    telling = _telling(fit)
    out: list[str] = []
    told: list[set[str]] = []
    for k, name in enumerate(free):
        is_open = bool(ends.open[0, k].any())
        if name not in telling or not _flat(fit, name, ends.value[0, k], is_open):
            continue
        order = [j for j in np.argsort(-share[k]) if j != k and free[j] in telling]
        partners = [j for j in order if share[k, j] > PARTNER][:2]
        group = {name, *(free[j] for j in partners)}
        if any(group <= other for other in told):
            continue
        told.append(group)
        low, high = ends.value[0, k]
        more = " and more" if ends.open[0, k, 1] and name != fit.law.offset else ""
        span = f"{name} between {number(low)} and {number(high)}{more}"
        along = ", ".join(
            f"{free[j]} from {number(raw[k, 0, j])} to {number(raw[k, 1, j])}" for j in partners
        )
        *first, last = [name, *(free[j] for j in partners)]
        names = f"{', '.join(first)} and {last}" if first else last
        out.append(
            f"{names} trade off: {span} (with {along}){RIDGE}"
            if partners
            else f"{name} is free: {span}{RIDGE}"
        )
    if out:
        out[0] += f" (condition number {condition(fit):.2g})"
    return out


def _telling(fit: Fit) -> list[str]:
    """Free parameters that say something by themselves: an amplitude at x = 1 doesn't."""
    silent = {*fit.fixed, *fit.law.anchors.values()}
    return [name for name in fit.law.parameters if name not in silent]


def _flat(fit: Fit, name: str, ends: Array, is_open: bool) -> bool:
    low, high = ends
    if name == fit.law.offset:
        lowest, highest = fit.measured[fit.target]
        return bool(high - low > highest - lowest)
    if name in fit.law.exponents:
        return is_open or bool(low <= 0 <= high or max(high / low, low / high) > FLAT)
    return is_open
