"""The data-constrained law: examples seen again are worth less."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scaling.analysis.coordinates import Centred
from scaling.analysis.law import LAWS, Array
from scaling.analysis.laws.chinchilla import Chinchilla
from scaling.analysis.powersum import EXPONENT_BOUND
from scaling.analysis.separable import amplitudes, exponents, log_amplitudes

WORTH = (1e-2, 1e5)
"""What R_D and R_N are searched in: repeats that are worth nothing, or as much as new examples."""
_LEAST_EXPONENT = 1e-3


@LAWS.register("repeated")
class Repeated(Centred):
    """L = E + A N'^-alpha + B D'^-beta. Muennighoff et al. 2023, arXiv 2305.16264, equations 5-6.

    D' = U (1 + R_D (1 - exp(-r / R_D))) with U distinct examples and r = D/U - 1 repetitions; R_D
    is after how many repetitions 1 - 1/e of their worth is used up. N' is made of N alike, by R_N
    from U_N, the smaller of N and the parameters that suit U distinct examples at least compute,
    (alpha A / (beta B))^(1/alpha) U^(beta/alpha).

    The paper fits R_D and R_N with the other five given from runs without repetition.
    """

    name = "repeated"
    formula = (
        "E + A · N'^-alpha + B · D'^-beta, N' of params and D' of examples, "
        "where repeats of unique_examples count less"
    )
    variables = ("params", "examples", "unique_examples")
    parameters = ("E", "A", "B", "alpha", "beta", "R_D", "R_N")
    positive = frozenset(("A", "B", "R_D", "R_N"))
    exponents = ("alpha", "beta")
    offset = "E"
    anchors = {"params": "A", "examples": "B", "unique_examples": "B"}  # noqa: RUF012
    shifts = {  # noqa: RUF012
        "A": (("params", "alpha"),), "B": (("examples", "beta"),), "R_D": (), "R_N": (),
    }  # fmt: skip
    ranges = {"alpha": (_LEAST_EXPONENT, np.inf), "beta": (_LEAST_EXPONENT, np.inf)}  # noqa: RUF012
    example = {  # noqa: RUF012
        "E": 1.87, "A": 521.0, "B": 1488.0, "alpha": 0.35, "beta": 0.35, "R_D": 15.4, "R_N": 5.3,
    }  # fmt: skip

    def __call__(self, columns: Mapping[str, Any], params: Mapping[str, Any]) -> Array:
        logs = [np.log(np.asarray(columns[name], dtype=np.float64)) for name in self.variables]
        size, data, alpha, beta, *worth = (
            np.asarray(params[name], dtype=np.float64) for name in self.parameters[1:]
        )
        effective = _Effective(logs, np.log(size), np.log(data), alpha, beta, *map(np.log, worth))
        return np.asarray(params["E"] + effective.of_size + effective.of_data)

    def evaluate(self, x: Array, theta: Array) -> tuple[Array, Array]:
        logs = [x[..., k] for k in range(3)]
        offset, *rest = (theta[:, k, None] for k in range(7))
        effective = _Effective(logs, *rest)
        value = np.maximum(offset + effective.of_size + effective.of_data, 1e-300)
        parts = np.broadcast_arrays(np.ones_like(value), *effective.gradient())
        return np.log(value), np.swapaxes(np.stack(parts, axis=1) / value[:, None], 1, 2)

    def centre(self, logs: Array, given: Mapping[str, float]) -> Array:
        """Examples and distinct examples get the same centre: their ratio is what counts."""
        centre = super().centre(logs, given)
        centre[2] = centre[1]
        return centre

    def bounds(self, x: Array, loss: Array) -> tuple[Array, Array]:
        lower, upper = Chinchilla().bounds(x, loss)
        lower[3:] = _LEAST_EXPONENT
        least, most = np.log(WORTH)
        return np.append(lower, [least, least]), np.append(upper, [most, most])

    def starts(self, x: Array, loss: Array, count: int, rng: np.random.Generator) -> Array:
        theta = np.zeros((count, 7))
        for place, variable in ((3, 0), (4, 1)):
            theta[:, place] = exponents(x[:, variable], count, rng, largest=EXPONENT_BOUND)
        theta[:, 5:] = np.log(rng.uniform(1.0, 50.0, (count, 2)))
        theta[0, 5:] = np.log(5.0)
        # The ratio of the amplitudes says which parameters suit the distinct examples: those of
        # the middle of the data, or some others of the data. Then E and one scale are linear.
        alpha, beta = theta[:, 3], theta[:, 4]
        middle = x[:, 0].mean() + np.append(0.0, rng.uniform(-0.4, 0.4, count - 1)) * np.ptp(
            x[:, 0]
        )
        theta[:, 1] = alpha * middle - beta * x[:, 2].mean() - np.log(alpha / beta)
        effective = _Effective(list(x.T), *(theta[:, k, None] for k in range(1, 7)))
        basis = np.stack([np.ones((count, len(x))), effective.of_size + effective.of_data], -1)
        weights = amplitudes(basis, loss)
        theta[:, 0] = weights[:, 0]
        theta[:, 1:3] += log_amplitudes(weights, basis, loss)[:, 1:]
        return theta


class _Effective:
    """The two terms of the law, and what they change with, for arrays that broadcast."""

    def __init__(
        self, logs: list[Array], a: Array, b: Array, alpha: Array, beta: Array, *worth: Array
    ) -> None:
        size, data, distinct = logs
        r_d, r_n = worth
        self.alpha, self.beta = alpha, beta
        self.distinct = np.minimum(distinct, data)
        # The optimal parameters for the distinct examples, and what of them the run has.
        self.optimal = (np.log(alpha / beta) + a - b + beta * self.distinct) / alpha
        suited = np.minimum(size, self.optimal)
        self.log_data, self.data_by_worth, _ = _diminished(data, self.distinct, r_d)
        self.log_size, self.size_by_worth, self.size_by_base = _diminished(size, suited, r_n)
        self.of_size = np.exp(a - alpha * self.log_size)
        self.of_data = np.exp(b - beta * self.log_data)

    def gradient(self) -> list[Array]:
        """By a, b, alpha, beta, ln R_D and ln R_N (A and B also move the optimal parameters)."""
        inner = -self.of_size * self.size_by_base
        return [
            self.of_size + inner,
            self.of_data - inner,
            -self.of_size * self.log_size + inner * (1 / self.alpha - self.optimal),
            -self.of_data * self.log_data + inner * (self.distinct - 1 / self.beta),
            -self.beta * self.of_data * self.data_by_worth,
            -self.alpha * self.of_size * self.size_by_worth,
        ]


def _diminished(seen: Array, base: Array, log_worth: Array) -> tuple[Array, Array, Array]:
    """ln of base (1 + R (1 - e^(-r/R))) with r = seen/base - 1, its changes with ln R and ln base."""
    worth = np.exp(log_worth)
    repeats = np.expm1(np.minimum(seen - base, 50.0))
    left = np.exp(-repeats / worth)
    gain = 1 - worth * np.expm1(-repeats / worth)
    by_worth = (worth * (1 - left) - repeats * left) / gain
    return base + np.log(gain), by_worth, 1 - left * (repeats + 1) / gain
