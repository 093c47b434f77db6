"""The minimum of one budget's loss against the logarithm of size, by several methods.

Every method takes all budgets of a group and any number of draws at once, so that an interval costs
little more than the number it belongs to. What each is worth on lopsided grids stands in
docs/isoflop.md: a parabola through every size is off by up to a third of the size there.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.interpolate import Akima1DInterpolator

from scaling.analysis.law import Array

FEWEST = 3
"""Sizes of a budget below which there is no valley."""
WINDOW = 2.0
"""Sizes within a factor e^2 of the best one are what a local method is fitted to."""
NEAREST = 5
"""At least so many, where a budget has them."""


@dataclass(frozen=True)
class Grid:
    """The measured sizes of several budgets, one budget after the other."""

    x: Array
    """Logs of the sizes, ascending within a budget, `[rows]`."""
    valley: np.ndarray
    """Number of each row's budget, from 0, ascending, `[rows]`."""

    @cached_property
    def places(self) -> list[slice]:
        """Where each budget's rows stand."""
        ends = np.searchsorted(self.valley, np.arange(self.valley.max() + 2))
        return [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]

    @cached_property
    def edges(self) -> Array:
        """Logs of the smallest and the largest size of each budget, `[budgets, 2]`."""
        return np.array([[self.x[rows].min(), self.x[rows].max()] for rows in self.places])


class Curves(Protocol):
    """The fitted curves of all budgets, in every draw."""

    @property
    def place(self) -> Array:
        """Log of the size at each minimum, `[draws, budgets]`; NaN where the curve has none."""

    def value(self, budget: int, x: Array) -> Array:
        """Losses `[draws, points]` of one budget's curve at log sizes `[draws or 1, points]`."""


Method = Callable[[Grid, Array, Array], Curves]
"""From a grid, losses `[draws, rows]` and the weights of a local fit `[draws, rows]` to curves."""


def at_minimum(curves: Curves, place: Array) -> Array:
    """Losses of the curves at one log size per draw and budget, both `[draws, budgets]`."""
    columns = [curves.value(k, place[:, k : k + 1])[:, 0] for k in range(place.shape[1])]
    return np.stack(columns, axis=1)


def window(grid: Grid, loss: Array, nearest: int = NEAREST) -> Array:
    """1 for the rows near each budget's lowest loss, 0 for the others, `[draws, rows]`.

    Near is within `WINDOW`, or one of the `nearest`. A loss is infinite for a row that a draw lacks.
    """
    weight = np.zeros(loss.shape)
    for rows in grid.places:
        x = grid.x[rows]
        distance = np.abs(x - x[loss[:, rows].argmin(axis=1)][:, None])
        distance[np.isinf(loss[:, rows])] = np.inf
        fewest = np.sort(distance, axis=1)[:, min(nearest, len(x)) - 1]
        reach = np.maximum(WINDOW, fewest)[:, None] + 1e-9
        weight[:, rows] = (distance <= reach) & np.isfinite(distance)
    return weight


def bracketed(grid: Grid, loss: Array, place: Array) -> Array:
    """The minima that sizes on both sides enclose; infinite on the side where none is larger.

    Args:
        grid: the sizes.
        loss: `[draws, rows]`.
        place: log sizes of the fitted minima, `[draws, budgets]`; NaN stays.

    Returns:
        `[draws, budgets]`; -inf where the lowest loss or the minimum lies at the small end of the
        grid, +inf at the large end.
    """
    out = place.copy()
    for k, rows in enumerate(grid.places):
        lowest = loss[:, rows].argmin(axis=1)
        low, high = grid.edges[k]
        known = ~np.isnan(place[:, k])
        out[known & ((lowest == 0) | (place[:, k] <= low)), k] = -np.inf
        out[known & ((lowest == rows.stop - rows.start - 1) | (place[:, k] >= high)), k] = np.inf
    return out


