"""Which of two architectures needs less compute for the same loss, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from scaling.analysis.diagnosis import falls
from scaling.analysis.result import Fit, Interval, percentiles
from scaling.units import format_si, plain

Verdict = Literal["candidate cheaper", "baseline cheaper", "not decided"]


@dataclass(frozen=True)
class Multiplier:
    """m(C) = C_baseline(L_candidate(C)) / C at one compute: above 1 the candidate is cheaper."""

    compute: float
    value: float | None
    """None where the baseline never reaches the candidate's loss."""
    interval: Interval
    """May be infinite above."""
    extrapolated: bool
    """Whether either law is used outside its measured range."""
    reason: str = ""
    """Why there is no value, or what is extrapolated."""


@dataclass(frozen=True)
class Comparison:
    """Two fitted frontiers compared at equal loss."""

    baseline: str
    candidate: str
    level: float
    verdict: Verdict
    multiplier: tuple[Multiplier, ...]
    """The first entry, at the largest common compute, decides."""
    exponent_difference: tuple[float, Interval] | None
    """Candidate's exponent less the baseline's; None for laws without one exponent."""

    def sentence(self) -> str:
        """The verdict in plain language, with its number."""
        at = self.multiplier[0]
        where = f"At {format_si(at.compute)} FLOPs, the largest compute both were measured at"
        end = {
            "candidate cheaper": f"{self.candidate} is cheaper",
            "baseline cheaper": f"{self.baseline} is cheaper",
            "not decided": "which of the two is cheaper is not decided",
        }[self.verdict]
        if at.value is None:
            roles = f"(baseline {self.baseline}, candidate {self.candidate})"
            return f"{where}: {end}; {at.reason} {roles}."
        low, high = (format_si(end, digits=3) for end in at.interval)
        needs = (
            f"{self.baseline} needs {format_si(at.value, digits=3)} times the compute of {self.candidate} for "
            f"the same loss ({self.level:.0%} interval {low} to {high})"
        )
        note = f" (Extrapolated: {at.reason}.)" if at.extrapolated else ""
        return f"{where}, {needs}: {end}.{note}"

    def to_dict(self) -> dict[str, Any]:
        """As `climber compare --json`; what is infinite or not there is None."""
        difference = self.exponent_difference
        out: dict[str, Any] = plain(
            {
                "baseline": self.baseline,
                "candidate": self.candidate,
                "level": self.level,
                "verdict": self.verdict,
                "multiplier": [
                    {
                        "compute": at.compute,
                        "value": at.value,
                        "reason": at.reason,
                        "interval": list(at.interval),
                        "extrapolated": at.extrapolated,
                    }
                    for at in self.multiplier
                ],
                "exponent_difference": None
                if difference is None
                else {"value": difference[0], "interval": list(difference[1])},
            }
        )
        return out


def compare(
    baseline: Fit,
    candidate: Fit,
    *,
    names: tuple[str, str],
    level: float = 0.95,
    at: Sequence[float] = (),
) -> Comparison:
    """Compare two laws in compute at the largest common compute, and at the computes of `at`.

    With draws in both fits, m(C) is computed draw by draw (the two are resampled apart, so the
    draws are paired by number); otherwise its interval is the delta method's. It is decided only
    if the whole interval lies on one side of 1.

    Args:
        baseline, candidate: fits of a law with an inverse, on the same data set and target.
        names: of the baseline and of the candidate.
        level: of the intervals.
        at: further computes, in FLOPs.

    Raises:
        ValueError: laws of other variables than compute, or different targets.
    """
    for fit in (baseline, candidate):
        if fit.law.variables != ("compute",):
            raise ValueError(
                f"law {fit.law.name!r} is in {', '.join(fit.law.variables)}: compare laws in compute"
            )
    if baseline.target != candidate.target:
        raise ValueError(f"targets differ: {baseline.target} and {candidate.target}")
    common = min(baseline.measured["compute"][1], candidate.measured["compute"][1])
    # Inverting a law that may not fall gives any number; no interval of it can decide.
    flat = [
        name for name, fit in zip(names, (baseline, candidate)) if fit.dof and not falls(fit, level)
    ]
    multipliers = tuple(_multiplier(baseline, candidate, c, level) for c in (common, *at))
    low, high = multipliers[0].interval
    verdict: Verdict = "not decided"
    if flat:
        why = f"the loss of {' and of '.join(flat)} is not shown to fall with compute"
        multipliers = tuple(replace(m, value=None, reason=why) for m in multipliers)
    elif low > 1.0:
        verdict = "candidate cheaper"
    elif high < 1.0:
        verdict = "baseline cheaper"
    return Comparison(
        names[0], names[1], level, verdict, multipliers, _difference(baseline, candidate, level)
    )


def _multiplier(baseline: Fit, candidate: Fit, compute: float, level: float) -> Multiplier:
    here = {"compute": np.array([compute])}
    loss = candidate.predict(here)
    value = float(baseline.law.inverse(loss, baseline.params)[0]) / compute
    if baseline.draws is not None and candidate.draws is not None:
        size = min(
            len(next(iter(fit.draws.values()))) for fit in (baseline, candidate) if fit.draws
        )
        ours, theirs = (
            {name: np.asarray(draws[name][:size]) for name in draws}
            for draws in (candidate.draws, baseline.draws)
        )
        losses = candidate.law(here, ours)
        interval = percentiles(baseline.law.inverse(losses, theirs) / compute, level)
    else:
        interval = _delta_interval(baseline, candidate, compute, value, level)
    reason = _extrapolation(baseline, candidate, compute, value * compute)
    if not np.isfinite(value):
        ends = baseline.predict({"compute": np.array(baseline.measured["compute"])})
        why = "levels off above the candidate's loss" if ends[1] < ends[0] else "doesn't fall"
        return Multiplier(compute, None, interval, True, f"the baseline's fitted curve {why}")
    return Multiplier(compute, value, interval, bool(reason), reason)


def _extrapolation(baseline: Fit, candidate: Fit, compute: float, needed: float) -> str:
    """Which of the two laws is used outside what was measured; empty if neither is."""
    notes = []
    for name, fit, c in (("candidate", candidate, compute), ("baseline", baseline, needed)):
        low, high = fit.measured["compute"]
        if np.isfinite(c) and not low / 1.01 <= c <= high * 1.01:
            notes.append(
                f"the {name} was measured from {format_si(low)} to {format_si(high)} FLOPs, "
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
    ends = baseline.law.inverse(loss * np.exp([spread, -spread]), baseline.params) / compute
    return (float(ends[0]), float(ends[1]))


def _difference(baseline: Fit, candidate: Fit, level: float) -> tuple[float, Interval] | None:
    if baseline.law.name != candidate.law.name or len(baseline.law.exponents) != 1:
        return None
    (name,) = baseline.law.exponents
    value = candidate.params[name] - baseline.params[name]
    if baseline.draws is not None and candidate.draws is not None:
        size = min(len(baseline.draws[name]), len(candidate.draws[name]))
        return value, percentiles(candidate.draws[name][:size] - baseline.draws[name][:size], level)
    quantile = np.maximum(candidate.quantile(level), baseline.quantile(level))
    error = float(quantile * np.hypot(candidate.stderr[name], baseline.stderr[name]))
    return value, (value - error, value + error)
