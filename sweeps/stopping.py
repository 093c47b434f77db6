"""Which trials end before their budget is spent: what is hopeless, what a search leaves behind.

By the curve: a trial whose learning curve says that it will not be its budget's best. Curves of one budget share the learning rate's schedule, whose fall at the end no power law knows. So
the forecast of a running trial is corrected by the errors that the same forecast, made at the same
point, would have had for the trials of that budget which have ended.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import stdtrit

from scaling.trial import TrialConfig

FIRST_SHARE = 0.5
"""Of the budget, before which no trial is stopped."""

FEWEST_ENDED = 3
"""Trials of a budget that must have ended before another is judged."""

CONFIDENCE = 0.995
"""That a stopped trial would have ended behind the best, as far as its budget's curves can tell."""

_WARM_UP = 2
"""Points of a curve that the rising rate spoils."""
_POWERS = np.linspace(0.1, 2.0, 20)

RUNGS = (1 / 8, 3 / 8)
"""Shares of the budget at which a search compares; points of the learning curve lie there."""


@dataclass(frozen=True)
class StopByCurve:
    """Stops what its learning curve shows to be hopeless; a later launch may go on with it."""

    rungs: tuple[float, ...] = ()
    """Shares of the budget at which a trial has to report, beside the usual times."""
    for_good: bool = False
    """Whether what is stopped is never gone on with: its checkpoints may go."""


@dataclass(frozen=True)
class Halving:
    """Asynchronous successive halving (ASHA) within groups of trials of one budget and seed.

    At each rung about one in so many goes on as the rungs lie apart.
    """

    groups: Mapping[str, str]
    """The group of each trial, by digest."""
    rungs: tuple[float, ...] = RUNGS
    for_good: bool = True


Stopping = StopByCurve | Halving

Curve = Sequence[tuple[int, float]]
"""Examples seen and mean training loss since the point before, evenly spaced over the budget."""


def forecast(losses: Sequence[float], points: int) -> float:
    """The loss at the last of `points` points, by `E + A s^-p` through those there are.

    Raises:
        ValueError: fewer than 4 points after the warm-up.
    """
    known = np.array(losses[_WARM_UP:])
    if len(known) < 4:
        raise ValueError(f"a forecast needs {_WARM_UP + 4} points, got {len(losses)}")
    share = np.arange(_WARM_UP + 1, len(losses) + 1) / points
    best, value = math.inf, float(known[-1])
    for power in _POWERS:
        # A curve falls: a negative A would forecast that it rises.
        design = np.stack([np.ones_like(share), share**-power], axis=1)
        (floor, height), *_ = np.linalg.lstsq(design, known)
        if height < 0:
            floor, height = float(known.mean()), 0.0
        left = known - design @ np.array([floor, height])
        if left @ left < best:
            best, value = float(left @ left), float(floor + height)
    return value


@dataclass(frozen=True)
class Verdict:
    """Of a trial that is to be stopped; losses are those of the training at its end."""

    forecast: float
    least: float
    """What its loss is below with probability `1 - CONFIDENCE`."""
    best: float
    """Of the trials of its architecture, budget and seed that have ended."""

    def text(self, share: float) -> str:
        return (
            f"stopped at {share:.0%} of its budget by its learning curve: training loss "
            f"{self.forecast:.4f} expected at the end, at least {self.least:.4f}; the best of its "
            f"architecture, budget and seed has {self.best:.4f}"
        )


def judge(
    losses: Sequence[float], points: int, same: Iterable[Sequence[float]], best: float
) -> Verdict | None:
    """Whether a trial will end above `best`.

    Args:
        losses: its curve so far.
        points: of a whole curve.
        same: whole curves of the trials of its budget that have ended.
        best: the smallest last point among those of its architecture and seed.

    Returns:
        None where it should go on.
    """
    whole = [curve for curve in same if len(curve) == points]
    if len(whole) < FEWEST_ENDED or len(losses) < FIRST_SHARE * points:
        return None
    errors = [curve[-1] - forecast(curve[: len(losses)], points) for curve in whole]
    expected = forecast(losses, points) + statistics.fmean(errors)
    spread = statistics.stdev(errors) * math.sqrt(1 + 1 / len(errors))
    least = expected - float(stdtrit(len(errors) - 1, CONFIDENCE)) * spread
    return Verdict(expected, least, best) if least > best else None


@dataclass
class CurveRule:
    """Judges the running trials of a sweep by the curves of those that have ended."""

    trials: Mapping[str, TrialConfig]
    """By digest."""
    points: int
    """Of a whole curve."""
    _whole: dict[str, list[float]] = field(default_factory=dict)

    def stops(self, digest: str, curve: Curve) -> str:
        """Why the trial is to be stopped; empty where it goes on."""
        mine = self.trials[digest]
        same = {d: c for d, c in self._whole.items() if self.trials[d].budget == mine.budget}
        rivals = [c[-1] for d, c in same.items() if _rivals(self.trials[d], mine)]
        if not rivals:
            return ""
        losses = [loss for _, loss in curve]
        verdict = judge(losses, self.points, same.values(), min(rivals))
        return "" if verdict is None else verdict.text(len(losses) / self.points)

    def ended(self, digest: str, curve: Curve) -> None:
        """A trial has finished."""
        if curve:
            self._whole[digest] = [loss for _, loss in curve]


def _rivals(one: TrialConfig, other: TrialConfig) -> bool:
    """Of one architecture and seed: they have read the same batches."""
    return one.model.name == other.model.name and one.seed == other.seed
