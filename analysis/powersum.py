"""Sums of power terms, E + sum_k A_k x_k^-alpha_k: the family most scaling laws belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from scaling.analysis.coordinates import Centred
from scaling.analysis.law import Array
from scaling.analysis.separable import amplitudes, exponents, log_amplitudes

EXPONENT_BOUND = 5.0
"""Far beyond any measured exponent; reached only where the data can't hold one."""


@dataclass(frozen=True)
class Term:
    """One term A x^-alpha, by the names of its variable and parameters."""

    variable: str
    amplitude: str
    exponent: str
    factors: tuple[tuple[str, str], ...] = ()
    """Further variables and exponents of the same term: A x^-alpha y^-phi ..."""

    @property
    def powers(self) -> tuple[tuple[str, str], ...]:
        """All its variables with their exponents."""
        return ((self.variable, self.exponent), *self.factors)


class PowerSum(Centred):
    """L = E + sum_k A_k x_k^-alpha_k, with or without the offset E; a term may be a product.

    Working parameters: E as it is, then for every term the log of its value at the centre of the
    data, a_k = ln A_k - alpha_k mean(ln x_k), and alpha_k. Separable: linear in E and the
    amplitudes once the exponents are given, which the starts make use of.
    """

    terms: ClassVar[tuple[Term, ...]]
    offset: ClassVar[str | None] = None

    def __init_subclass__(cls) -> None:
        powers = [(term, *power) for term in cls.terms for power in term.powers]
        cls.variables = tuple(dict.fromkeys(variable for _, variable, _ in powers))
        cls.exponents = tuple(exponent for _, _, exponent in powers)
        if not hasattr(cls, "parameters"):
            head = (cls.offset,) if cls.offset else ()
            names = (n for t in cls.terms for n in (t.amplitude, *(e for _, e in t.powers)))
            cls.parameters = (*head, *names)
        cls.anchors = {variable: term.amplitude for term, variable, _ in powers}
        cls.positive = frozenset(term.amplitude for term in cls.terms)
        cls.shifts = {term.amplitude: term.powers for term in cls.terms}

    def __call__(self, columns: Mapping[str, Any], params: Mapping[str, Any]) -> Array:
        total: Array = np.asarray(params[self.offset] if self.offset else 0.0, dtype=np.float64)
        for term in self.terms:
            power = np.log(np.asarray(params[term.amplitude], dtype=np.float64))
            for variable, exponent in term.powers:
                logs = np.log(np.asarray(columns[variable], dtype=np.float64))
                power = power - np.asarray(params[exponent]) * logs
            total = total + np.exp(power)
        return total

    def evaluate(self, x: Array, theta: Array) -> tuple[Array, Array]:
        batch, rows = theta.shape[0], x.shape[1]
        gradient = np.empty((batch, len(self.parameters), rows))
        value = np.zeros((batch, rows))
        if self.offset:
            place = self.parameters.index(self.offset)
            value += theta[:, place, None]
            gradient[:, place] = 1.0
        for amplitude, powers in self._places():
            power = np.exp(theta[:, amplitude, None] - self._sum(x, theta, powers))
            value += power
            gradient[:, amplitude] = power
            for variable, exponent in powers:
                gradient[:, exponent] = -x[..., variable] * power
        # A law that underflows is as far off as one can be, not a crash.
        value = np.maximum(value, 1e-300)
        gradient /= value[:, None]
        return np.log(value), np.swapaxes(gradient, 1, 2)

    def bounds(self, x: Array, loss: Array) -> tuple[Array, Array]:
        lower = np.zeros(len(self.parameters))
        upper = np.full(len(self.parameters), loss.max())
        reach = EXPONENT_BOUND * np.abs(x).max(axis=0)  # beyond it a term is 0 on every row
        for amplitude, powers in self._places():
            far = sum(reach[variable] for variable, _ in powers)
            lower[amplitude] = np.log(loss.min()) - 12.0 - far
            upper[amplitude] = np.log(loss.max()) + 3.0 + far
            for _, exponent in powers:
                lower[exponent], upper[exponent] = -EXPONENT_BOUND, EXPONENT_BOUND
        return lower, upper

    def starts(self, x: Array, loss: Array, count: int, rng: np.random.Generator) -> Array:
        theta = np.zeros((count, len(self.parameters)))
        columns = [np.ones((count, len(x)))] if self.offset else []
        for _, powers in self._places():
            for variable, exponent in powers:
                theta[:, exponent] = exponents(x[:, variable], count, rng, largest=EXPONENT_BOUND)
            columns.append(np.exp(-self._sum(x[None], theta, powers)))
        basis = np.stack(columns, axis=-1)
        weights = amplitudes(basis, loss)
        if self.offset:
            theta[:, self.parameters.index(self.offset)] = weights[:, 0]
        logs = log_amplitudes(weights, basis, loss)
        for column, (amplitude, _) in enumerate(self._places(), start=1 if self.offset else 0):
            theta[:, amplitude] = logs[:, column]
        return theta

    def inverse(self, loss: Any, params: Mapping[str, Any]) -> Array:
        if len(self.variables) != 1:
            return super().inverse(loss, params)
        (term,) = self.terms
        floor = params[self.offset] if self.offset else 0.0
        excess = np.asarray(loss, dtype=np.float64) - floor
        return inverse_power(excess, params[term.amplitude], params[term.exponent])

    @staticmethod
    def _sum(x: Array, theta: Array, powers: list[tuple[int, int]]) -> Array:
        """sum alpha ln x over the variables of a term, `[batch, rows]`."""
        return np.asarray(sum(theta[:, e, None] * x[..., v] for v, e in powers))

    def _places(self) -> list[tuple[int, list[tuple[int, int]]]]:
        """Per term: its amplitude among the parameters; its variables and their exponents."""
        index, columns = self.parameters.index, self.variables.index
        return [
            (index(term.amplitude), [(columns(v), index(e)) for v, e in term.powers])
            for term in self.terms
        ]


def inverse_power(excess: Any, amplitude: Any, exponent: Any) -> Array:
    """The x at which A x^-alpha equals `excess`; infinite where it never does."""
    excess, amplitude, exponent = np.broadcast_arrays(
        np.asarray(excess, dtype=np.float64), amplitude, exponent
    )
    reached = (excess > 0) & (exponent > 0)
    out = np.full(excess.shape, np.inf)
    logs = (np.log(amplitude[reached]) - np.log(excess[reached])) / exponent[reached]
    out[reached] = np.exp(np.clip(logs, -700.0, 700.0))
    return out
