"""Counting floating-point operations: one convention for every architecture.

A multiply-add counts 2. Attention of n_q queries on n_k keys of width d counts 4 n_q n_k d, without
a discount for causal masks. Embedding look-ups, norms and element-wise operations count 0. What a
kernel adds for its own sake (a bias dimension, padding, recomputation) is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

TRAINING_FACTOR = 3
"""Training FLOPs over forward FLOPs: the backward pass costs two forward passes."""


@dataclass(frozen=True)
class Flops:
    """Forward FLOPs per request, by component; every array is [requests].

    Components are named `history.*` (paid once per request), `candidates.*` (paid per candidate).
    """

    components: Mapping[str, Floats]
    causal_discount: Floats
    """What a causal kernel would save: the masked half of the history's quadratic term."""

    @property
    def total(self) -> Floats:
        """All components, dense counting."""
        return self.part("")

    @property
    def total_causal(self) -> Floats:
        """As `total`, with the masked half of causal attention left out."""
        return self.total - self.causal_discount

    def part(self, prefix: str) -> Floats:
        """The sum of the components whose names begin with `prefix`."""
        chosen = [v for name, v in self.components.items() if name.startswith(prefix)]
        return sum(chosen, np.zeros_like(self.causal_discount))


N = TypeVar("N", int, Floats)


def add_to(total: dict[str, N], part: Mapping[str, N]) -> None:
    """Add counts (parameters by group, or FLOPs by component) to those of the same name."""
    for name, value in part.items():
        total[name] = total[name] + value if name in total else value


def linear(rows: npt.ArrayLike, fan_in: int, fan_out: int) -> Floats:
    """FLOPs of a dense layer applied to `rows` vectors."""
    return 2.0 * np.asarray(rows, np.float64) * fan_in * fan_out


def attention(queries: npt.ArrayLike, keys: npt.ArrayLike, width: int) -> Floats:
    """FLOPs of scores and weighted sum, all heads together, without causal discount."""
    return 4.0 * np.asarray(queries, np.float64) * np.asarray(keys, np.float64) * width


def causal_saving(length: npt.ArrayLike, width: int) -> Floats:
    """Of `attention(n, n, width)`, the part above the diagonal: 4 d n (n - 1) / 2."""
    n = np.asarray(length, np.float64)
    return 2.0 * width * n * (n - 1)
