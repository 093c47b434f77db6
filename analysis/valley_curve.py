"""The valley's own curve: in log size, the sum of a falling and a rising exponential.

Along a budget, Chinchilla's E + A N^-alpha + B D^-beta with D ~ C/N is a constant plus
e^(-alpha u) plus e^(beta u), u = ln N - ln N*. Here N* and the lowest loss of each budget are free, so
nothing is said about how they move with compute; only the two slopes are shared by the budgets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling.analysis.law import Array
from scaling.analysis.solver import Loss, minimise
from scaling.analysis.valley import Grid, polynomials

SLOPES = (0.1, 1.0)
"""What the two slopes may be: the range of measured exponents. Wider ones cost accuracy on small grids:
of 4 sizes per budget, [.02, 3] gave a bias of up to 7 %, this one of up to 3 %."""
SPARE = 4
"""Rows beyond three per budget that it takes to tell the slopes; with fewer both are 0.32."""
FAR = 3.0
"""A minimum is looked for up to a factor e^3 beyond the grid, so that draws show how far it may be."""
OUTLYING = 3.0
"""Rows so many standard deviations off the curve are named, and count as that far in its scatter."""


@dataclass(frozen=True)
class Exponentials:
    """ln L_k(x) = c_k + ln(1 + e^(h_k) G(x - v_k)) with
    G(u) = ((e^(-a u) - 1)/a + (e^(b u) - 1)/b) / (a + b), so G'' = 1 at the minimum, G = 0."""

    theta: Array
    """c, v and h of each budget, then ln a and ln b, `[draws, 3 budgets + 2]`."""
    num_parameters: int
    """Free ones."""

    @cached_property
    def num_budgets(self) -> int:
        return int(self.theta.shape[1] - 2) // 3

    @property
    def place(self) -> Array:
        return self.theta[:, self.num_budgets : 2 * self.num_budgets]

    @property
    def lowest(self) -> Array:
        """Loss at the minimum, `[draws, budgets]`."""
        return np.asarray(np.exp(self.theta[:, : self.num_budgets]))

    @property
    def slopes(self) -> Array:
        """The falling and the rising one, `[draws, 2]`."""
        return np.asarray(np.exp(self.theta[:, -2:]))

    def value(self, budget: int, x: Array) -> Array:
        bottom, place, steep = (
            self.theta[:, k * self.num_budgets + budget, None] for k in range(3)
        )
        rise = _bowl(x - place, self.slopes[:, :1], self.slopes[:, 1:])[0]
        return np.asarray(np.exp(bottom) * (1.0 + np.exp(steep) * rise))


def exponentials(
    grid: Grid, loss: Array, weight: Array, *, delta: float = np.inf, slopes: bool | None = None
) -> Exponentials:
    """Fit the curves of all budgets, by least squares in ln L or Huber's objective.

    Args:
        grid: the sizes; every budget's lowest loss lies inside its grid.
        loss: `[draws, rows]`.
        weight: of a local fit, `[draws, rows]`.
        delta: where Huber's objective turns linear.
        slopes: whether the two slopes are fitted; None: as the number of rows says.
    """
    num = len(grid.places)
    if slopes is None:
        slopes = bool((weight > 0).sum(axis=1).mean() - 3 * num >= SPARE)
    logs = np.log(loss)
    start = _start(grid, logs, weight)
    margin = 1.0 + np.ptp(logs)
    slope = np.log(SLOPES)
    lower = np.concatenate(
        [start[:, :num].min(axis=0) - margin, grid.edges[:, 0] - FAR, np.full(num, -14.0)]
    )
    upper = np.concatenate(
        [start[:, :num].max(axis=0) + margin, grid.edges[:, 1] + FAR, np.full(num, 5.0)]
    )
    lower, upper = (np.concatenate([e, [s, s]]) for e, s in zip((lower, upper), slope))
    free = np.ones(3 * num + 2, dtype=bool)
    free[-2:] = slopes

    def solve(theta: Array, rows: slice) -> Array:
        return minimise(
            lambda _, theta: _evaluate(grid.valley, grid.x, theta), theta,
            np.zeros((1, len(grid.x), 1)), logs[rows], weight[rows],
            lower=lower, upper=upper, free=free, loss=Loss(delta), max_iterations=100,
        ).theta  # fmt: skip

    first = solve(start[:1], slice(0, 1))
    # The other rows are the first with some noise: from its optimum they take half the steps.
    theta = (
        solve(np.repeat(first, len(logs) - 1, axis=0), slice(1, None)) if len(logs) > 1 else first
    )
    return Exponentials(np.concatenate([first, theta])[: len(logs)], int(free.sum()))


def _start(grid: Grid, logs: Array, weight: Array) -> Array:
    """From a parabola through the nearest rows, `[draws, 3 budgets + 2]`."""
    num = len(grid.places)
    near = polynomials(grid, logs, weight, 2)
    bend = np.nan_to_num(2 * near.coefficients[..., 2])
    place = np.empty((len(logs), num))
    lowest = np.empty((len(logs), num))
    for k, rows in enumerate(grid.places):
        best = logs[:, rows].argmin(axis=1)
        inside = np.clip(near.place[:, k], *grid.edges[k])
        place[:, k] = np.where(np.isnan(inside), grid.x[rows][best], inside)
        lowest[:, k] = logs[:, rows].min(axis=1)
    slopes = np.full((len(logs), 2), np.log(SLOPES).mean())
    return np.concatenate([lowest, place, np.log(np.maximum(bend, 1e-4)), slopes], axis=1)


def _evaluate(valley: np.ndarray, x: Array, theta: Array) -> tuple[Array, Array]:
    """ln L `[draws, rows]` and its gradient `[draws, rows, parameters]`."""
    num = (theta.shape[1] - 2) // 3
    member = (np.arange(num)[:, None] == valley).astype(np.float64)
    slopes = np.exp(theta[:, -2:])
    bottom, place, steep = (theta[:, k * num : (k + 1) * num][:, valley] for k in range(3))
    rise, along, falling, rising = _bowl(x - place, slopes[:, :1], slopes[:, 1:])
    factor = np.exp(steep)
    total = 1.0 + factor * rise
    gradient = np.empty((len(total), theta.shape[1], total.shape[1]))
    gradient[:, :num] = member
    gradient[:, num : 2 * num] = (-factor * along / total)[:, None] * member
    gradient[:, 2 * num : 3 * num] = (factor * rise / total)[:, None] * member
    gradient[:, -2] = factor * falling / total * slopes[:, :1]
    gradient[:, -1] = factor * rising / total * slopes[:, 1:]
    return bottom + np.log(total), np.swapaxes(gradient, 1, 2)


def _bowl(u: Array, a: Array, b: Array) -> tuple[Array, Array, Array, Array]:
    """G(u; a, b) and its derivatives by u, a and b."""
    left, right = np.exp(np.minimum(-a * u, 50.0)), np.exp(np.minimum(b * u, 50.0))
    down, up, both = (left - 1.0) / a, (right - 1.0) / b, a + b
    rise = (down + up) / both
    by_a = ((-u * left - down) / a - rise) / both
    by_b = ((u * right - up) / b - rise) / both
    return rise, (right - left) / both, by_a, by_b
