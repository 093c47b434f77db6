"""Run tables made from a known law, to find out what a method makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.analysis.law import Array, Law

RECOMMENDER = {"E": 0.45, "A": 6.0, "B": 12.0, "alpha": 0.35, "beta": 0.30}
"""Chinchilla's law as recommenders show it: a floor of 0.45 and, at 1e5 parameters and 1e7
examples, 0.107 and 0.095 above it."""
SMALLEST = {"params": 1e5, "examples": 1e7}


@dataclass(frozen=True)
class Design:
    """A grid of runs: `side` sizes by `side` amounts of data, each over `decades` decades."""

    side: int
    decades: float

    @property
    def runs(self) -> int:
        return self.side**2

    def columns(self) -> dict[str, Array]:
        """`params` and `examples` of each run, `[runs]`."""
        steps = np.logspace(0.0, self.decades, self.side)
        sizes, amounts = np.meshgrid(SMALLEST["params"] * steps, SMALLEST["examples"] * steps)
        return {"params": sizes.ravel(), "examples": amounts.ravel()}

    def beyond(self, factor: float) -> dict[str, float]:
        """Columns at `factor` times the largest compute (N D), N and D grown alike."""
        grown = np.sqrt(factor) * 10.0**self.decades
        return {name: smallest * grown for name, smallest in SMALLEST.items()}


def spread(rows: int, decades: float, seed: int = 0) -> dict[str, Array]:
    """Columns of so many runs, log-uniform at random over `decades` decades, not tied."""
    steps = 10.0 ** np.random.default_rng(seed).uniform(0.0, decades, size=(len(SMALLEST), rows))
    return {name: smallest * step for (name, smallest), step in zip(SMALLEST.items(), steps)}


def losses(
    law: Law,
    columns: Mapping[str, Array],
    params: Mapping[str, float],
    *,
    noise: float,
    simulations: int,
    seed: int,
) -> Array:
    """Losses with normal errors of ln(loss) of standard deviation `noise`, `[simulations, runs]`."""
    truth = law(columns, params)
    errors = np.random.default_rng(seed).normal(size=(simulations, truth.size))
    return np.asarray(truth * np.exp(noise * errors))


def table(
    law: Law,
    columns: Mapping[str, Array],
    params: Mapping[str, float],
    *,
    noise: float,
    seed: int = 0,
    seeds: int = 1,
) -> pd.DataFrame:
    """A run table with `seeds` rows of each configuration."""
    drawn = losses(law, columns, params, noise=noise, simulations=seeds, seed=seed)
    one = pd.DataFrame(columns)
    one["configuration"] = [f"run-{number}" for number in range(len(one))]
    return pd.concat(
        [one.assign(seed=number, loss=row) for number, row in enumerate(drawn)], ignore_index=True
    )
