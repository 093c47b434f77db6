"""Minima of all budgets of a group along one axis, with draws that show how sure they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.analysis.configurations import selection_column
from scaling.analysis.isoflop_budgets import (
    Budget,
    Refused,
    best_of_each,
    refusal,
)
from scaling.analysis.law import Array
from scaling.analysis.valley import (
    Curves,
    Grid,
    akima,
    at_minimum,
    bracketed,
    cubic,
    parabola,
    polynomials,
    window,
)
from scaling.analysis.valley_curve import OUTLYING, exponentials
from scaling.analysis.valley_law import law_curves

SIMPLE: Mapping[str, Callable[[Grid, Array, Array], Curves]] = {
    "exponentials": exponentials,
    "parabola": parabola,
    "cubic": cubic,
    "akima": akima,
}
"""Those that need nothing but sizes and losses."""
METHODS = (*SIMPLE, "law")
"""The first is the one reported: the least biased where a grid is lopsided (docs/isoflop.md)."""
ENOUGH = 4
"""Spare rows from which on the scatter about the curves is taken as the noise; with fewer the scatter
between seeds is added."""

FAINTEST = 1e-5
"""Relative scatter below which a row is on the curve."""
FOLLOWS = 0.95
"""Correlation of logarithms from which on a column counts as moving with the size along a budget."""


@dataclass(frozen=True)
class Noise:
    """Relative scatter of a configuration's selection and target loss about the curves."""

    covariance: Array
    """`[2, 2]`"""
    dof: int
    """0: nothing is known, and there are no intervals."""


@dataclass(frozen=True)
class Samples:
    """The rows of the budgets that have a valley, and the same rows with noise drawn anew."""

    table: pd.DataFrame
    """`[rows]`, budget by budget."""
    valley: np.ndarray
    selection: Array
    """The measured losses, then the base that the draws scatter about, then the draws,
    `[2 + draws, rows]`."""
    target: Array


@dataclass(frozen=True)
class Minima:
    """Minima by one method; the first axis of arrays is measured, base, draws as in `Samples`."""

    grid: Grid
    curves: Curves
    """Of the selection loss."""
    valued: Curves
    """Of the target."""
    raw: Array
    """Log sizes of the curves' minima wherever they lie, `[2 + draws, budgets]`; NaN for none."""
    place: Array
    """The same, infinite where the grid doesn't enclose the minimum."""
    loss: Array
    """Target loss at the minimum."""

    def spread(self, values: Array) -> Array:
        """The measured minimum with the noise of the draws, `[draws, budgets]`."""
        with np.errstate(invalid="ignore"):
            moved = values[2:] + (values[0] - values[1])
        return np.where(np.isinf(values[2:]), values[2:], moved)


@dataclass(frozen=True)
class ValleyFit:
    """Everything that was found along one axis."""

    axis: str
    compute: Array
    """Of the budgets with a valley, `[budgets]`."""
    minima: Minima
    samples: Samples
    noise: Noise
    refused: tuple[Refused, ...]
    outlying: tuple[str, ...]
    """Rows that lie far off the curve, in words."""


def fit_valleys(
    budgets: Sequence[Budget],
    axis: str,
    *,
    target: str,
    draws: int,
    rng: np.random.Generator,
) -> ValleyFit | tuple[Refused, ...]:
    """Minima along `axis`, the other axes at their best, by the curve of `valley_curve`.

    Returns:
        the fit, or the refusals where no budget has a valley.
    """
    kept: list[tuple[Budget, pd.DataFrame]] = []
    refused: list[Refused] = []
    for budget in budgets:
        selection = selection_column(budget.table, target)
        rows = best_of_each(budget, axis, selection)
        why = refusal(rows[axis].to_numpy(float), rows[selection].to_numpy(float), axis)
        why = why or _bent(rows[axis], rows[selection])
        if why:
            refused.append(Refused(budget.compute, why))
        else:
            kept.append((budget, rows))
    if not kept:
        return tuple(refused)
    table = pd.concat([rows for _, rows in kept], ignore_index=True)
    valley = np.repeat(np.arange(len(kept)), [len(rows) for _, rows in kept])
    selection = selection_column(table, target)
    grid = Grid(np.log(table[axis].to_numpy(float)), valley)
    measured = table[[selection, target]].to_numpy(float).T[:, None]  # [2, 1, rows]
    weight = window(grid, measured[0])
    fitted, noise, outlying = _scatter(grid, measured, weight, table, target, axis)
    base = np.where(weight > 0, fitted, measured)
    samples = Samples(table, valley, *_drawn(measured, base, noise, draws, rng))
    minima = minima_by(METHODS[0], grid, samples)
    return ValleyFit(
        axis, np.array([budget.compute for budget, _ in kept]), minima, samples, noise,
        tuple(refused), outlying,
    )  # fmt: skip


