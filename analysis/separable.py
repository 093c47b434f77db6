"""Variable projection: what a law is linear in follows from its exponents.

Golub and Pereyra 1973. A start is drawn in the exponents alone; offset and amplitudes come from a
linear least-squares problem that keeps them from falling below 0.
"""

from __future__ import annotations

import itertools

import numpy as np

from scaling.analysis.law import Array

LEAST_SHARE = 1e-3
"""Of the typical loss that an amplitude starts with: from 0 no step in its log leads away."""


def amplitudes(basis: Array, loss: Array) -> Array:
    """Weights w >= 0 that minimise sum_i ((loss_i - basis_i w) / loss_i)^2, for every start.

    Args:
        basis: `[starts, rows, columns]`, at most a handful of columns.
        loss: `[rows]`.

    Returns:
        `[starts, columns]`.
    """
    relative = basis / loss[:, None]
    scale = np.sqrt(np.maximum((relative**2).sum(axis=1), 1e-200))
    relative = relative / scale[:, None, :]
    gram = np.einsum("snj,snk->sjk", relative, relative)
    slope = relative.sum(axis=1)
    starts, columns = slope.shape
    best, least = np.zeros((starts, columns)), np.zeros(starts)
    # The optimum is the unconstrained one of some subset of columns; there are few subsets.
    for size in range(1, columns + 1):
        for subset in itertools.combinations(range(columns), size):
            here = np.array(subset)
            part = gram[:, here[:, None], here] + 1e-12 * np.eye(size)
            weights = np.linalg.solve(part, slope[:, here, None])[..., 0]
            value = -(weights * slope[:, here]).sum(axis=1)  # less the constant sum of 1
            better = (weights >= 0).all(axis=1) & (value < least)
            least[better] = value[better]
            best[better] = 0.0
            best[np.ix_(better, here)] = weights[better]
    return np.asarray(best / scale)


def log_amplitudes(weights: Array, basis: Array, loss: Array) -> Array:
    """Logs of the weights `[starts, columns]`, each worth at least a small share of the loss."""
    typical = np.maximum(np.abs(basis).max(axis=1), 1e-200)
    return np.asarray(np.log(np.maximum(weights, LEAST_SHARE * np.median(loss) / typical)))


def exponents(x: Array, count: int, rng: np.random.Generator, *, largest: float) -> Array:
    """Exponents of one variable to start from, `[count]`, the most sensible first.

    In units of the data's own range `x` (centred logs, `[rows]`): from a term that hardly falls
    (e^0.1-fold) to one that falls e^5-fold.
    """
    fall = np.concatenate([[1.5], np.exp(rng.uniform(np.log(0.1), np.log(5.0), count - 1))])
    return np.asarray(np.minimum(fall / max(float(np.ptp(x)), 1e-6), largest))
