"""The power law that changes its exponent once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import expit

from scaling.analysis.coordinates import Centred
from scaling.analysis.law import LAWS, Array
from scaling.analysis.powersum import EXPONENT_BOUND
from scaling.analysis.separable import amplitudes, exponents, log_amplitudes

_SHARPEST = np.log(0.05)
"""ln of the least f1: a break within a tenth of an e-fold is a corner to any data."""


@LAWS.register("broken")
class Broken(Centred):
    """L = E + A C^-c0 (1 + (C/d1)^(1/f1))^(-c1 f1). Caballero et al. 2022, arXiv 2210.14891, eq. 1.

    One break: far below C = d1 the part above the floor E falls with exponent c0, far above with
    c0 + c1; f1 is how wide the change is, in e-folds of C. E and A are the paper's a and b. Six
    parameters: it needs many budgets on either side of the break.
    """

    name = "broken"
    formula = "E + A · compute^-c0 · (1 + (compute / d1)^(1/f1))^(-c1 · f1)"
    variables = ("compute",)
    parameters = ("E", "A", "c0", "c1", "d1", "f1")
    exponents = ("c0",)
    offset = "E"
    positive = frozenset(("A", "d1", "f1"))
    anchors = {"compute": "A"}  # noqa: RUF012
    shifts = {"A": (("compute", "c0"),), "d1": (("compute", None),), "f1": ()}  # noqa: RUF012
    example = {  # noqa: RUF012
        "E": 0.4, "A": 60.0, "c0": 0.2, "c1": 0.25, "d1": 2e11, "f1": 0.4,
    }  # fmt: skip

    def __call__(self, columns: Mapping[str, Any], params: Mapping[str, Any]) -> Array:
        x = np.log(np.asarray(columns["compute"], dtype=np.float64))
        return np.asarray(params["E"] + np.exp(_log_power(x, params)))

    def evaluate(self, x: Array, theta: Array) -> tuple[Array, Array]:
        offset, level, slope, change, place, log_width = (theta[:, k, None] for k in range(6))
        x, width = x[..., 0], np.exp(log_width)
        far = (x - place) / width
        turned, after = np.logaddexp(0.0, far), expit(far)
        power = np.exp(level - slope * x - change * width * turned)
        value = np.maximum(offset + power, 1e-300)
        parts = (
            np.ones_like(value), power, -x * power, -width * turned * power,
            change * after * power, -change * width * (turned - far * after) * power,
        )  # fmt: skip
        return np.log(value), np.swapaxes(np.stack(parts, axis=1) / value[:, None], 1, 2)

    def bounds(self, x: Array, loss: Array) -> tuple[Array, Array]:
        far = 2 * EXPONENT_BOUND * np.abs(x).max()
        widest = np.log(max(float(np.ptp(x)), 1.0))
        lower = [0.0, np.log(loss.min()) - 12.0 - far, *[-EXPONENT_BOUND] * 2, x.min(), _SHARPEST]
        upper = [loss.max(), np.log(loss.max()) + 3.0 + far, *[EXPONENT_BOUND] * 2, x.max(), widest]
        return np.array(lower), np.array(upper)

    def starts(self, x: Array, loss: Array, count: int, rng: np.random.Generator) -> Array:
        theta = np.zeros((count, 6))
        # The two slopes are drawn apart: each is one that the law may have had alone.
        before, after = (exponents(x, count, rng, largest=EXPONENT_BOUND) for _ in range(2))
        theta[:, 2], theta[:, 3] = before, after - before
        inner = np.concatenate([[0.5], rng.uniform(0.1, 0.9, count - 1)])
        theta[:, 4] = np.quantile(x, inner)
        theta[:, 5] = np.concatenate([[0.0], rng.uniform(np.log(0.1), np.log(2.0), count - 1)])
        _, _, slope, change, place, log_width = (theta[:, k, None] for k in range(6))
        turned = np.logaddexp(0.0, (x[:, 0] - place) / np.exp(log_width))
        power = np.exp(-slope * x[:, 0] - change * np.exp(log_width) * turned)
        basis = np.stack([np.ones_like(power), power], axis=-1)
        weights = amplitudes(basis, loss)
        theta[:, 0] = weights[:, 0]
        theta[:, 1] = log_amplitudes(weights, basis, loss)[:, 1]
        return theta

    def inverse(self, loss: Any, params: Mapping[str, Any]) -> Array:
        """Where the law first falls to `loss`: on its falling stretch, if it also rises."""
        arrays = np.broadcast_arrays(
            np.asarray(loss, dtype=np.float64), *(params[name] for name in self.parameters)
        )
        loss, given = arrays[0], dict(zip(self.parameters, arrays[1:]))
        first, last = given["c0"], given["c0"] + given["c1"]
        # Where the slope changes sign, if it does: c0 + c1 expit((x - ln d1) / f1) = 0.
        turns = first * last < 0
        share = np.where(turns, -first / np.where(turns, given["c1"], 1.0), 0.5)
        turn = np.log(given["d1"]) + given["f1"] * np.log(share / (1 - share))
        low = np.where(turns & (first < 0), turn, -700.0)
        high = np.where(turns & (first > 0), turn, 700.0)
        target = np.log(np.maximum(loss - given["E"], 1e-300))
        falls = ((first > 0) | (last > 0)) & (loss > given["E"])
        reached = falls & (_log_power(high, given) <= target) & (_log_power(low, given) >= target)
        for _ in range(80):
            middle = 0.5 * (low + high)
            above = _log_power(middle, given) > target
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return np.where(reached, np.exp(high), np.inf)


def _log_power(x: Array, params: Mapping[str, Any]) -> Array:
    """ln of the part above the floor at x = ln C, raw parameters."""
    width = np.asarray(params["f1"], dtype=np.float64)
    turned = np.logaddexp(0.0, (x - np.log(params["d1"])) / width)
    return np.asarray(np.log(params["A"]) - params["c0"] * x - params["c1"] * width * turned)