def minima_by(method: str, grid: Grid, samples: Samples) -> Minima:
    """The minima of the same samples by another method.

    Raises:
        ValueError: an unknown method, or a law without the columns that it needs.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; valid: {', '.join(METHODS)}")
    weight = window(grid, samples.selection)
    fit = _method(method, samples)
    curves = fit(grid, samples.selection, weight)
    same = samples.target is samples.selection
    valued = curves if same else fit(grid, samples.target, weight)
    raw = curves.place
    place = bracketed(grid, samples.selection, raw)
    inside = np.clip(np.nan_to_num(raw, nan=0.0), *grid.edges.T)
    return Minima(grid, curves, valued, raw, place, at_minimum(valued, inside))


def along(fit: ValleyFit, column: str, method: str) -> Minima | None:
    """The minima of the same rows against another column; None where the rows aren't in its order.

    In a budget examples fall as parameters rise, so the same valley has a place among examples.
    """
    samples = fit.samples
    if column not in samples.table or not (samples.table[column] > 0).all():
        return None
    x = np.log(samples.table[column].to_numpy(float))
    if not _ordered(fit.minima.grid, x):
        return None
    order = np.lexsort((x, samples.valley))
    selection = samples.selection[:, order]
    same = samples.target is samples.selection
    target = selection if same else samples.target[:, order]
    sorted_rows = Samples(samples.table.iloc[order], samples.valley, selection, target)
    return minima_by(method, Grid(x[order], samples.valley), sorted_rows)


def _method(name: str, samples: Samples) -> Callable[[Grid, Array, Array], Curves]:
    if name in SIMPLE:
        return SIMPLE[name]
    for column in ("params", "examples"):
        if column not in samples.table or not (samples.table[column] > 0).all():
            raise ValueError(f"the law needs {column} of every run")
    logs = np.log(samples.table[["params", "examples"]].to_numpy(float))
    return lambda grid, loss, weight: law_curves(grid, logs, loss)


def _ordered(grid: Grid, x: Array) -> bool:
    """Whether a column rises or falls along every budget, but for a few neighbours."""
    return all(
        np.ptp(x[rows]) > 0 and abs(np.corrcoef(grid.x[rows], x[rows])[0, 1]) > FOLLOWS
        for rows in grid.places
    )


def _bent(sizes: pd.Series, loss: pd.Series) -> str:
    grid = Grid(np.log(sizes.to_numpy(float)), np.zeros(len(sizes), dtype=int))
    y = loss.to_numpy(float)[None]
    bend = polynomials(grid, y, window(grid, y), 2).coefficients[0, 0, 2]
    return "" if bend > 0 else "the losses bend down around the lowest one: no valley"


def _scatter(
    grid: Grid, measured: Array, weight: Array, table: pd.DataFrame, target: str, axis: str
) -> tuple[Array, Noise, tuple[str, ...]]:
    """Fitted losses `[2, 1, rows]`, the noise about them, and rows that lie far off."""
    near = weight[0] > 0
    fitted = np.empty_like(measured)
    squares = np.zeros((2, int(near.sum())))
    far = np.zeros(len(near), dtype=bool)
    dof = 0
    for part in range(2):
        delta = np.inf
        for _ in range(2):
            curves = exponentials(grid, measured[part], weight, delta=delta)
            for k, rows in enumerate(grid.places):
                fitted[part][:, rows] = curves.value(k, grid.x[None, rows])
            residual = np.log(measured[part] / fitted[part])[0]
            dof = int(near.sum()) - curves.num_parameters
            if dof <= 0:
                break
            robust = 1.4826 * np.median(np.abs(residual[near])) * np.sqrt(near.sum() / dof)
            delta = OUTLYING * max(robust, FAINTEST)
        squares[part] = np.clip(residual[near], -delta, delta)
        far |= near & (np.abs(residual) > delta)
    summed = squares @ squares.T
    if dof < ENOUGH:
        between, more = _between_seeds(table, target)
        summed, dof = summed + between, max(dof, 0) + more
    words = tuple(
        f"{axis} {table[axis].iloc[row]:.4g} at {table['compute'].iloc[row]:.3g} FLOPs lies "
        f"{measured[1, 0, row] / fitted[1, 0, row] - 1:+.1%} off the curve"
        for row in np.flatnonzero(far)
    )
    return fitted, Noise(summed / max(dof, 1), dof), words


def _between_seeds(table: pd.DataFrame, target: str) -> tuple[float, int]:
    """Summed squares of a mean over seeds, and their degrees of freedom."""
    if "num_seeds" not in table or not (table["num_seeds"] > 1).any():
        return 0.0, 0
    several = table[table["num_seeds"] > 1]
    spare = several["num_seeds"].to_numpy(float) - 1.0
    relative = (several["target_std"] / several[target]).to_numpy(float)
    return float((spare * relative**2 / (spare + 1.0)).sum()), int(spare.sum())


def _drawn(
    measured: Array, base: Array, noise: Noise, draws: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    rows = base.shape[-1]
    if noise.dof == 0:
        draws = 0
    values, vectors = np.linalg.eigh(noise.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    scale = np.sqrt(noise.dof / rng.chisquare(max(noise.dof, 1), size=(draws, 1)))
    errors = np.einsum("pq,dnq->pdn", root, rng.normal(size=(draws, rows, 2))) * scale
    out = np.concatenate([measured, base, base * np.exp(errors)], axis=1)
    same = bool((measured[0] == measured[1]).all())
    return out[0], out[0] if same else out[1]
