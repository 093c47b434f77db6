"""Profile-likelihood intervals: how far a number can move before the data object.

An end of the interval of g is where the objective, minimised over everything else with g held
there, has risen by t^2/2 in units of the noise (Venzon and Moolgavkar 1988; Bates and Watts 1988,
section 6.1). Unlike the linearised interval it doesn't depend on the scale of g, follows curved
valleys, and stays open where the data never object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.analysis.delta import inverse_information
from scaling.analysis.law import Array, Law
from scaling.analysis.quantities import Quantity, gradient
from scaling.analysis.solver import Loss, minimise

Interval = tuple[float, float]

STIFFNESS = 30.0
"""How much stiffer than the data the spring is that pulls g towards its target. It needn't be
hard: wherever it comes to rest is a point of the profile."""
ROUNDS = 14
"""Minimisations per end; an end that is plain to find takes two or three."""
ITERATIONS = 60
"""Of each minimisation; the next one goes on from where it stood."""
TOLERANCE = 2e-3
"""Of the root of the rise; what is left is interpolated."""
FARTHEST = 300.0
"""An end so many times farther off than the linearised one is no end."""


@dataclass(frozen=True)
class Data:
    """The rows of a batch of problems."""

    x: Array
    """Centred logs of the variables, `[batch or 1, rows, variables]`."""
    log_target: Array
    """`[batch or 1, rows]`"""
    weight: Array
    """`[batch or 1, rows]`"""


@dataclass(frozen=True)
class Optima:
    """What a batch of fits of one law found, and within which limits."""

    law: Law
    theta: Array
    """Working parameters, `[batch, parameters]`."""
    objective: Array
    """`[batch]`"""
    centre: Array
    lower: Array
    upper: Array
    free: np.ndarray
    loss: Loss

    def linearised(
        self, rows: Data, quantities: Sequence[Quantity], inside: np.ndarray | None = None
    ) -> tuple[Array, Array]:
        """Variance of each quantity for unit noise, and how theta moves with it.

        Args:
            rows: of the fits.
            quantities: what errors are asked for.
            inside: bool `[batch, parameters]`, what may move; by default what is free and not at
                a bound.

        Returns:
            `[batch, quantities]` and d theta / d g, `[batch, quantities, parameters]`.
        """
        if inside is None:
            inside = self.free & (self.theta > self.lower) & (self.theta < self.upper)
        _, jacobian = self.law.evaluate(rows.x, self.theta)
        inverse = inverse_information(jacobian, rows.weight, inside)
        slopes = np.stack([gradient(q, self.law, self.theta, self.centre) for q in quantities], 1)
        moved = np.einsum("bpr,bqr->bqp", inverse, slopes)
        variance = np.einsum("bqp,bqp->bq", moved, slopes)
        return variance, moved / np.maximum(variance, 1e-300)[..., None]


@dataclass(frozen=True)
class Ends:
    """Ends of intervals, `[batch, quantities, 2]`: lower, upper."""

    value: Array
    """Of the quantity; at an open end how far it was followed."""
    open: np.ndarray
    """Whether the objective doesn't rise enough on that side, however far g is moved."""
    theta: Array
    """Working parameters there, `[batch, quantities, 2, parameters]`."""

    def closed(self, quantity: Quantity, k: int) -> Interval:
        """Interval of the k-th quantity of the first problem; an open end is the quantity's limit."""
        low, high = np.where(self.open[0, k], quantity.bounds, self.value[0, k])
        return (float(low), float(high))


def profile(optima: Optima, rows: Data, quantities: Sequence[Quantity], rise: Array) -> Ends:
    """Interval ends of each quantity in each problem.

    Args:
        optima: the fits.
        rows: their rows.
        quantities: what intervals are asked for.
        rise: by how much the objective may rise, `[batch]`, positive.
    """
    shape = (len(optima.theta), len(quantities), 2)
    value, is_open, theta = _Search(optima, rows, quantities, rise).run()
    value = value.reshape(shape)
    for k, quantity in enumerate(quantities):
        value[:, k] = quantity.unscaled(value[:, k])
    return Ends(value, is_open.reshape(shape), theta.reshape(*shape, -1))


