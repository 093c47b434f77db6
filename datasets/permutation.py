"""Random orders of any length that are computed place by place instead of being kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_ROUNDS: Final = 8


def mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A hash of each number: SplitMix64's output function, a bijection of 64 bits.

    Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    found: npt.NDArray[np.uint64] = numbers + np.uint64(0x9E3779B97F4A7C15)
    found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return found ^ (found >> np.uint64(31))


@dataclass(frozen=True)
class Permutation:
    """A permutation of `0 .. count - 1` that its key decides; meant for hundreds and more, for of a
    handful it doesn't reach every order.

    A Feistel network on pairs (left, right) of numbers below the root of `count`, rounded up; what
    it maps beyond `count` is mapped again until it falls below (Black and Rogaway, "Ciphers with
    arbitrary finite domains", CT-RSA 2002).
    """

    count: int
    key: tuple[int, ...]
    """Whole numbers of at least 0."""

    def at(self, places: Ints) -> Ints:
        """What stands at the places, [n] of `0 .. count - 1`."""
        found = self._mapped(places)
        while len(beyond := np.flatnonzero(found >= self.count)):
            found[beyond] = self._mapped(found[beyond])
        return found

    def _mapped(self, numbers: Ints) -> Ints:
        side = np.uint64(self._side)
        left, right = np.divmod(numbers.astype(np.uint64), side)
        for key in self._keys:
            left, right = right, (left + mixed(right ^ key) % side) % side
        mapped: Ints = (left * side + right).astype(np.int64)
        return mapped

    @property
    def _side(self) -> int:
        return math.isqrt(self.count - 1) + 1

    @cached_property
    def _keys(self) -> npt.NDArray[np.uint64]:
        # The length is told apart: numpy's seeds don't tell a last 0 from none.
        seed = np.random.SeedSequence([len(self.key), *self.key])
        return seed.generate_state(_ROUNDS, np.uint64).astype(np.uint64)
