"""Chosen by validation, valued on test; the hull where no budgets are shared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.configurations import configurations
from scaling.analysis.frontier import (
    BestOfBudget,
    Candidates,
    FittedValley,
    LowerHull,
    frontier,
    shared_budgets,
)
from scaling.cli.bench_report import study

Simulate = Callable[..., pd.DataFrame]


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


def valley(
    noise: float, draws: int, *, off: float = 0.5, sizes: int = 6
) -> tuple[Candidates, np.ndarray, np.ndarray]:
    """One budget, sizes a factor of 2 apart, the best one `off` steps from a measured one.

    Returns the candidates without noise, and selection and target losses `[draws, sizes]` of 1 at
    the best size, with the same noise but for a quarter of it.
    """
    x = (np.arange(sizes) - (sizes - 1) // 2 - off) * np.log(2)
    rng = np.random.default_rng(0)
    shared = noise * rng.normal(size=(draws, sizes))
    target = (1 + 0.02 * x**2) * np.exp(shared)
    selection = target * np.exp(noise / 4 * rng.normal(size=shared.shape))
    fixed = np.full(sizes, 1e12)
    return Candidates(fixed, target[0], target[0], fixed, np.exp(x)), selection, target


def heights(rule: BestOfBudget | FittedValley, noise: float, off: float) -> np.ndarray:
    """What the rule makes of 300 tables, the truth being 1."""
    candidates, selection, target = valley(noise, 300, off=off)
    once = np.ones((1, len(candidates.compute)), dtype=int)
    return np.array(
        [
            rule(replace(candidates, selection=s, target=t), once).target[0, 0]
            for s, t in zip(selection, target)
        ]
    )


def test_a_fitted_minimum_is_exact_without_noise_and_lies_between_sizes() -> None:
    candidates, _, _ = valley(0.0, 1)
    found = FittedValley()(candidates, np.ones((1, 6), dtype=int))
    assert found.target[0, 0] == pytest.approx(1.0, abs=1e-9)
    assert found.index[0, 0] == -1
    assert found.size is not None
    assert found.size[0, 0] == pytest.approx(1.0, rel=1e-6)
    assert BestOfBudget()(candidates, np.ones((1, 6), dtype=int)).target[0, 0] > 1.002


@pytest.mark.parametrize(("noise", "off"), [(0.001, 0.5), (0.003, 0.0), (0.01, 0.0)])
def test_a_fitted_minimum_is_nearer_to_the_truth_than_the_best_of_several(
    noise: float, off: float
) -> None:
    """The best configuration is lucky where sizes hardly matter, and too high between two sizes."""
    best, fitted = (heights(rule, noise, off) - 1 for rule in (BestOfBudget(), FittedValley()))
    assert np.sqrt((fitted**2).mean()) < np.sqrt((best**2).mean())
    assert abs(fitted.mean()) < 0.5 * noise


def test_few_sizes_and_open_valleys_give_the_best_configuration() -> None:
    candidates, _, _ = valley(0.0, 1)
    once = np.ones((1, 6), dtype=int)
    for counts in (once * [1, 1, 1, 0, 0, 0], once * [0, 0, 0, 1, 1, 1]):
        assert FittedValley()(candidates, counts).index[0, 0] >= 0
    falling = replace(candidates, selection=np.linspace(2, 1, 6), target=np.linspace(2, 1, 6))
    assert FittedValley()(falling, once).index[0, 0] == 5
    without = replace(candidates, size=None)
    assert FittedValley()(without, once).index[0, 0] == BestOfBudget()(without, once).index[0, 0]


def test_a_fitted_point_has_its_budget_and_size(simulate: Simulate) -> None:
    table = configurations(simulate({"astro": (30.0, 0.2)}, sizes=5), "loss")
    found = frontier(table, rule=FittedValley())
    assert found.points["budget"].tolist() == sorted(table["budget"].unique())
    assert found.points["params"].between(table["params"].min(), table["params"].max()).all()
    assert set(found.points["architecture"]) == {"astro"}
    drawn = found.resample(np.random.default_rng(0).integers(0, 3, size=(50, len(table))))
    assert np.isfinite(drawn.target[drawn.present]).all()


def test_a_fitted_point_has_the_examples_that_its_size_would_have_seen() -> None:
    runs = study(144)
    table = configurations(runs[runs["architecture"] == "astro"], "loss")
    points = frontier(table).points
    # Minima between sizes: none is a configuration.
    assert not set(points["params"]) & set(table["params"])
    compute = 6 * points["params"] * points["examples"]
    np.testing.assert_allclose(compute, points["budget"], rtol=1e-3)
