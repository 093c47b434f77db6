"""Which training requests a fraction of the data keeps, for studies of the amount of data.

What is left out trains nothing and counts in no rate; it stays in the histories of what is kept.
Validation and test are the same for every fraction.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scaling.datasets.permutation import mixed

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
    kept: Bools = mixed(users.astype(np.uint64)) < np.uint64(int(fraction * 2**64))
    return kept


def first_kept_time(first: int, end: int, fraction: float) -> int:
    """Where the most recent `fraction` of the period from `first` to before `end` begins, seconds."""
    return end - int((end - first) * fraction)
