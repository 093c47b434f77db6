"""Intervals of the multiplier and the crossing hold the truth; copies are not told apart."""

from __future__ import annotations

import dataclasses

import pytest

from scaling.analysis.compare_coverage import CELLS, MIDDLE, TRUTHS, WANTED, Cell, compare_coverage


def test_a_few_simulations_cover() -> None:
    cells = [Cell("copies", sizes=(12, 4), valley=0.0), Cell("crossing", 0.001, (6, 6))]
    copies, crossing = compare_coverage(cells, simulations=8, draws=100)
    for row in (copies, crossing):
        assert row.reaches(row.least, WANTED), dataclasses.asdict(row)
        assert row.failed == 0.0
    assert copies.decided <= 0.25  # 3 of 8 would be a chance of 6 in 1,000
    assert crossing.crossing_open <= 0.25
    assert not crossing.oracle_open
    assert crossing.to_dict()["cell"]["truth"] == "crossing"


def test_the_same_seed_gives_the_same_row() -> None:
    cell = [Cell("near tie", seeds=2)]
    assert compare_coverage(cell, simulations=2, draws=100) == compare_coverage(
        cell, simulations=2, draws=100
    )


def test_the_pairs_are_what_they_are_called() -> None:
    (e, a, alpha), (f, b, beta) = TRUTHS["crossing"]
    assert e + a * MIDDLE**-alpha == pytest.approx(f + b * MIDDLE**-beta)
    assert {cell.truth for cell in CELLS} == set(TRUTHS)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS[-5:], ids=str)
def test_intervals_cover(cell: Cell) -> None:
    (row,) = compare_coverage([cell], simulations=40, draws=200)
    assert row.reaches(row.least, WANTED), dataclasses.asdict(row)
    if cell.truth == "copies":
        assert row.decided <= 0.05 + 2 * (0.05 * 0.95 / 40) ** 0.5
