"""What intervals are worth where the law is wrong, and whether a hold-out notices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.analysis.fitting import fit
from scaling.analysis.holdout import holdout
from scaling.analysis.law import Array, law_of
from scaling.analysis.quantities import prediction
from scaling.analysis.simulator import RECOMMENDER, SMALLEST, Design

NOISE = 0.001
DESIGN = Design(7, 3.0)
BENDS = (RECOMMENDER["alpha"], 0.15, 0.0)
"""Exponents of N beyond the break, the first as before it."""


@dataclass(frozen=True)
class Wrong:
    """Chinchilla's law fitted to many simulated tables."""

    bend: float
    """Exponent of N beyond the break."""
    simulations: int
    covered: float
    """Share of 95 % profile intervals of the loss at ten times the largest compute that hold it."""
    error: float
    """Median relative error of that loss."""
    flagged: float
    """Share of the tables of which a hold-out says that the law doesn't extrapolate."""


def truth(columns: dict[str, Array], bend: float) -> Array:
    """Chinchilla's law with one break in N, in the middle of the grid.

    A N^-alpha (1 + N / N_b)^(alpha - bend): a broken power law (Caballero et al. 2023, equation 1,
    with f = 1), whose exponent turns from alpha to `bend`.
    """
    params = dict(RECOMMENDER)
    size = np.asarray(columns["params"], dtype=np.float64)
    middle = SMALLEST["params"] * 10.0 ** (DESIGN.decades / 2)
    term = params["A"] * size ** -params["alpha"]
    turned = term * (1.0 + size / middle) ** (params["alpha"] - bend)
    return np.asarray(law_of("chinchilla")(columns, params) - term + turned)


def flagged(bend: float, simulations: int, seed: int = 0) -> Wrong:
    """Fit, extrapolate and hold out, on a 7 x 7 grid over 3 decades with 0.1 % of noise.

    Args:
        bend: exponent of N beyond the break; alpha itself for no break, a right law.
        simulations: how many tables.
        seed: of the noise.
    """
    law, columns = law_of("chinchilla"), DESIGN.columns()
    beyond = prediction(law, DESIGN.beyond(10.0))
    far = {name: np.array([value]) for name, value in DESIGN.beyond(10.0).items()}
    expected, there = truth(columns, bend), float(truth(far, bend)[0])
    rng = np.random.default_rng(seed)
    inside, errors, noticed = [], [], []
    for _ in range(simulations):
        runs = pd.DataFrame(columns).assign(
            loss=expected * np.exp(NOISE * rng.normal(size=expected.size))
        )
        found = fit(law, runs, objective="squares", starts=4, diagnose=False)
        low, high = found.interval_of(beyond)
        inside.append(low <= there <= high)
        errors.append(float(found.predict(far)[0]) / there - 1.0)
        noticed.append(not holdout(runs, law=law, objective="squares").extrapolates)
    return Wrong(
        bend, simulations, float(np.mean(inside)), float(np.median(errors)), float(np.mean(noticed))
    )
