"""The coupled law in parameters and examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scaling.analysis.coordinates import Centred
from scaling.analysis.law import LAWS, Array
from scaling.analysis.powersum import EXPONENT_BOUND

_FAR = 300.0
"""ln of how far N_c or D_c may lie from the data: further away raw numbers overflow."""


@LAWS.register("kaplan")
class Kaplan(Centred):
    """L = [(N_c/N)^(alpha_N/alpha_D) + D_c/D]^alpha_D. Kaplan et al. 2020, arXiv 2001.08361, eq. 1.5.

    A power law in N where data are plenty and one in D where parameters are; no floor. Working
    parameters: ln N_c and ln D_c less the centre of the data, and the exponents.
    """

    name = "kaplan"
    formula = "[(N_c / params)^(alpha_N / alpha_D) + D_c / examples]^alpha_D"
    variables = ("params", "examples")
    parameters = ("N_c", "D_c", "alpha_N", "alpha_D")
    exponents = ("alpha_N", "alpha_D")
    positive = frozenset(("N_c", "D_c"))
    shifts = {"N_c": (("params", None),), "D_c": (("examples", None),)}  # noqa: RUF012
    ranges = {"alpha_N": (1e-4, np.inf), "alpha_D": (1e-4, np.inf)}  # noqa: RUF012
    example = {"N_c": 8.8e13, "D_c": 5.4e13, "alpha_N": 0.076, "alpha_D": 0.095}  # noqa: RUF012

    def __call__(self, columns: Mapping[str, Any], params: Mapping[str, Any]) -> Array:
        # alpha_D ln of the two terms' sum, where alpha_D times each one's log is a pure power law's
        first, second = (
            np.asarray(params[f"alpha_{k}"])
            * (np.log(params[f"{k}_c"]) - np.log(np.asarray(columns[name], dtype=np.float64)))
            for k, name in (("N", "params"), ("D", "examples"))
        )
        power = np.asarray(params["alpha_D"], dtype=np.float64)
        with np.errstate(invalid="ignore"):  # a power of nearly 0 has no value, and needs none
            return np.asarray(np.exp(power * np.logaddexp(first / power, second / power)))

    def evaluate(self, x: Array, theta: Array) -> tuple[Array, Array]:
        size, data, alpha, power = (theta[:, k, None] for k in range(4))
        above = size - x[..., 0]
        first = alpha / power * above
        second = data - x[..., 1]
        total = np.logaddexp(first, second)
        share = np.exp(first - total)
        gradient = [alpha * share, power * (1 - share), share * above, total - share * first]
        return power * total, np.swapaxes(np.stack(np.broadcast_arrays(*gradient), axis=1), 1, 2)

    def bounds(self, x: Array, loss: Array) -> tuple[Array, Array]:
        lower = np.array([-_FAR, -_FAR, 1e-4, 1e-4])
        return lower, np.array([_FAR, _FAR, EXPONENT_BOUND, EXPONENT_BOUND])

    def starts(self, x: Array, loss: Array, count: int, rng: np.random.Generator) -> Array:
        fall = max(float(np.log(loss.max() / loss.min())), 1e-3)
        spread = np.maximum(np.ptp(x, axis=0), 1e-6)
        times = np.concatenate([[[1.0, 1.0]], rng.uniform(0.3, 3.0, (count - 1, 2))])
        power = np.clip(times * fall / spread, 1e-3, EXPONENT_BOUND)
        share = np.concatenate([[0.5], rng.uniform(0.1, 0.9, count - 1)])
        parts = np.log(np.stack([share, 1 - share], axis=-1))
        # The two terms share out a typical loss at the middle of the data.
        logs = np.log(np.median(loss)) + power[:, 1:] * parts
        places = np.clip(logs / power + x.mean(axis=0), -_FAR, _FAR)
        return np.concatenate([places, power], axis=1)
