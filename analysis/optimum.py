"""How the best size, length, depth, ... of a budget moves with compute, and what it is at another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling.analysis.law import Array
from scaling.analysis.result import Interval, percentiles
from scaling.units import plain

if TYPE_CHECKING:
    from scaling.analysis.isoflop_result import Isoflop

NO_INTERVAL = (np.nan, np.nan)


@dataclass(frozen=True)
class Exponent:
    """A line through ln(best value) against ln(compute), or why there is none."""

    value: float | None
    """The slope; None with a reason."""
    interval: Interval
    reason: str = ""
    level: float = 0.95
    compute: tuple[float, float] = (np.nan, np.nan)
    """Range of the budgets that it rests on."""
    line: Array | None = None
    """Height at the mean of ln(compute), and slope, `[2]`."""
    draws: Array | None = None
    """`[draws, 2]`"""
    centre: float = 0.0
    """Mean of ln(compute)."""

    def at(self, compute: float) -> tuple[float, Interval]:
        """The best value at a compute, with its interval.

        Raises:
            ValueError: there is no line.
        """
        if self.line is None:
            raise ValueError(self.reason)
        step = np.array([1.0, np.log(compute) - self.centre])
        value = float(np.exp(self.line @ step))
        if self.draws is None or len(self.draws) == 0:
            return value, NO_INTERVAL
        return value, percentiles(np.exp(np.clip(self.draws @ step, -700, 700)), self.level)

    def extrapolated(self, compute: float) -> bool:
        """Whether a compute lies outside the budgets, by more than 10 %."""
        low, high = self.compute
        return not low / 1.1 <= compute <= high * 1.1

    def to_dict(self) -> dict[str, Any]:
        """As in `climber isoflop --json`."""
        out: dict[str, Any] = plain(
            {"value": self.value, "interval": list(self.interval), "reason": self.reason}
        )
        return out


def no_exponent(reason: str) -> Exponent:
    """What stands for an exponent that can't be told."""
    return Exponent(None, NO_INTERVAL, reason)


def exponent(
    compute: Array, place: Array, draws: Array, *, level: float, rng: np.random.Generator
) -> Exponent:
    """The slope of ln(best value) over ln(compute), every budget counting the same.

    The draws carry the noise of the minima. Where the minima scatter about the line by more than
    that, the rest is added.

    Args:
        compute: `[budgets]`
        place: logs of the best values, `[budgets]`.
        draws: the same with noise, `[draws, budgets]`.
        level: of the interval.
        rng: for the scatter about the line.
    """
    if len(compute) < 2:
        many = "no budget has" if len(compute) == 0 else "only one budget has"
        return no_exponent(f"{many} a minimum: an exponent takes two")
    logs = np.log(compute)
    step = np.stack([np.ones_like(logs), logs - logs.mean()], axis=1)
    inverse = np.linalg.pinv(step)
    line = inverse @ place
    span = (float(compute.min()), float(compute.max()))
    draws = draws[np.isfinite(draws).all(axis=1)]
    dof = len(compute) - 2
    if len(draws) and dof:
        shown = float(draws.var(axis=0).mean())
        missing = float(((place - step @ line) ** 2).sum()) / dof - shown
        draws = draws + np.sqrt(max(missing, 0.0)) * rng.normal(size=draws.shape)
    lines = draws @ inverse.T
    interval = percentiles(lines[:, 1], level) if len(lines) else NO_INTERVAL
    return Exponent(
        float(line[1]), interval, "", level, span, line, lines, float(logs.mean())
    )  # fmt: skip


@dataclass(frozen=True)
class Best:
    """The best value of one axis at a budget."""

    value: float | None
    interval: Interval
    extrapolated: bool
    reason: str = ""
    """Why there is no value, or that every run has it."""

    def to_dict(self) -> dict[str, Any]:
        """As in `climber isoflop --json`; what is not there is None."""
        out: dict[str, Any] = plain(
            {
                "value": self.value,
                "interval": list(self.interval),
                "extrapolated": self.extrapolated,
                "reason": self.reason,
            }
        )
        return out


def optimal_shape(analysis: Isoflop, budget: float) -> dict[str, dict[str, Best]]:
    """The best value of every axis at a budget, for each group.

    Args:
        analysis: from `scaling.analysis.isoflop.isoflop`.
        budget: training compute, FLOPs.

    Raises:
        ValueError: a budget that isn't a positive number.
    """
    if not (np.isfinite(budget) and budget > 0):
        raise ValueError(f"a budget must be a positive number of FLOPs, got {budget!r}")
    shapes = {}
    for name, group in analysis.groups.items():
        shapes[name] = {axis: _best(found, budget) for axis, found in group.exponents.items()} | {
            axis: Best(value, (value, value), False, "the same in every run")
            for axis, value in group.constants.items()
        }
    return shapes


def _best(found: Exponent, budget: float) -> Best:
    if found.line is None:
        return Best(None, NO_INTERVAL, False, found.reason)
    value, interval = found.at(budget)
    return Best(value, interval, found.extrapolated(budget))