class _Search:
    """The ends of all problems, quantities and sides at once; each is a task `[tasks]`."""

    def __init__(
        self, optima: Optima, rows: Data, quantities: Sequence[Quantity], rise: Array
    ) -> None:
        batch, count = len(optima.theta), len(quantities)
        self.optima, self.rows, self.quantities = optima, rows, quantities
        self.problem = np.repeat(np.arange(batch), 2 * count)
        self.asked = np.tile(np.repeat(np.arange(count), 2), batch)
        self.rise = rise[self.problem]
        best = [q.scaled(optima.law, optima.theta, optima.centre) for q in quantities]
        self.best = np.repeat(np.stack(best, axis=1).ravel(), 2)
        free = np.broadcast_to(optima.free, optima.theta.shape)
        variance, lean = optima.linearised(rows, quantities, free)
        variance = np.repeat(np.maximum(variance, 1e-24).ravel(), 2)
        # What the linearised end is away, with its sign; pulls are counted in it.
        self.step = np.sqrt(2 * self.rise * variance) * np.tile([-1.0, 1.0], batch * count)
        self.spring = STIFFNESS / variance
        self.lean = np.repeat(lean.reshape(batch * count, -1), 2, axis=0) * self.step[:, None]
        # Huber's function is linear beyond delta: the spring's row is scaled to stay within.
        delta = optima.loss.delta
        self.scale = (
            delta / (FARTHEST * np.abs(self.step))
            if np.isfinite(delta)
            else np.ones(self.step.shape)
        )

    def run(self) -> tuple[Array, np.ndarray, Array]:
        """Values on the quantities' scale, whether they are open, working parameters."""
        size = self.best.size
        start = self.optima.theta[self.problem]
        # The farthest points short of the end, and the nearest beyond it, with what lies between.
        pulls, roots = np.zeros((2, size)), np.zeros((2, size))
        values, thetas = np.stack([self.best] * 2), np.stack([start] * 2)
        bracketed, is_open = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
        # A first step along the linearised valley stays where that means something.
        pull = np.minimum(1.0, 0.7 / np.maximum(np.abs(self.lean).max(axis=1), 1e-12))
        guess = start + self.lean * pull[:, None]
        active = np.arange(size)
        for _ in range(ROUNDS):
            theta, value, root = self.rest(active, pull[active], guess[active])
            over = root >= 1.0
            moved = np.abs(value - values[0, active]) > 1e-4 * np.abs(
                (pull[active] - pulls[0, active]) * self.step[active]
            )
            former = thetas[0, active], pulls[0, active]
            side = over.astype(int)
            pulls[side, active], roots[side, active] = pull[active], root
            values[side, active], thetas[side, active] = value, theta
            bracketed[active] |= over
            is_open[active] = ~bracketed[active] & (~moved | (pull[active] >= FARTHEST))
            near = np.abs(root - 1.0) < TOLERANCE
            on = ~(near | is_open[active])
            pull[active], guess[active] = self.next(
                active, pulls, roots, thetas, bracketed[active], former
            )
            settled = active[near]  # it stands on both sides
            for array in (pulls, roots, values, thetas):
                array[:, settled] = array[side[near], settled]
            bracketed[settled] = True
            active = active[on]
            if active.size == 0:
                break
        return self.ends(roots, values, thetas, bracketed)

    def rest(self, active: np.ndarray, pull: Array, guess: Array) -> tuple[Array, Array, Array]:
        """Where the springs come to rest: theta, value of g, root of the rise (1 is the end)."""
        optima, problem = self.optima, self.problem[active]
        target = self.best[active] + pull * self.step[active] * (1.0 + 1.0 / STIFFNESS)
        scale = self.scale[active]

        def rows_of(array: Array) -> Array:
            return array[problem] if len(array) > 1 else np.repeat(array, problem.size, axis=0)

        def evaluate(x: Array, theta: Array) -> tuple[Array, Array]:
            value, jacobian = optima.law.evaluate(x[:, :-1], theta)
            task = x[:, -1, 0].astype(int)
            g, slope = self.measure(active[task], theta, with_slope=True)
            slope = (slope * scale[task][:, None])[..., None]
            grown = np.concatenate([np.swapaxes(jacobian, 1, 2), slope], axis=2)
            return (
                np.concatenate([value, (g * scale[task])[:, None]], axis=1),
                np.swapaxes(grown, 1, 2),
            )

        x = rows_of(self.rows.x)
        number = np.broadcast_to(
            np.arange(active.size)[:, None, None], (active.size, 1, x.shape[2])
        )
        weight = rows_of(self.rows.weight)
        log_target = rows_of(self.rows.log_target)
        solution = minimise(
            evaluate, guess,
            np.concatenate([x, number], axis=1),
            np.concatenate([log_target, (target * scale)[:, None]], axis=1),
            np.concatenate([weight, (self.spring[active] / scale**2)[:, None]], axis=1),
            lower=optima.lower, upper=optima.upper, free=optima.free, loss=optima.loss,
            max_iterations=ITERATIONS,
        )  # fmt: skip
        value, _ = self.measure(active, solution.theta)
        energy = solution.objective - self.spring[active] / scale**2 * optima.loss.value(
            (target - value) * scale
        )
        risen = np.maximum(energy - optima.objective[problem], 0.0)
        return solution.theta, value, np.sqrt(risen / self.rise[active])

    def measure(
        self, tasks: np.ndarray, theta: Array, with_slope: bool = False
    ) -> tuple[Array, Array]:
        """g of each task at theta, on its quantity's scale, and its gradient."""
        value, slope = np.empty(tasks.size), np.zeros_like(theta)
        law, centre = self.optima.law, self.optima.centre
        for k, quantity in enumerate(self.quantities):
            here = self.asked[tasks] == k
            value[here] = quantity.scaled(law, theta[here], centre)
            if with_slope:
                slope[here] = gradient(quantity, law, theta[here], centre)
        return value, slope

    def next(
        self,
        active: np.ndarray,
        pulls: Array,
        roots: Array,
        thetas: Array,
        bracketed: np.ndarray,
        former: tuple[Array, Array],
    ) -> tuple[Array, Array]:
        """The next pulls, and guesses of theta along the line through two known points."""
        (near, far), (low, high) = pulls[:, active], roots[:, active]
        share = (1.0 - low) / np.maximum(high - low, 1e-12)
        inner = near + np.clip(share, 0.05, 0.95) * (far - near)
        outer = near * np.clip(1.05 / np.maximum(low, 1e-9), 1.2, 4.0)
        pull = np.where(bracketed, inner, outer)
        other = np.where(bracketed[:, None], thetas[1, active], former[0])
        span = np.where(bracketed, far, former[1]) - near
        ahead = (pull - near) / np.where(np.abs(span) > 1e-12, span, np.inf)
        return pull, thetas[0, active] + (other - thetas[0, active]) * ahead[:, None]

    def ends(
        self, roots: Array, values: Array, thetas: Array, bracketed: np.ndarray
    ) -> tuple[Array, np.ndarray, Array]:
        width = roots[1] - roots[0]
        share = np.where(width > 1e-9, (1.0 - roots[0]) / np.where(width > 1e-9, width, 1.0), 0.0)
        share = np.where(bracketed, share, 0.0)
        value = values[0] + share * (values[1] - values[0])
        theta = thetas[0] + share[:, None] * (thetas[1] - thetas[0])
        return value, ~bracketed, theta
