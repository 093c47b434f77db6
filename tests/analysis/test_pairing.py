"""Draws made together: what seeds and users share cancels; what they don't share stays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.budget_points import budget_points, no_valley, rule_for
from scaling.analysis.compare_coverage import Cell, simulated_pair
from scaling.analysis.law import FitError, law_of
from scaling.analysis.pairing import Paired, paired
from scaling.analysis.repeats import common_noise, noise_of, repeats
from scaling.analysis.users import user_draws

Simulate = Callable[..., pd.DataFrame]


def one(runs: pd.DataFrame, name: str = "astro") -> pd.DataFrame:
    return runs[runs["architecture"] == name]


def gap_width(pair: Paired) -> float:
    """Spread of the log ratio of the losses in the middle."""
    here = {"compute": np.array([1e12])}
    assert pair.baseline.draws is not None
    assert pair.candidate.draws is not None
    ratio = pair.baseline.law(here, pair.baseline.draws) / pair.candidate.law(
        here, pair.candidate.draws
    )
    return float(np.log(ratio).std())


def test_runs_stand_by_configuration_and_seed(simulate: Simulate) -> None:
    runs = one(simulate(sizes=4, seeds=3)).assign(run_id=lambda t: [f"r{i}" for i in t.index])
    data = repeats(runs.sample(frac=1, random_state=0), "loss")
    assert data.target.shape == (20, 3)
    assert data.seeds == ("0", "1", "2")
    assert data.counts.tolist() == [4] * 5
    row = runs[data.runs[0, 1] == runs["run_id"]].iloc[0]
    assert np.exp(data.target[0, 1]) == pytest.approx(row["loss"])
    assert np.exp(data.selection[0, 1]) == pytest.approx(row["validation_loss"])
    again = repeats(runs, "loss")
    np.testing.assert_array_equal(data.target, again.target)
    missing = repeats(runs.drop(index=runs.index[0]), "loss")
    assert missing.present.sum() == 59


def test_noise_is_what_was_put_in() -> None:
    sides = simulated_pair(Cell("copies", 0.003, (12, 12), shared=0.5), np.random.default_rng(0))
    noise = noise_of(sides[0])
    assert np.sqrt(noise.total) == pytest.approx(0.003, rel=0.3)
    assert noise.shared / noise.total == pytest.approx(0.5, abs=0.3)
    covariance, correlation, cells = common_noise(*sides)
    assert cells == 10
    assert correlation > 0.5
    assert covariance > 0
    alone = simulated_pair(Cell("copies", seeds=1), np.random.default_rng(0))
    assert noise_of(alone[0]).dof == 0


def test_sharing_seeds_narrows_and_is_used_only_where_it_shows() -> None:
    law, rng = law_of("offset"), np.random.default_rng(1)
    together = simulated_pair(Cell("copies", shared=0.9, sizes=(6, 6), drift=(0.0, 0.0)), rng)
    pair = paired(*together, law, draws=200, starts=4)
    assert pair.seeds_paired
    assert "paired over seeds" in pair.sentence()
    renamed = together[1].__class__(**{**vars(together[1]), "seeds": ("a", "b", "c")})
    unpaired = paired(together[0], renamed, law, draws=200, starts=4)
    assert not unpaired.seeds_paired
    assert np.isnan(unpaired.correlation)
    assert gap_width(pair) < 0.85 * gap_width(unpaired)


def test_valleys_where_sizes_make_one_else_other_seeds() -> None:
    rng = np.random.default_rng(0)
    cell = Cell("copies", 0.001, (6, 6), drift=(0.0, 0.0))
    one, two = simulated_pair(cell, rng)
    noises = (noise_of(one), noise_of(two))
    assert rule_for((one, two), noises) == ("valley", "")
    same = one.__class__(**{**vars(one), "size": np.zeros(len(one.size))})
    assert "several configurations of one size" in no_valley(same, noises[0])
    assert rule_for((same, two), noises)[0] == "other seeds"
    few, _ = simulated_pair(Cell("copies", sizes=(2, 2)), rng)
    assert "has 2 sizes, 3 are needed" in no_valley(few, noise_of(few))
    single = simulated_pair(Cell("copies", sizes=(2, 2), seeds=1), rng)
    assert rule_for(single, (noise_of(single[0]), noise_of(single[1])))[0] == "best"


@pytest.mark.parametrize(("rule", "bias"), [("best", -1.38), ("other seeds", 0.0)])
def test_more_tries_gain_nothing_by_luck(rule: str, bias: float) -> None:
    """Of 8 equal configurations the best lies 1.42 standard deviations low; the others' choice not."""
    rng = np.random.default_rng(0)
    cell = Cell("copies", 0.003, (8, 8), valley=0.0)
    truth = np.log(0.45 + 30 * np.logspace(11.5, 13.5, 5) ** -0.2)
    found = []
    for _ in range(60):
        for data in simulated_pair(cell, rng):
            points = budget_points(data, data.target[None], data.selection[None], rule)  # type: ignore[arg-type]
            found.append((points[0] - truth).mean() / (0.003 / np.sqrt(3)))
    assert np.mean(found) == pytest.approx(bias, abs=0.25)


def test_no_error_without_a_spare_budget(simulate: Simulate) -> None:
    runs = simulate(seeds=2)
    three = runs[runs["budget"].isin(sorted(runs["budget"].unique())[:3])]
    with pytest.raises(FitError, match="as many free parameters"):
        paired(one(three), one(three, "transformer"), law_of("offset"), draws=100, starts=4)


def evaluation(rng: np.random.Generator, hard: np.ndarray, factor: float) -> pd.DataFrame:
    """100 users of two requests each, some harder than others."""
    users = np.repeat(np.arange(100), 2)
    loss = factor * hard[users] * np.exp(0.01 * rng.normal(size=200))
    columns = {"request": np.arange(200), "user": users, "behaviour": "like"}
    return pd.DataFrame(columns | {"sum_loss": 8 * loss, "count": 8})


def test_users_are_drawn_alike_for_every_run() -> None:
    rng = np.random.default_rng(0)
    hard = np.exp(0.5 * rng.normal(size=100))
    tables = {name: evaluation(rng, hard, f) for name, f in zip("abcd", (0.5, 0.45, 0.49, 0.44))}
    drawn = user_draws(tables, [["a"], ["b"]], [["c"], ["d"]], draws=500)
    assert drawn.users == 100
    assert drawn.baseline.shape == (500, 2)
    assert drawn.baseline.std() == pytest.approx(0.5 / np.sqrt(100), rel=0.4)
    assert (drawn.baseline - drawn.candidate).std() < 0.1 * drawn.baseline.std()
    tables["d"] = tables["d"].iloc[:-1]
    with pytest.raises(ValueError, match="runs a and d were evaluated on different requests"):
        user_draws(tables, [["a"], ["b"]], [["c"], ["d"]], draws=10)
    with pytest.raises(ValueError, match="no evaluation of run e"):
        user_draws(tables, [["e"]], [["a"]], draws=10)
