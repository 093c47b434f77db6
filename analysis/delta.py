"""Linearised errors of a batch of fits: what the curvature at the optimum says."""

from __future__ import annotations

import numpy as np

from scaling.analysis.distributions import normal_cdf, normal_density
from scaling.analysis.law import Array
from scaling.analysis.solver import Loss


def inverse_information(gradient: Array, weight: Array, inside: np.ndarray) -> Array:
    """(J' W J)^-1 over the parameters inside, 0 for the others.

    Args:
        gradient: `[batch, rows, parameters]`.
        weight: `[batch or 1, rows]`.
        inside: bool `[batch, parameters]`: free and not at a bound.

    Returns:
        `[batch, parameters, parameters]`.
    """
    matrix = np.swapaxes(gradient, 1, 2) @ (weight[..., None] * gradient)
    diagonal = np.einsum("bpp->bp", matrix)
    scale = np.where(inside, 1.0 / np.sqrt(np.maximum(diagonal, 1e-300)), 0.0)
    scaled = matrix * scale[:, :, None] * scale[:, None, :]
    found = np.linalg.pinv(scaled, rcond=1e-13, hermitian=True)
    return np.asarray(found * scale[:, :, None] * scale[:, None, :])


def huber_factors(loss: Loss, scatter: Array) -> tuple[Array, Array]:
    """E[psi^2] / (sigma E[psi'])^2 and E[psi'] for normal errors of that scatter (Huber 1964).

    The first is how much the variance of an estimate exceeds that of least squares, the second how
    much less curved the objective is. Counting the rows within delta instead would rest on two or
    three rows where delta is far below the noise.
    """
    scatter = np.asarray(scatter, dtype=np.float64)
    if np.isinf(loss.delta):
        return np.ones_like(scatter), np.ones_like(scatter)
    c = loss.delta / np.maximum(scatter, 1e-300)
    c = np.minimum(c, 30.0)  # beyond it Huber's function is least squares
    within = 2 * normal_cdf(c) - 1
    squared = within - 2 * c * normal_density(c) + 2 * c**2 * normal_cdf(-c)
    return np.maximum(squared / within**2, 1.0), within
