"""Which training requests a fraction of the data keeps, for studies of the amount of data.

What is left out trains nothing and counts in no rate; it stays in the histories of what is kept.
Validation and test are the same for every fraction.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


def user_is_kept(users: npt.NDArray[np.int64], fraction: float) -> Bools:
    """Whether the hash of a user's number falls into the fraction: a smaller fraction's users are
    among a larger one's.

    Args:
        users: numbers of users, of any shape.
        fraction: 0 < fraction <= 1.
    """
    if fraction >= 1:
        return np.ones(users.shape, bool)
    kept: Bools = _mixed(users.astype(np.uint64)) < np.uint64(int(fraction * 2**64))
    return kept


def first_kept_time(first: int, end: int, fraction: float) -> int:
    """Where the most recent `fraction` of the period from `first` to before `end` begins, seconds."""
    return end - int((end - first) * fraction)


def _mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's output function (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", OOPSLA 2014), a bijection of 64 bits."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
