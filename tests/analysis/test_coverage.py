"""The coverage study: its cells, its yardstick, its rule, and that profile intervals pass it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from scaling.analysis.coverage import Cell, Plan, Score, cells, measure
from scaling.analysis.law import law_of
from scaling.analysis.simulator import RECOMMENDER, Design, spread, table
from scaling.analysis.solver import Loss
from scaling.analysis.wrong_law import BENDS, flagged, truth

SQUARES = Loss(np.inf)


def test_every_cell_and_the_corners() -> None:
    kinds = {(cell.noise, cell.design.decades, cell.design.runs) for cell in cells()}
    assert len(kinds) == 3 * 3 * 4
    assert {runs for _, _, runs in kinds} == {9, 16, 25, 49}
    corners = {(cell.noise, cell.design.decades, cell.design.runs) for cell in cells(corners=True)}
    assert corners == {(n, d, r) for n in (0.001, 0.02) for d in (1, 3) for r in (9, 49)}


def test_simulated_tables_follow_the_law_with_the_noise_asked_for() -> None:
    law = law_of("chinchilla")
    columns = spread(5000, 2.0)
    assert np.ptp(np.log10(columns["params"])) == pytest.approx(2.0, abs=0.01)
    assert abs(np.corrcoef(*np.log(list(columns.values())))[0, 1]) < 0.05
    runs = table(law, columns, RECOMMENDER, noise=0.005, seeds=2)
    errors = np.log(runs["loss"] / law(runs, RECOMMENDER))
    assert errors.std() == pytest.approx(0.005, rel=0.05)
    assert runs.groupby("configuration")["seed"].nunique().eq(2).all()


def test_an_ordinary_cell_is_covered_and_as_wide_as_it_must_be() -> None:
    cell = Cell(0.002, Design(4, 2.0))
    scores = measure(cell, Plan({"delta": 600, "profile": 300}, SQUARES))
    for score in scores:
        assert score.covers, score
        # Eleven degrees of freedom: 2.201 / 1.960 x 0.970, the median of a scatter's estimate.
        assert score.width == pytest.approx(1.089, abs=4 * score.width_error + 0.02)
        assert score.open == 0.0
    assert {score.quantity for score in scores} == {
        "alpha", "optimal exponent", "loss at 10x compute"
    }  # fmt: skip


def test_the_oracle_knows_curvature_and_noise() -> None:
    """Its width against one worked out by hand: a Jacobian by differences of the formula."""
    cell = Cell(0.003, Design(3, 2.0))
    (alpha, *_) = measure(cell, Plan({"delta": 10}, SQUARES))
    law, columns = law_of("chinchilla"), cell.design.columns()
    names = list(law.parameters)
    jacobian = []
    for name in names:
        ends = [
            np.log(law(columns, {**RECOMMENDER, name: RECOMMENDER[name] * (1 + step)}))
            for step in (1e-6, -1e-6)
        ]
        jacobian.append((ends[0] - ends[1]) / 2e-6)  # per relative change
    cov = np.linalg.inv(np.array(jacobian) @ np.array(jacobian).T)
    place = names.index("alpha")
    expected = 2 * 1.959964 * cell.noise * np.sqrt(cov[place, place])
    assert alpha.oracle == pytest.approx(expected, rel=1e-3)


def score(**changed: float) -> Score:
    numbers = {"covered": 0.95, "width": 1.1, "width_error": 0.01, "open": 0.0, "oracle": 0.2}
    return Score(Cell(0.001, Design(3, 1.0)), "alpha", "profile", 2000, **(numbers | changed))  # type: ignore[arg-type]


def test_the_rule() -> None:
    assert score().covers
    assert score().narrow
    assert score(covered=0.92).covers  # 0.93 less two standard errors of 0.006
    assert not score(covered=0.915).covers
    assert score(width=1.315).narrow
    assert not score(width=1.33).narrow
    assert score(oracle=1.5).hopeless
    assert score(oracle=1.5, width=float("inf")).narrow


def test_a_truth_without_a_break_is_the_law() -> None:
    law, columns = law_of("chinchilla"), Design(4, 3.0).columns()
    np.testing.assert_allclose(truth(columns, BENDS[0]), law(columns, RECOMMENDER), rtol=1e-12)
    far = {"params": np.array([1e12, 1e14]), "examples": np.array([1e30, 1e30])}
    excess = truth(far, 0.15) - RECOMMENDER["E"]
    assert np.log(excess[0] / excess[1]) / np.log(100) == pytest.approx(0.15, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("cell", cells(corners=True), ids=str)
def test_profile_intervals_cover_in_every_corner(cell: Cell) -> None:
    for found in measure(cell, Plan({"profile": 500}, SQUARES)):
        assert found.covers, found
        assert found.narrow, found


@pytest.mark.slow
def test_a_wrong_law_is_not_covered_and_a_hold_out_notices() -> None:
    wrong, right = (flagged(bend, 20) for bend in (0.0, BENDS[0]))
    assert wrong.covered < 0.5
    assert wrong.flagged >= 0.4
    assert right.covered >= 0.75
    assert right.flagged <= 0.25


@pytest.mark.slow
def test_the_command_writes_the_table(tmp_path: Path) -> None:
    from scaling.cli import main

    target = tmp_path / "coverage.json"
    words = ["bench", "fit", "--coverage", "--cells", "corners", "--simulations", "40"]
    done = CliRunner().invoke(main, [*words, "--json", str(target)])
    assert done.exit_code == 0, done.output
    found = json.loads(target.read_text())
    assert len(found["cells"]) == 8 * 3 * 3
    assert {row["method"] for row in found["cells"]} == {"delta", "profile", "bootstrap"}
    assert len(found["wrong_law"]) == len(BENDS)
