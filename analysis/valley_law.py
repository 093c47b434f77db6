"""The minima that a law in parameters and examples implies, fitted to all budgets of a group at once.

L = E + A N^-alpha + B D^-beta with every row's own N and D (approach 3 of Hoffmann et al. 2022, arXiv
2203.15556, 3.3). The best there is while the law is right, and off by half the size where it isn't.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling.analysis.law import Array, Law, law_of
from scaling.analysis.solver import Loss, minimise
from scaling.analysis.valley import Grid, Polynomials, polynomials

STARTS = 24


@dataclass(frozen=True)
class LawCurves:
    """A law along each budget, where N and D follow the size as they do in the rows."""

    law: Law
    theta: Array
    """Working parameters, `[draws, parameters]`."""
    centre: Array
    along: tuple[Polynomials, Polynomials]
    """ln N and ln D of each budget against the log of the size."""
    edges: Array

    @cached_property
    def place(self) -> Array:
        out = np.empty((len(self.theta), len(self.edges)))
        for k, (low, high) in enumerate(self.edges):
            x = np.linspace(low, high, 801)
            out[:, k] = x[self.value(k, x[None]).argmin(axis=1)]
        return out

    def value(self, budget: int, x: Array) -> Array:
        logs = np.stack([curve.value(budget, x) for curve in self.along], axis=-1)
        return np.asarray(np.exp(self.law.evaluate(logs - self.centre, self.theta)[0]))


def law_curves(grid: Grid, logs: Array, loss: Array) -> LawCurves:
    """Fit Chinchilla's law by least squares in ln L.

    Args:
        grid: the sizes.
        logs: ln N and ln D, `[rows, 2]`.
        loss: `[draws, rows]`; every draw starts at the optimum of the first.
    """
    law = law_of("chinchilla")
    centre = logs.mean(axis=0)
    x, y = logs - centre, np.log(loss)
    lower, upper = law.bounds(x, loss)
    free = np.ones(len(law.parameters), dtype=bool)
    weight = np.ones((1, len(logs)))

    def solve(theta: Array, rows: Array) -> tuple[Array, Array]:
        found = minimise(
            law.evaluate, theta, x[None], rows, weight,
            lower=lower, upper=upper, free=free, loss=Loss(np.inf),
        )  # fmt: skip
        return found.theta, found.objective

    starts = law.starts(x, loss[0], STARTS, np.random.default_rng(0))
    tried, objective = solve(starts, y[:1])
    theta, _ = solve(np.repeat(tried[[objective.argmin()]], len(loss), axis=0), y)
    ones = np.ones((1, len(logs)))
    curves = [_along(grid, column[None], ones) for column in logs.T]
    return LawCurves(law, theta, centre, (curves[0], curves[1]), grid.edges)


def _along(grid: Grid, column: Array, weight: Array) -> Polynomials:
    """How a logarithm moves along each budget: a line would do but for what isn't proportional."""
    return polynomials(grid, column, weight, 2)
