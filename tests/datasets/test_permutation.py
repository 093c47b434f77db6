"""Computed permutations hold everything once and look random."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scaling.datasets.permutation import Permutation, mixed


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9, 10, 100, 1023, 1024, 1025, 65_537])
def test_everything_comes_once(count: int) -> None:
    whole = Permutation(count, (7, 0)).at(np.arange(count))
    assert sorted(whole.tolist()) == list(range(count))
    places = np.arange(count)[::-3]
    assert Permutation(count, (7, 0)).at(places).tolist() == whole[places].tolist()


def test_places_of_a_giant_order_need_no_giant_array() -> None:
    places = np.arange(10**12 - 1000, 10**12)
    found = Permutation(10**12, (0,)).at(places)
    assert len(np.unique(found)) == 1000
    assert 0 <= found.min() < 10**11
    assert 9 * 10**11 < found.max() < 10**12


def test_keys_that_differ_in_a_zero_or_in_length_give_other_orders() -> None:
    keys = [(0,), (0, 0), (0, 0, 0), (1,), (1, 0), (0, 1), (2, 3)]
    orders = {tuple(Permutation(50, key).at(np.arange(50)).tolist()) for key in keys}
    assert len(orders) == len(keys)


def test_over_keys_everything_stands_everywhere_equally_often() -> None:
    """Places and pairs of neighbouring places; the level is that of one test in a million."""
    count = 40
    found = np.array([Permutation(count, (key,)).at(np.arange(6)) for key in range(3000)])
    for place in (0, 5):
        assert stats.chisquare(np.bincount(found[:, place], minlength=count)).pvalue > 1e-6
    step = (found[:, 1:] - found[:, :-1]) % count
    assert stats.chisquare(np.bincount(step.ravel(), minlength=count)[1:]).pvalue > 1e-6


def test_neighbours_are_far_apart_and_in_no_order() -> None:
    whole = Permutation(100_000, (3, 1)).at(np.arange(100_000))
    for lag in (1, 2, 316, 317):
        assert abs(np.corrcoef(whole[:-lag], whole[lag:])[0, 1]) < 0.015
    counts, _ = np.histogram(whole[:10_000], bins=50, range=(0, 100_000))
    assert stats.chisquare(counts).pvalue > 1e-6


def test_the_hash_is_splitmix64() -> None:
    """The first outputs of the reference implementation for the seed 1234567."""
    states = np.uint64(1234567) + np.arange(3, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert mixed(states).tolist() == known
