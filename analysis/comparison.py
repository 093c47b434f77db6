"""Which of two architectures needs less compute for the same loss, by how much, from where on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from scaling.analysis.crossing import Crossing, crossing
from scaling.analysis.diagnosis import improves
from scaling.analysis.multiplier import SLACK, Multiplier, covers, inverse, multiplier, paired_draws
from scaling.analysis.result import Fit, Interval, percentiles
from scaling.units import format_si, plain

Verdict = Literal["candidate cheaper", "baseline cheaper", "not decided"]

CURVE_POINTS = 9
"""Computes of the multiplier's curve, evenly spaced in log over the common range."""


@dataclass(frozen=True)
class Comparison:
    """Two fitted frontiers compared at equal loss."""

    baseline: str
    candidate: str
    level: float
    verdict: Verdict
    at: Multiplier
    """What decides: the largest compute at which neither law is used beyond what was measured."""
    multiplier: tuple[Multiplier, ...]
    """The curve, by compute."""
    crossing: Crossing
    exponent_difference: tuple[float, Interval] | None
    """Candidate's exponent less the baseline's; None for laws without one exponent."""
    quantity: str = "compute"
    """What is saved."""
    unit: str = "FLOPs"

    def sentence(self) -> str:
        """The verdict in plain language, with its number, interval, level and range."""
        at = self.at
        where = f"At {format_si(at.compute, digits=3)} {self.unit}"
        end = {
            "candidate cheaper": f"{self.candidate} is cheaper",
            "baseline cheaper": f"{self.baseline} is cheaper",
            "not decided": "which of the two is cheaper is not decided",
        }[self.verdict]
        if at.value is None:
            roles = f"(baseline {self.baseline}, candidate {self.candidate})"
            return f"{where}: {end}; {at.reason} {roles}."
        low, high = (format_si(end, digits=3) for end in at.interval)
        if at.extrapolated and self.verdict != "not decided":
            return (
                f"{where}, {end}: its loss is lower at equal {self.quantity} ({self.level:.0%} level). "
                f"By how much can't be told from what was measured: {at.reason}."
            )
        needs = (
            f"{self.baseline} needs {format_si(at.value, digits=3)} times the {self.quantity} of "
            f"{self.candidate} for the same loss ({self.level:.0%} interval {low} to {high})"
        )
        note = f" (Extrapolated: {at.reason}.)" if at.extrapolated else ""
        note = note or (f" ({at.reason}.)" if at.reason else "")
        return f"{where}, {needs}: {end}.{note}"

    def crossing_sentence(self) -> str:
        """Where the curves meet, in plain language."""
        found = self.crossing
        if found.range[0] >= found.range[1]:
            return f"Where the curves cross can't be told: there is no common {self.quantity}."
        low, high = (format_si(end, digits=3) for end in found.range)
        measured = f"both were measured from {low} to {high} {self.unit}"
        chance = ""
        if found.probability is not None and found.probability_in_range is not None:
            chance = (
                f"; they meet in {found.probability:.0%} of draws, "
                f"in {found.probability_in_range:.0%} inside that range"
            )
        if found.compute is None:
            return f"The fitted curves don't cross within reach ({measured}{chance})."
        low, high = ("no limit" if e is None else format_si(e, digits=3) for e in found.interval)
        place = f"{format_si(found.compute, digits=3)} {self.unit}"
        interval = f"{self.level:.0%} interval: from {low} to {high}"
        if found.interval == (None, None):
            interval = f"{self.level:.0%} interval without limits"
        if not found.shown:
            return (
                f"Whether the curves cross is not decided: the fitted ones meet at {place}, {interval} "
                f"({measured}{chance})."
            )
        outside = ", an extrapolation" if found.extrapolated else ""
        return f"The curves cross at {place}{outside}, {interval} ({measured}{chance})."

    def to_dict(self) -> dict[str, Any]:
        """As `climber compare --json`; what is infinite or not there is None."""
        difference = self.exponent_difference
        out: dict[str, Any] = plain(
            {
                "baseline": self.baseline,
                "candidate": self.candidate,
                "level": self.level,
                "verdict": self.verdict,
                "sentence": self.sentence(),
                "decided_at": self.at.compute,
                "multiplier": [_described(at) for at in self.multiplier],
                "crossing": self.crossing.to_dict() | {"sentence": self.crossing_sentence()},
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
    quantity: str = "compute",
    unit: str = "FLOPs",
) -> Comparison:
    """Compare two laws in compute over the common range, and at the computes of `at`.

    It is decided at the largest compute at which the candidate's loss was reached by both: beyond,
    the number would rest on an extrapolated law. It is decided only if the whole interval lies on
    one side of 1. Where no loss was reached by both, the losses at the largest common compute
    decide, and the number stays open.

    Args:
        baseline, candidate: fits of a law that falls, on the same data set and target; with draws
            made together (see `scaling.analysis.pairing`), or none.
        names: of the baseline and of the candidate.
        level: of the intervals.
        at: further computes, in `unit`.
        quantity, unit: what the variable `compute` of the laws holds, in words.

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
    low = max(fit.measured["compute"][0] for fit in (baseline, candidate))
    high = min(fit.measured["compute"][1] for fit in (baseline, candidate))
    place = _deciding(baseline, candidate, low, high) if low < high else high
    spots = np.geomspace(low, high, CURVE_POINTS) if low < high else np.array([high])
    computes = sorted({*(float(c) for c in spots), place, *at})
    curve = [multiplier(baseline, candidate, c, level, unit) for c in computes]
    deciding = curve[computes.index(place)]
    why, keeps = "", False
    # Inverting a law that may not fall gives any number; no interval of it can decide.
    flat = [
        name
        for name, fit in zip(names, (baseline, candidate))
        if fit.dof and not improves(fit, level)
    ]
    if flat:
        why = f"the loss of {' and of '.join(flat)} is not shown to fall with {quantity}"
    elif not low < high:
        why, keeps = "the two were not measured at any common " + quantity, True
    verdict: Verdict = "not decided"
    ends = deciding.interval
    if flat:
        curve = [replace(m, value=None, reason=why) for m in curve]
    elif not why and ends[0] > 1.0:
        verdict = "candidate cheaper"
    elif not why and ends[1] < 1.0:
        verdict = "baseline cheaper"
    if keeps:
        curve = [replace(m, extrapolated=True, reason=why) for m in curve]
    return Comparison(
        names[0], names[1], level, verdict, curve[computes.index(place)], tuple(curve),
        crossing(baseline, candidate, level), _difference(baseline, candidate, level),
        quantity, unit,
    )  # fmt: skip


def _deciding(baseline: Fit, candidate: Fit, low: float, high: float) -> float:
    """The largest common compute at which the candidate's loss was reached by the baseline too."""
    there = {"compute": np.array([high])}
    needed = float(inverse(baseline, candidate.predict(there), baseline.params)[0])
    if covers(baseline, needed):
        return high
    last = {"compute": np.array([baseline.measured["compute"][1] * SLACK**0.5])}
    place = float(inverse(candidate, baseline.predict(last), candidate.params)[0])
    # Without a loss in common only the order at equal compute can be told: at the largest.
    return place if needed > high and low <= place <= high else high


def _difference(baseline: Fit, candidate: Fit, level: float) -> tuple[float, Interval] | None:
    if baseline.law.name != candidate.law.name or len(baseline.law.exponents) != 1:
        return None
    (name,) = baseline.law.exponents
    value = candidate.params[name] - baseline.params[name]
    if baseline.draws is not None and candidate.draws is not None:
        ours, theirs = paired_draws(baseline, candidate)
        return value, percentiles(theirs[name] - ours[name], level)
    quantile = np.maximum(candidate.quantile(level), baseline.quantile(level))
    error = float(quantile * np.hypot(candidate.stderr[name], baseline.stderr[name]))
    return value, (value - error, value + error)


def _described(at: Multiplier) -> dict[str, Any]:
    return {
        "compute": at.compute,
        "value": at.value,
        "reason": at.reason,
        "interval": list(at.interval),
        "extrapolated": at.extrapolated,
    }
