"""The law of a bounded metric whose log odds rise with the log of compute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import expit, logit

from scaling.analysis.law import LAWS, Array, Law


@LAWS.register("logit")
class Logit(Law):
    """logit(metric) = a + b ln C: for metrics between 0 and 1 that rise, with 1 as the ceiling.

    Towards 1 the gap 1 - metric is a power law with exponent b. Working parameters: the log odds
    at the centre of the data, and b.
    """

    name = "logit"
    formula = "1 / (1 + exp(-a - b · ln compute))"
    variables = ("compute",)
    parameters = ("a", "b")
    exponents = ("b",)
    increasing = True
    limits = (0.0, 1.0)
    anchors = {"compute": "a"}  # noqa: RUF012
    example = {"a": -2.0, "b": 0.12}  # noqa: RUF012

    def __call__(self, columns: Mapping[str, Any], params: Mapping[str, Any]) -> Array:
        logs = np.log(np.asarray(columns["compute"], dtype=np.float64))
        return np.asarray(expit(np.asarray(params["a"]) + np.asarray(params["b"]) * logs))

    def evaluate(self, x: Array, theta: Array) -> tuple[Array, Array]:
        odds = theta[:, :1] + theta[:, 1:] * x[..., 0]
        rest = expit(-odds)
        return -np.logaddexp(0.0, -odds), np.swapaxes(
            np.stack([rest, x[..., 0] * rest], axis=1), 1, 2
        )

    def to_raw(self, theta: Array, centre: Array) -> Array:
        level, slope = theta[..., 0], theta[..., 1]
        return np.stack([level - slope * centre[0], slope], axis=-1)

    def to_working(self, raw: Array, centre: Array) -> Array:
        level, slope = raw[..., 0], raw[..., 1]
        return np.stack([level + slope * centre[0], slope], axis=-1)

    def raw_gradient(self, theta: Array, centre: Array) -> Array:
        return np.array([[1.0, -centre[0]], [0.0, 1.0]])

    def bounds(self, x: Array, loss: Array) -> tuple[Array, Array]:
        return np.full(2, -np.inf), np.full(2, np.inf)

    def starts(self, x: Array, loss: Array, count: int, rng: np.random.Generator) -> Array:
        slope, level = np.polyfit(x[:, 0], logit(loss), 1)
        scale = np.concatenate([[0.0], rng.normal(size=count - 1)])
        return np.stack([np.full(count, level), slope * (1.0 + 0.5 * scale)], axis=-1)

    def inverse(self, loss: Any, params: Mapping[str, Any]) -> Array:
        """The compute at which the metric rises to `loss`; infinite if that is not below 1."""
        metric, level, slope = np.broadcast_arrays(
            np.asarray(loss, dtype=np.float64), params["a"], params["b"]
        )
        reached = (slope > 0) & (metric < 1)
        out = np.full(metric.shape, np.inf)
        odds = logit(np.maximum(metric[reached], 1e-300))
        logs = (odds - level[reached]) / slope[reached]
        out[reached] = np.exp(np.clip(logs, -700.0, 700.0))
        return out
