"""Sums of power terms, E + sum_k A_k x_k^-alpha_k: the family most scaling laws belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from scaling.analysis.law import Array, Law

EXPONENT_BOUND = 5.0
"""Far beyond any measured exponent; reached only where the data can't hold one."""


@dataclass(frozen=True)
class Term:
    """One term A x^-alpha, by the names of its variable and parameters."""

    variable: str
    amplitude: str
    exponent: str


class PowerSum(Law):
    """L = E + sum_k A_k x_k^-alpha_k, with or without the offset E.

    Working parameters: E as it is, then for every term the log of its value at the centre of the
    data, a_k = ln A_k - alpha_k mean(ln x_k), and alpha_k. Separable: linear in E and the
    amplitudes once the exponents are given, which the starts make use of.
    """

    terms: ClassVar[tuple[Term, ...]]
    offset: ClassVar[str | None] = None

    def __init_subclass__(cls) -> None:
        names = tuple(name for term in cls.terms for name in (term.amplitude, term.exponent))
        head = (cls.offset,) if cls.offset else ()
        cls.variables = tuple(term.variable for term in cls.terms)
        if not hasattr(cls, "parameters"):
            cls.parameters = head + names
        cls.anchors = {term.variable: term.amplitude for term in cls.terms}
        cls.exponents = tuple(term.exponent for term in cls.terms)
        cls.positive = frozenset(term.amplitude for term in cls.terms)

    def __call__(self, columns: Mapping[str, Any], params: Mapping[str, Any]) -> Array:
        total: Array = np.asarray(params[self.offset] if self.offset else 0.0, dtype=np.float64)
        for term in self.terms:
            logs = np.log(np.asarray(columns[term.variable], dtype=np.float64))
            amplitude = np.log(np.asarray(params[term.amplitude], dtype=np.float64))
            total = total + np.exp(amplitude - np.asarray(params[term.exponent]) * logs)
        return total

    def evaluate(self, x: Array, theta: Array) -> tuple[Array, Array]:
        shape = (theta.shape[0], x.shape[1])
        gradient = np.empty((*shape, len(self.parameters)))
        value = np.zeros(shape)
        if self.offset:
            place = self.parameters.index(self.offset)
            value += theta[:, place, None]
            gradient[..., place] = 1.0
        for k, (amplitude, exponent) in enumerate(self._places()):
            power = np.exp(theta[:, amplitude, None] - theta[:, exponent, None] * x[..., k])
            value += power
            gradient[..., amplitude] = power
            gradient[..., exponent] = -x[..., k] * power
        # A law that underflows is as far off as one can be, not a crash.
        value = np.maximum(value, 1e-300)
        gradient /= value[..., None]
        return np.log(value), gradient

    def to_raw(self, theta: Array, centre: Array) -> Array:
        raw = theta.copy()
        for k, (amplitude, exponent) in enumerate(self._places()):
            raw[..., amplitude] = np.exp(theta[..., amplitude] + theta[..., exponent] * centre[k])
        return raw

    def to_working(self, raw: Array, centre: Array) -> Array:
        theta = raw.copy()
        for k, (amplitude, exponent) in enumerate(self._places()):
            theta[..., amplitude] = np.log(raw[..., amplitude]) - raw[..., exponent] * centre[k]
        return theta

    def raw_gradient(self, theta: Array, centre: Array) -> Array:
        raw = self.to_raw(theta, centre)
        gradient = np.eye(len(self.parameters))
        for k, (amplitude, exponent) in enumerate(self._places()):
            gradient[amplitude, amplitude] = raw[amplitude]
            gradient[amplitude, exponent] = raw[amplitude] * centre[k]
        return gradient

    def bounds(self, x: Array, loss: Array) -> tuple[Array, Array]:
        lower = np.zeros(len(self.parameters))
        upper = np.full(len(self.parameters), loss.max())
        reach = EXPONENT_BOUND * np.abs(x).max(axis=0)  # beyond it a term is 0 on every row
        for k, (amplitude, exponent) in enumerate(self._places()):
            lower[exponent], upper[exponent] = -EXPONENT_BOUND, EXPONENT_BOUND
            lower[amplitude] = np.log(loss.min()) - 12.0 - reach[k]
            upper[amplitude] = np.log(loss.max()) + 3.0 + reach[k]
        return lower, upper

    def starts(self, x: Array, loss: Array, count: int, rng: np.random.Generator) -> Array:
        theta = np.empty((count, len(self.parameters)))
        share = np.concatenate([[0.7], rng.uniform(0.0, 0.98, size=count - 1)])
        rest = loss.min() * (1.0 - share if self.offset else np.ones(count))
        if self.offset:
            theta[:, self.parameters.index(self.offset)] = loss.min() * share
        for k, (amplitude, exponent) in enumerate(self._places()):
            spread = max(float(np.ptp(x[:, k])), 1e-6)
            # In units of the data's own range: a term that halves to one that falls e^5-fold.
            fall = np.concatenate([[1.5], np.exp(rng.uniform(np.log(0.1), np.log(5), count - 1))])
            theta[:, exponent] = np.minimum(fall / spread, EXPONENT_BOUND)
            # The geometric centre of the rows, 0 unless the amplitude is given.
            middle = float(x[:, k].mean())
            excess = np.median(loss) - loss.min() + rest
            theta[:, amplitude] = np.log(excess / len(self.terms)) + theta[:, exponent] * middle
        return theta

    def inverse(self, loss: Any, params: Mapping[str, Any]) -> Array:
        if len(self.terms) != 1:
            return super().inverse(loss, params)
        (term,) = self.terms
        floor = params[self.offset] if self.offset else 0.0
        excess, amplitude, exponent = np.broadcast_arrays(
            np.asarray(loss, dtype=np.float64) - floor,
            params[term.amplitude],
            params[term.exponent],
        )
        reached = (excess > 0) & (exponent > 0)
        out = np.full(excess.shape, np.inf)
        logs = (np.log(amplitude[reached]) - np.log(excess[reached])) / exponent[reached]
        out[reached] = np.exp(np.minimum(logs, 700.0))
        return out

    def _places(self) -> list[tuple[int, int]]:
        """Per term, where its amplitude and its exponent stand among the parameters."""
        index = self.parameters.index
        return [(index(term.amplitude), index(term.exponent)) for term in self.terms]
