"""Quantiles and tails of the usual distributions, from `scipy.special`.

`scipy.stats` has them too, but takes longer to import than most commands take to answer, and 100
microseconds for a value.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from scaling.analysis.law import Array


def t_quantile(probability: float, dof: Array | float) -> Array:
    """Student's t below which it lies with that probability."""
    return np.asarray(special.stdtrit(dof, probability))


def t_tail(t: Array | float, dof: Array | float) -> Array:
    """Probability that Student's t lies above."""
    return np.asarray(special.stdtr(dof, -np.asarray(t)))


def normal_quantile(probability: Array | float) -> Array:
    """Where a standard normal number lies below with that probability."""
    return np.asarray(special.ndtri(probability))


def normal_cdf(z: Array | float) -> Array:
    """Probability that a standard normal number lies below."""
    return np.asarray(special.ndtr(z))


def normal_density(z: Array | float) -> Array:
    """Of a standard normal number."""
    return np.asarray(np.exp(-(np.asarray(z) ** 2) / 2) / np.sqrt(2 * np.pi))


def normal_log_tail(z: Array | float) -> Array:
    """Logarithm of the probability that a standard normal number lies above."""
    return np.asarray(special.log_ndtr(-np.asarray(z)))


def chi2_tail(value: Array | float, dof: float) -> Array:
    """Probability that a sum of `dof` squared standard normal numbers lies above."""
    return np.asarray(special.chdtrc(dof, value))


def f_tail(ratio: Array | float, above: float, below: float) -> Array:
    """Probability that Fisher's ratio of two mean squares lies above, by their degrees of freedom."""
    return np.asarray(special.fdtrc(above, below, ratio))
