"""Chosen by validation, valued on test; the hull where no budgets are shared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.configurations import configurations
from scaling.analysis.frontier import Candidates, LowerHull, frontier, shared_budgets


def test_chosen_by_validation_and_valued_on_test() -> None:
    table = pd.DataFrame(
        {
            "budget": [1e12, 1e12, 1e13, 1e13],
            "compute": [1.01e12, 1.02e12, 1.01e13, 1.02e13],
            "validation_loss": [0.60, 0.59, 0.50, 0.51],
            "loss": [0.58, 0.61, 0.52, 0.49],
        }
    )
    found = frontier(table)
    assert found.points["loss"].tolist() == [0.61, 0.52]
    assert found.points["compute"].tolist() == [1.02e12, 1.01e13]
    assert found.selected_by == "validation_loss"
    without = frontier(table.assign(validation_loss=[0.6, np.nan, 0.5, 0.5]))
    assert without.points["loss"].tolist() == [0.58, 0.49]
    assert without.selected_by == "loss"


def test_hull_is_below_every_configuration_and_falls() -> None:
    rng = np.random.default_rng(0)
    compute = 10 ** rng.uniform(11, 14, size=60)
    loss = (0.45 + 30 * compute**-0.2) * (1 + 0.2 * rng.random(60))
    table = pd.DataFrame({"compute": compute, "loss": loss})
    assert not shared_budgets(table)
    points = frontier(table).points
    assert points["loss"].is_monotonic_decreasing
    assert points["compute"].is_monotonic_increasing
    below = np.interp(np.log(compute), np.log(points["compute"]), points["loss"])
    assert (loss >= below - 1e-12).all()
    slopes = np.diff(points["loss"]) / np.diff(np.log(points["compute"]))
    assert (np.diff(slopes) >= 0).all()


def test_one_configuration_per_budget_uses_the_hull_unless_told(runs: pd.DataFrame) -> None:
    table = configurations(runs[(runs["width"] == 32)], "loss")
    assert shared_budgets(table)  # by the two architectures
    astro = table[table["architecture"] == "astro"]
    assert not shared_budgets(astro)
    assert len(frontier(astro, budgets=True).points) == 5


def test_the_choice_is_made_again_in_every_draw(runs: pd.DataFrame) -> None:
    table = configurations(runs[runs["architecture"] == "astro"], "loss")
    found = frontier(table)
    everything = found.resample(np.ones((1, len(table)), dtype=int))
    best = everything.index[0]
    without_best = np.ones((1, len(table)), dtype=int)
    without_best[0, best] = 0
    second = found.resample(without_best)
    assert second.present.all()
    assert not set(second.index[0]) & set(best)
    selection = found.candidates.selection
    assert (selection[second.index[0]] > selection[best]).all()
    only_one_budget = (table["budget"] == table["budget"].min()).to_numpy().astype(int)
    assert found.resample(only_one_budget[None]).present.sum() == 1


def test_hull_draws_leave_out_absent_configurations() -> None:
    candidates = Candidates(
        compute=np.array([1.0, 10.0, 100.0]),
        selection=np.array([3.0, 1.5, 1.0]),
        target=np.array([3.1, 1.6, 1.1]),
        budget=None,
    )
    found = LowerHull()(candidates, np.array([[1, 1, 1], [2, 0, 1], [0, 3, 0]]))
    assert [row[row >= 0].tolist() for row in found.index] == [[0, 1, 2], [0, 2], [1]]


def test_no_configuration_is_refused() -> None:
    with pytest.raises(ValueError, match="no usable configuration"):
        frontier(pd.DataFrame({"compute": [], "loss": []}))
