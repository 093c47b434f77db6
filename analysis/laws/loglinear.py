"""The law without curvature: the loss falls by the same amount per decade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scaling.analysis.law import LAWS, Array, Law

_DECADE = np.log(10.0)
LEAST = 1e-30
"""Below 0 the line means nothing; what stands for it there may be squared."""


@LAWS.register("loglinear")
class LogLinear(Law):
    """L = A - B log10 C: B is the fall of the loss per tenfold compute.

    The limit of the offset law for alpha towards 0; it has no floor, so it must fail at some C and
    is no law to extrapolate by. Working parameters: the loss at the centre of the data, and B.
    """

    name = "loglinear"
    formula = "A - B · log10(compute)"
    variables = ("compute",)
    parameters = ("A", "B")
    anchors = {"compute": "A"}  # noqa: RUF012
    exponents = ("B",)
    example = {"A": 1.2, "B": 0.05}  # noqa: RUF012

    def __call__(self, columns: Mapping[str, Any], params: Mapping[str, Any]) -> Array:
        decades = np.log10(np.asarray(columns["compute"], dtype=np.float64))
        return np.asarray(params["A"] - params["B"] * decades, dtype=np.float64)

    def evaluate(self, x: Array, theta: Array) -> tuple[Array, Array]:
        decades = np.broadcast_to(x[..., 0] / _DECADE, (theta.shape[0], x.shape[1]))
        value = np.maximum(theta[:, :1] - theta[:, 1:] * decades, LEAST)
        gradient = np.stack([np.ones_like(value), -decades], axis=-1) / value[..., None]
        return np.log(value), gradient

    def to_raw(self, theta: Array, centre: Array) -> Array:
        level, slope = theta[..., 0], theta[..., 1]
        return np.stack([level + slope * centre[0] / _DECADE, slope], axis=-1)

    def to_working(self, raw: Array, centre: Array) -> Array:
        level, slope = raw[..., 0], raw[..., 1]
        return np.stack([level - slope * centre[0] / _DECADE, slope], axis=-1)

    def raw_gradient(self, theta: Array, centre: Array) -> Array:
        return np.array([[1.0, centre[0] / _DECADE], [0.0, 1.0]])

    def bounds(self, x: Array, loss: Array) -> tuple[Array, Array]:
        return np.full(2, -np.inf), np.full(2, np.inf)

    def starts(self, x: Array, loss: Array, count: int, rng: np.random.Generator) -> Array:
        decades = x[:, 0] / _DECADE
        slope, level = np.polyfit(decades, loss, 1) if np.ptp(decades) > 0 else (0.0, loss.mean())
        scale = np.concatenate([[0.0], rng.normal(size=count - 1)])
        theta = np.stack([np.full(count, level), -slope * (1.0 + 0.5 * scale)], axis=-1)
        return np.asarray(theta)

    def inverse(self, loss: Any, params: Mapping[str, Any]) -> Array:
        level, slope, loss = np.broadcast_arrays(
            np.asarray(params["A"], dtype=np.float64), params["B"], loss
        )
        out = np.full(level.shape, np.inf)
        falls = slope > 0
        out[falls] = 10.0 ** np.minimum((level - loss)[falls] / slope[falls], 300.0)
        return out
