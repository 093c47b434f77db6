"""The law of a bounded metric's gap to its ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scaling.analysis.coordinates import Centred
from scaling.analysis.law import LAWS, Array
from scaling.analysis.powersum import EXPONENT_BOUND, inverse_power
from scaling.analysis.separable import amplitudes, exponents, log_amplitudes

_LEAST = 1e-6
"""A metric this low is as far off as one can be; it keeps the logs finite."""


@LAWS.register("gap")
class Gap(Centred):
    """metric = ceiling - A C^-alpha with ceiling <= 1: for AUC, hit rate and the like, which rise.

    The gap to the ceiling is a power law (Hestness et al. 2017, arXiv 1712.00409, for error rates).
    Separable: linear in the ceiling and in A.
    """

    name = "gap"
    formula = "ceiling - A · compute^-alpha"
    variables = ("compute",)
    parameters = ("ceiling", "A", "alpha")
    exponents = ("alpha",)
    positive = frozenset(("A",))
    increasing = True
    limits = (0.0, 1.0)
    ranges = {"ceiling": (_LEAST, 1.0)}  # noqa: RUF012
    anchors = {"compute": "A"}  # noqa: RUF012
    shifts = {"A": (("compute", "alpha"),)}  # noqa: RUF012
    example = {"ceiling": 0.85, "A": 20.0, "alpha": 0.2}  # noqa: RUF012

    def __call__(self, columns: Mapping[str, Any], params: Mapping[str, Any]) -> Array:
        logs = np.log(np.asarray(columns["compute"], dtype=np.float64))
        gap = np.exp(np.log(params["A"]) - np.asarray(params["alpha"]) * logs)
        return np.asarray(np.maximum(params["ceiling"] - gap, 0.0))

    def evaluate(self, x: Array, theta: Array) -> tuple[Array, Array]:
        ceiling, level, slope = (theta[:, k, None] for k in range(3))
        gap = np.exp(level - slope * x[..., 0])
        value = np.maximum(ceiling - gap, _LEAST)
        parts = np.stack([np.ones_like(value), -gap, x[..., 0] * gap], axis=1)
        return np.log(value), np.swapaxes(parts / value[:, None], 1, 2)

    def bounds(self, x: Array, loss: Array) -> tuple[Array, Array]:
        far = EXPONENT_BOUND * np.abs(x).max()
        lower = [_LEAST, np.log(loss.min()) - 12.0 - far, -EXPONENT_BOUND]
        return np.array(lower), np.array([1.0, far, EXPONENT_BOUND])

    def starts(self, x: Array, loss: Array, count: int, rng: np.random.Generator) -> Array:
        slope = exponents(x[:, 0], count, rng, largest=EXPONENT_BOUND)
        gap = np.exp(-slope[:, None] * x[:, 0])
        basis = np.stack([np.ones_like(gap), -gap], axis=-1)
        weights = amplitudes(basis, loss)
        # A start above 1 or below a measured value would begin outside what the law can be.
        ceiling = np.clip(weights[:, 0], loss.max(), 1.0)
        level = log_amplitudes(weights, basis, loss)[:, 1]
        most = np.log(0.9 * ceiling) - np.log(gap.max(axis=1))
        return np.stack([ceiling, np.minimum(level, most), slope], axis=-1)

    def inverse(self, loss: Any, params: Mapping[str, Any]) -> Array:
        """The compute at which the metric rises to `loss`."""
        gap = np.asarray(params["ceiling"] - np.asarray(loss, dtype=np.float64))
        return inverse_power(gap, params["A"], params["alpha"])
