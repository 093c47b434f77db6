"""Where the best learning rate lies for each size, by a parabola, and how far it moves.

A size is everything that makes a configuration but the rate. In the logarithm of the rate the loss
near its minimum is a parabola; it is fitted to the rates nearest to the best one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.analysis.law import Array

RATES = 5
"""How many rates around the best one the parabola goes through."""
FEWEST = 3
SIZE = ("depth", "width", "seq_len", "blocks", "budget", "batch_size")
"""Columns that tell sizes apart."""


@dataclass(frozen=True)
class RateCurve:
    """The loss of one size against the rate."""

    size: dict[str, float]
    """Its axes, those that the table has."""
    rates: Array
    """[rates], ascending."""
    losses: Array
    """[rates], mean over seeds."""
    seeds: int
    """Fewest at any rate."""
    best: float | None
    """The parabola's vertex; None where it is no minimum inside the rates tried."""
    coefficients: Array
    """[3], of the parabola in log2 of the rate, highest power first."""

    def fitted(self, rates: Array) -> Array:
        """The parabola at `rates`."""
        a, b, c = self.coefficients
        x = np.log2(rates)
        return np.asarray(a * x**2 + b * x + c, dtype=np.float64)

    def near(self) -> Array:
        """The rates that the parabola was fitted to."""
        return self.rates[_window(self.losses)]


def rate_curves(runs: pd.DataFrame, *, target: str = "loss") -> list[RateCurve]:
    """A curve for each size that was trained at three rates or more.

    Args:
        runs: usable rows of a run table with `lr`, of one group.
        target: the loss column.
    """
    keys = [name for name in SIZE if name in runs.columns and runs[name].notna().all()]
    found = []
    sizes = [rows for _, rows in runs.groupby(keys, sort=True)] if keys else [runs]
    for rows in sizes:
        by_rate = rows.groupby("lr")[target]
        means, counts = by_rate.mean(), by_rate.count()
        if len(means) < FEWEST:
            continue
        rates, losses = means.index.to_numpy(dtype=float), means.to_numpy(dtype=float)
        coefficients, best = _vertex(rates, losses)
        found.append(
            RateCurve(
                size={name: float(rows[name].iloc[0]) for name in keys},
                rates=rates,
                losses=losses,
                seeds=int(counts.min()),
                best=best,
                coefficients=coefficients,
            )
        )
    return found


def spread(curves: Iterable[RateCurve]) -> float | None:
    """The largest best rate over the smallest; None where a curve has no minimum."""
    best = [curve.best for curve in curves]
    known = [rate for rate in best if rate is not None]
    return max(known) / min(known) if known and len(known) == len(best) else None


def _window(losses: Array) -> slice:
    """The `RATES` places around the smallest loss."""
    first = int(np.argmin(losses)) - RATES // 2
    first = min(max(first, 0), max(len(losses) - RATES, 0))
    return slice(first, first + RATES)


def _vertex(rates: Array, losses: Array) -> tuple[Array, float | None]:
    near = _window(losses)
    x = np.log2(rates[near])
    coefficients = np.polyfit(x, losses[near], 2)
    if coefficients[0] <= 0:
        return coefficients, None
    vertex = -coefficients[1] / (2 * coefficients[0])
    return coefficients, float(2**vertex) if x[0] <= vertex <= x[-1] else None
