"""What an interval can be asked for: a parameter, or a number that follows from the parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.analysis.law import Array, Law

Params = Mapping[str, Array]
"""Raw parameters by name, all of one shape."""


@dataclass(frozen=True)
class Quantity:
    """A number g(parameters) of a law.

    An interval found on the scale of `of` and one found on the log scale have the same ends under
    the profile method; the delta method is symmetric on the scale it is made on.
    """

    name: str
    of: Callable[[Params], Array]
    """From raw parameters of any shape to values of that shape."""
    log: bool = False
    """Positive by its meaning: found on the log scale."""
    bounds: tuple[float, float] = (-np.inf, np.inf)
    """Values beyond which it has no meaning; an end that runs that far is open."""

    def scaled(self, law: Law, theta: Array, centre: Array) -> Array:
        """Values on the scale that intervals are found on; `theta` is `[..., parameters]`."""
        raw = law.to_raw(theta, centre)
        value = self.of({name: raw[..., k] for k, name in enumerate(law.parameters)})
        return np.log(np.maximum(value, 1e-300)) if self.log else np.asarray(value)

    def unscaled(self, value: Array) -> Array:
        """Back from that scale."""
        return np.exp(np.minimum(value, 700.0)) if self.log else value


def parameter(law: Law, name: str) -> Quantity:
    """One parameter of the law, in raw units.

    Raises:
        ValueError: the law has no such parameter.
    """
    if name not in law.parameters:
        raise ValueError(
            f"law {law.name!r} has no parameter {name!r}; valid: {', '.join(law.parameters)}"
        )
    low = 0.0 if name in law.positive or name == law.offset else -np.inf
    limits = (low, np.inf)
    if name not in law.exponents:  # whether an exponent may be 0 is for the data to say
        limits = law.ranges.get(name, limits)
    return Quantity(name, lambda params: params[name], name in law.positive, limits)


def prediction(law: Law, columns: Mapping[str, Any], name: str = "") -> Quantity:
    """The law's loss at one row of columns (raw units)."""
    row = {variable: float(columns[variable]) for variable in law.variables}
    at = ", ".join(f"{variable} {value:.3g}" for variable, value in row.items())

    def of(params: Params) -> Array:
        return law(row, params)

    return Quantity(name or f"loss at {at}", of, True, (0.0, np.inf))


def optimal_exponent(law: Law) -> Quantity:
    """a in N* ~ C^a, the best size for a compute C = k N D: beta / (alpha + beta).

    Hoffmann et al. 2022, arXiv 2203.15556, equation 4.

    Raises:
        ValueError: the law is not in parameters and examples.
    """
    if not {"alpha", "beta"} <= set(law.parameters) or not {"params", "examples"} <= set(
        law.variables
    ):
        raise ValueError(
            f"law {law.name!r} has no optimal size: it needs a term in each of N and D"
        )

    def of(params: Params) -> Array:
        total = params["alpha"] + params["beta"]
        return np.asarray(params["beta"] / np.where(np.abs(total) > 1e-12, total, 1e-12))

    return Quantity("optimal exponent", of, False, (0.0, 1.0))


def gradient(quantity: Quantity, law: Law, theta: Array, centre: Array) -> Array:
    """d g / d theta by central differences, `[batch, parameters]`, on the quantity's scale."""
    size = theta.shape[-1]
    steps = 1e-5 * np.maximum(np.abs(theta), 1e-2)
    shifts = np.eye(size)[:, None, :] * steps
    sides = np.stack([theta + shifts, theta - shifts])
    up, down = quantity.scaled(law, sides, centre)
    return np.asarray(((up - down) / (2.0 * steps.T)).T)