@dataclass(frozen=True)
class Polynomials:
    """A polynomial in log size for each budget."""

    coefficients: Array
    """Lowest power first, `[draws, budgets, powers]`."""
    centre: Array
    """Of each budget's log sizes, `[budgets]`."""

    @property
    def place(self) -> Array:
        c = self.coefficients
        with np.errstate(divide="ignore", invalid="ignore"):
            if c.shape[-1] == 3:
                found = np.where(c[..., 2] > 0, -c[..., 1] / (2 * c[..., 2]), np.nan)
            else:  # the root of the derivative at which the second derivative is positive
                a, b, d = 3 * c[..., 3], 2 * c[..., 2], c[..., 1]
                found = -2 * d / (b + np.sqrt(b * b - 4 * a * d))
                found = np.where(b + 2 * a * found > 0, found, np.nan)
        return np.asarray(found + self.centre)

    def value(self, budget: int, x: Array) -> Array:
        powers = (x - self.centre[budget])[..., None] ** np.arange(self.coefficients.shape[-1])
        return np.asarray((powers * self.coefficients[:, budget, None]).sum(axis=-1))


def polynomials(grid: Grid, loss: Array, weight: Array, degree: int) -> Polynomials:
    """Weighted least squares; a budget with too few rows for the degree has no curve (NaN)."""
    draws = len(loss)
    centre = grid.edges.mean(axis=1)
    found = np.full((draws, len(grid.places), degree + 1), np.nan)
    for k, rows in enumerate(grid.places):
        x = grid.x[rows] - centre[k]
        enough = (weight[:, rows] > 0).sum(axis=1) > degree
        if len(np.unique(x)) <= degree or not enough.any():
            continue
        powers = x[:, None] ** np.arange(degree + 1)
        w, y = weight[enough, rows], loss[enough, rows]
        matrix = np.einsum("np,dn,nq->dpq", powers, w, powers)
        right = np.einsum("np,dn->dp", powers, w * y)
        scale = 1.0 / np.sqrt(np.einsum("dpp->dp", matrix))
        matrix = matrix * scale[:, :, None] * scale[:, None, :] + 1e-13 * np.eye(degree + 1)
        solved = np.linalg.solve(matrix, (right * scale)[..., None])[..., 0]
        found[enough, k] = solved * scale
    return Polynomials(found, centre)


def parabola(grid: Grid, loss: Array, weight: Array) -> Polynomials:
    """A parabola through every size: approach 2 of Hoffmann et al. 2022 (arXiv 2203.15556, 3.2)."""
    return polynomials(grid, loss, np.ones_like(weight), 2)


def cubic(grid: Grid, loss: Array, weight: Array) -> Polynomials:
    """A cubic through the sizes near the best one: it may be steeper on one side."""
    return polynomials(grid, loss, weight, 3)


@dataclass(frozen=True)
class Splines:
    """An interpolating curve through the measured losses of each budget."""

    curves: list[Akima1DInterpolator]
    draws: int
    edges: Array

    @cached_property
    def place(self) -> Array:
        out = np.empty((self.draws, len(self.curves)))
        for k, (low, high) in enumerate(self.edges):
            x = np.linspace(low, high, 801)
            out[:, k] = x[self.curves[k](x).argmin(axis=0)]
        return out

    def value(self, budget: int, x: Array) -> Array:
        curve = self.curves[budget]
        piece = np.clip(np.searchsorted(curve.x, x, side="right") - 1, 0, len(curve.x) - 2)
        step = x - curve.x[piece]
        draw = np.arange(self.draws)[:, None]
        powers = [curve.c[k, piece, draw] * step ** (3 - k) for k in range(4)]
        return np.asarray(sum(powers))


def akima(grid: Grid, loss: Array, weight: Array) -> Splines:
    """Akima's spline through every size (Akima 1970): no assumption, and all of the noise."""
    curves = []
    for rows in grid.places:
        x, number = np.unique(grid.x[rows], return_inverse=True)
        mean = np.zeros((len(x), len(loss)))
        np.add.at(mean, number, loss[:, rows].T)
        curves.append(Akima1DInterpolator(x, mean / np.bincount(number)[:, None]))
    return Splines(curves, len(loss), grid.edges)
