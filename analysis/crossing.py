"""Where two fitted laws meet: the compute from which on the other one is cheaper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.analysis.law import Array
from scaling.analysis.multiplier import paired_draws
from scaling.analysis.result import Fit, Interval
from scaling.units import plain

REACH = 1000.0
"""A crossing is looked for up to this factor outside the common range."""
STEPS = 600
"""Computes at which the two laws are held against each other."""


@dataclass(frozen=True)
class Crossing:
    """The compute at which the two curves meet, of the two laws' whole reach or of its part."""

    compute: float | None
    """Of the last meeting inside the common range, else of the one nearest to it; None: they do
    not meet within a factor 1000 of the range."""
    interval: tuple[float | None, float | None]
    """Computes around it at which the sign of the difference isn't shown; an open end is None."""
    probability: float | None
    """Share of draws in which the curves meet within a factor 1000 of the common range; None without
    draws."""
    probability_in_range: float | None
    """Share of draws in which they meet inside the common range."""
    range: Interval
    """The computes at which both were measured."""
    others: tuple[float, ...] = ()
    """Further meetings of the fitted curves."""
    reason: str = ""
    """Why there is none, or what is open."""

    @property
    def shown(self) -> bool:
        """Whether the curves are shown to cross: one is lower below, the other above."""
        return self.compute is not None and None not in self.interval and not self.reason

    @property
    def extrapolated(self) -> bool:
        """Whether it lies outside the common range."""
        return self.compute is not None and not self.range[0] <= self.compute <= self.range[1]

    def to_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = plain(
            {
                "compute": self.compute,
                "interval": self.interval,
                "probability": self.probability,
                "probability_in_range": self.probability_in_range,
                "range": self.range,
                "extrapolated": self.extrapolated,
                "shown": self.shown,
                "others": self.others,
                "reason": self.reason,
            }
        )
        return out


def crossing(baseline: Fit, candidate: Fit, level: float) -> Crossing:
    """The meeting of two laws in compute, with a confidence set.

    The set holds every compute at which the interval of ln L_baseline - ln L_candidate holds 0 (the
    test turned round, Fieller 1954): it covers as well as the interval of the difference does, and
    it is open where the data can't tell whether the curves meet at all. Percentiles of the draws'
    own crossings would leave out the draws without one.

    Args:
        baseline, candidate: fits with draws, or without (then only the compute is found).
        level: of the set.
    """
    low = max(fit.measured["compute"][0] for fit in (baseline, candidate))
    high = min(fit.measured["compute"][1] for fit in (baseline, candidate))
    if not low < high:
        none = (None, None)
        return Crossing(None, none, None, None, (low, high), reason="no compute in common")
    logs = np.linspace(np.log(low / REACH), np.log(high * REACH), STEPS)
    found = _zeros(logs, _difference(baseline, candidate, logs))
    inside = found[(found >= np.log(low)) & (found <= np.log(high))]
    place: float | None = None
    if inside.size:
        place = float(inside[-1])
    elif found.size:
        place = float(found[np.abs(found - 0.5 * np.log(low * high)).argmin()])
    others = tuple(float(np.exp(x)) for x in found if x != place)
    compute = None if place is None else float(np.exp(place))
    if baseline.draws is None or candidate.draws is None:
        why = "intervals of a crossing need draws"
        return Crossing(compute, (None, None), None, None, (low, high), others, why)
    gaps = _drawn(baseline, candidate, logs)
    meets = np.diff(np.sign(gaps), axis=1) != 0
    within = np.flatnonzero((logs >= np.log(low)) & (logs <= np.log(high)))
    tail = 50.0 * (1.0 - level)
    below, above = np.percentile(gaps, [tail, 100.0 - tail], axis=0)
    interval, reason = _component(logs, below, above, place)
    return Crossing(
        compute, interval,
        float(meets.any(axis=1).mean()), float(meets[:, within[:-1]].any(axis=1).mean()),
        (low, high), others, reason,
    )  # fmt: skip


def _difference(baseline: Fit, candidate: Fit, logs: Array) -> Array:
    """ln L_baseline - ln L_candidate at log computes."""
    here = {"compute": np.exp(logs)}
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = _log(baseline.predict(here)) - _log(candidate.predict(here))
    return np.asarray(gap)


def _drawn(baseline: Fit, candidate: Fit, logs: Array) -> Array:
    """The difference in every draw, `[draws, computes]`."""
    here = {"compute": np.exp(logs)}
    ours, theirs = (
        {name: values[:, None] for name, values in draws.items()}
        for draws in paired_draws(baseline, candidate)
    )
    return np.asarray(_log(baseline.law(here, ours)) - _log(candidate.law(here, theirs)))


def _log(loss: Array) -> Array:
    """A law without a floor may fall below 0, which is as low as can be."""
    return np.asarray(np.log(np.maximum(loss, 1e-300)))


def _zeros(x: Array, y: Array) -> Array:
    """Where y changes its sign, by linear interpolation."""
    at = np.flatnonzero((np.sign(y[:-1]) * np.sign(y[1:]) < 0) | ((y[:-1] == 0) & (y[1:] != 0)))
    if not np.any(y):  # one curve twice: they meet nowhere in particular
        return np.empty(0)
    return np.asarray(x[at] + (x[at + 1] - x[at]) * y[at] / (y[at] - y[at + 1]))


def _component(
    logs: Array, below: Array, above: Array, place: float | None
) -> tuple[tuple[float | None, float | None], str]:
    """The part of the set around `place`, or the whole set; an end at the edge is open.

    Args:
        logs: log computes.
        below, above: ends of the interval of the difference.
        place: the fitted crossing.
    """
    unsure = (below <= 0) & (above >= 0)
    # A set may be narrower than a step: then it is where an end of the interval crosses 0.
    edges = np.sort(np.concatenate([_zeros(logs, below), _zeros(logs, above)]))
    if place is not None:
        left, right = edges[edges < place], edges[edges > place]
        low = float(np.exp(left[-1])) if left.size else None
        high = float(np.exp(right[0])) if right.size else None
    elif unsure.any():
        first, last = np.flatnonzero(unsure)[[0, -1]]
        low = float(np.exp(logs[first])) if first > 0 else None
        high = float(np.exp(logs[last])) if last < len(logs) - 1 else None
    else:
        return (None, None), "the curves are shown not to meet"
    if place is None:
        return (low, high), "the fitted curves don't meet"
    # Both ends where the same sign of the difference is shown: they may touch, not cross.
    signs = [
        0.0 if end is None else float(np.sign(np.interp(np.log(end) + step, logs, below + above)))
        for end, step in ((low, -1e-9), (high, 1e-9))
    ]
    if low is not None and high is not None and signs[0] == signs[1]:
        return (low, high), "the same curve is lower on both sides"
    return (low, high), "" if low and high else "open: the sign of the difference isn't shown"
