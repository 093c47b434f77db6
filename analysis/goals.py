"""What the next runs are to make surer: an exponent, a crossing, the loss at a compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import optimize

from scaling.analysis.extrapolation import columns_at
from scaling.analysis.findings import Analysis, Group
from scaling.analysis.law import Array
from scaling.analysis.levels import with_order
from scaling.analysis.quantities import gradient, parameter, prediction
from scaling.analysis.result import Fit, Interval
from scaling.units import format_si

Goal = Literal["exponent", "crossing", "loss"]
GOALS: tuple[str, ...] = get_args(Goal)

BEYOND = 10.0
"""The goal `loss` is at so many times the largest compute, unless it is said."""
SEARCHED = 1e3
"""A crossing is looked for up to so many times the measured range on both sides."""


@dataclass(frozen=True)
class Target:
    """One number that is to become surer."""

    name: str
    group: str
    value: float
    interval: Interval
    """Today's."""
    gradients: Mapping[str, Array]
    """Of the number (of its log, if it is positive) by the working parameters of each group."""
    log: bool

    def shrunk(self, ratio: float) -> Interval:
        """The interval with its ends so much nearer to the value."""
        low, high = self.interval
        if self.log and low > 0 and self.value > 0:
            return (
                float(self.value * (low / self.value) ** ratio),
                float(self.value * np.exp(np.minimum(ratio * np.log(high / self.value), 700.0))),
            )
        return (self.value + (low - self.value) * ratio, self.value + (high - self.value) * ratio)


def targets(analysis: Analysis, groups: Mapping[str, Group], *, goal: Goal) -> tuple[Target, ...]:
    """The numbers of the goals `exponent` (none, if all are given) and `crossing`.

    Raises:
        ValueError: a crossing of other than two groups, or of curves that don't cross.
    """
    if goal == "crossing":
        return (_crossing(analysis, groups),)
    out: list[Target] = []
    for name, group in groups.items():
        assert group.fit is not None
        out += _exponents(group.fit, name, analysis.level)
    return tuple(out)


def loss_at(group: Group, name: str, at: float | None, level: float) -> Target:
    """The predicted loss at a compute; by default 10 times the largest measured."""
    fit = group.fit
    assert fit is not None
    table, order = with_order(group.runs)
    compute = BEYOND * float(table[order].max()) if at is None else at
    columns = columns_at(fit, group.runs, compute)
    low, high = fit.band({key: np.array([value]) for key, value in columns.items()}, level)
    quantity = prediction(fit.law, columns)
    return Target(
        f"{fit.target} at {format_si(compute, 'FLOP', digits=3)}", name,
        float(fit.predict(columns)), (float(low[0]), float(high[0])),
        {name: _gradient(fit, quantity)}, quantity.log,
    )  # fmt: skip


def _exponents(fit: Fit, group: str, level: float) -> list[Target]:
    intervals = fit.interval(level)
    out = []
    for name in fit.law.exponents:
        if name in fit.fixed:
            continue
        quantity = parameter(fit.law, name)
        slope = {group: _gradient(fit, quantity)}
        out.append(Target(name, group, fit.params[name], intervals[name], slope, quantity.log))
    return out


def _gradient(fit: Fit, quantity: object) -> Array:
    problem = fit.problem
    slope = gradient(quantity, fit.law, problem.theta[None], problem.centre)  # type: ignore[arg-type]
    return np.asarray(np.where(np.diag(problem.cov) > 0, slope[0], 0.0))


def _crossing(analysis: Analysis, groups: Mapping[str, Group]) -> Target:
    if analysis.law.variables != ("compute",):
        raise ValueError(f"law {analysis.law.name!r} is not in compute: it has no crossing point")
    if len(groups) != 2:
        raise ValueError(f"the goal crossing needs two groups, there are: {', '.join(groups)}")
    (first, one), (second, two) = ((name, group.fit) for name, group in groups.items())
    assert one is not None
    assert two is not None
    ranges = [fit.measured["compute"] for fit in (one, two)]
    low, high = min(r[0] for r in ranges) / SEARCHED, max(r[1] for r in ranges) * SEARCHED

    def difference(log_compute: float) -> float:
        at = {"compute": np.exp(log_compute)}
        return float(np.log(one.predict(at) / two.predict(at)))

    grid = np.linspace(np.log(low), np.log(high), 2001)
    values = np.array([difference(x) for x in grid])
    turns = np.flatnonzero(values[:-1] * values[1:] < 0)
    if not turns.size:
        raise ValueError(
            f"the fitted curves of {first} and {second} don't cross between {low:.3g} and "
            f"{high:.3g} FLOPs: choose the goal exponent or loss"
        )
    common = np.log(min(r[1] for r in ranges))
    k = int(turns[np.argmin(np.abs(grid[turns] - common))])
    root = float(optimize.brentq(difference, grid[k], grid[k + 1]))
    slope = (difference(root + 1e-4) - difference(root - 1e-4)) / 2e-4
    at = {"compute": float(np.exp(root))}
    gradients = {
        name: sign * _gradient(fit, prediction(fit.law, at)) / slope
        for name, fit, sign in ((first, one, -1.0), (second, two, 1.0))
    }
    half = float(
        np.hypot(
            *(
                fit.quantile(analysis.level)
                * np.sqrt(gradients[name] @ fit.problem.cov @ gradients[name])
                for name, fit in ((first, one), (second, two))
            )
        )
    )
    ends = (np.exp(max(root - half, -700.0)), np.exp(min(root + half, 700.0)))
    return Target(
        "crossing at FLOPs", f"{first} / {second}", at["compute"],
        (float(ends[0]), float(ends[1])), gradients, True,
    )  # fmt: skip
