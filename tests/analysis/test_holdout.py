"""The hold-out: a right law is left alone, a wrong one is flagged, nothing is fitted to the future."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.fitting import fit
from scaling.analysis.holdout import HoldOut, holdout
from scaling.analysis.law import FitError
from scaling.analysis.levels import with_order
from scaling.analysis.selection import select

Simulate = Callable[..., pd.DataFrame]


def measured(
    truth: Callable[[np.ndarray], np.ndarray], *, seed: int, noise: float = 0.005, points: int = 7
) -> pd.DataFrame:
    """Runs over three decades whose losses scatter about a curve in compute."""
    compute = np.logspace(11, 14, points)
    errors = np.random.default_rng(seed).normal(size=points)
    return pd.DataFrame({"compute": compute, "loss": truth(compute) * np.exp(noise * errors)})


def power(compute: np.ndarray) -> np.ndarray:
    return np.asarray(30 * compute**-0.2)


def with_break(compute: np.ndarray) -> np.ndarray:
    """The exponent halves in the middle of the range."""
    middle = 10**12.5
    return np.asarray(
        np.where(compute < middle, power(compute), power(middle) * (compute / middle) ** -0.1)
    )


def flagged(truth: Callable[[np.ndarray], np.ndarray], law: str, seeds: int) -> int:
    held = [
        holdout(measured(truth, seed=s, noise=0.002), law=law, all_runs=True) for s in range(seeds)
    ]
    return sum(not one.extrapolates for one in held)


def test_a_law_with_a_break_in_its_data_is_flagged() -> None:
    assert flagged(with_break, "power", 6) >= 4
    held = holdout(measured(with_break, seed=0), law="power", all_runs=True)
    assert "does not extrapolate" in held.sentence()
    assert not all(step.inside for step in held.steps)
    assert held.steps[-1].error > 0  # the loss falls less than the law says


def test_a_floor_that_the_law_lacks_is_flagged() -> None:
    assert flagged(lambda c: 0.45 + power(c), "power", 6) >= 4


def test_a_right_law_is_hardly_ever_flagged() -> None:
    # At a level of 5 %, more than 3 of 12 come once in 450 times.
    assert flagged(power, "power", 12) <= 3


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["huber", "squares"])
def test_a_right_law_is_flagged_as_often_as_the_level_says(objective: str) -> None:
    tested = [
        holdout(measured(power, seed=s), law="power", all_runs=True, objective=objective)  # type: ignore[arg-type]
        for s in range(200)
    ]
    share = np.mean([not one.extrapolates for one in tested])
    inside = np.mean([step.inside for one in tested for step in one.steps])
    assert share <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
    assert inside >= 0.93


def test_a_window_knows_nothing_of_what_follows(runs: pd.DataFrame) -> None:
    mine = runs[runs["architecture"] == "astro"]
    spoilt = mine.assign(loss=np.where(mine["budget"] > 9e12, 9.0, mine["loss"]))
    spoilt["validation_loss"] = spoilt["loss"]
    one, two = (holdout(table, law="power") for table in (mine, spoilt))
    assert one.rows == "the frontier"
    assert [s.predicted for s in one.steps] == pytest.approx([s.predicted for s in two.steps])
    assert [s.fitted_rows for s in one.steps] == [3, 4]
    last = one.steps[-1]
    front = mine.groupby(["budget", "width"])[["compute", "loss"]].mean().reset_index()
    best = front.loc[front.groupby("budget")["loss"].idxmin()].iloc[:4]
    assert last.predicted == pytest.approx(
        float(fit("power", best).predict({"compute": np.array([last.compute])})[0]), rel=1e-3
    )


def test_laws_in_parameters_and_examples_predict_the_next_budget(runs: pd.DataFrame) -> None:
    mine = runs[runs["architecture"] == "astro"]
    held = holdout(mine, law="kaplan")
    assert held.rows == "all runs"
    assert [step.held_rows for step in held.steps] == [6] * len(held.steps)
    assert len(held.steps[0].further) == len(held.steps) - 1
    assert holdout(mine.drop(columns=["compute", "budget"]), law="kaplan").steps


def test_noise_free_data_are_predicted_exactly(curve: pd.DataFrame) -> None:
    held = holdout(curve, law="offset")
    assert held.error < 1e-6
    assert held.extrapolates


def test_what_was_found_is_plain_data(runs: pd.DataFrame) -> None:
    held: HoldOut = holdout(runs[runs["architecture"] == "astro"], law="offset")
    found = held.to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    head, rows = held.table()
    assert {len(row) for row in rows} == {len(head)}
    assert found["steps"][0]["inside"] is held.steps[0].inside


def test_unusable_rows_are_listed(runs: pd.DataFrame) -> None:
    mine = runs[runs["architecture"] == "astro"].reset_index(drop=True)
    mine.loc[3, ["status", "reason"]] = ["failed", "out of memory"]
    assert holdout(mine, law="power").excluded == (("3", "failed: out of memory"),)


def test_refusals_name_what_is_missing(curve: pd.DataFrame) -> None:
    with pytest.raises(FitError, match=r"leaves nothing to hold out of 4 levels.*as many free"):
        holdout(curve.head(4), law="offset")
    with pytest.raises(FitError, match="no usable run among 9: loss is missing"):
        holdout(curve.assign(loss=np.nan))
    with pytest.raises(ValueError, match="level must lie between 0 and 1, got 95"):
        holdout(curve, level=95)
    with pytest.raises(ValueError, match=r"no column 'compute'.*it has: params, loss"):
        holdout(pd.DataFrame({"params": [1.0], "loss": [1.0]}), law="chinchilla")
    whole = pd.DataFrame({"params": [10**10] * 6, "examples": 10**10 * np.arange(1, 7)})
    assert (with_order(whole)[0]["params x examples"] > 0).all()  # beyond 64 bits
    with pytest.raises(ValueError, match=r"unknown law 'cubic'; valid: .*offset"):
        holdout(curve, law="cubic")


def test_a_rising_metric_is_judged_on_its_own_side_of_the_runs() -> None:
    compute = np.repeat(np.logspace(11, 14, 7), 3)
    best = 1 / (1 + np.exp(0.6 - 0.08 * np.log(compute / 1e11)))
    worse = np.tile([1.0, 0.93, 0.9], 7)  # of three sizes at each budget only the first is good
    runs = pd.DataFrame(
        {
            "compute": compute, "budget": compute, "auc": best * worse,
            "params": np.tile([1e5, 2e5, 4e5], 7), "configuration": [str(k) for k in range(21)],
        }
    )  # fmt: skip
    held = holdout(runs, law="logit", target="auc", objective="squares")
    assert held.extrapolates
    for step in held.steps:
        assert step.measured == pytest.approx(best[compute == step.compute].max())
        assert abs(step.error) < 1e-6
    chosen = select(runs, laws=["logit", "gap"], target="auc")
    assert chosen.selected == "logit"
    assert chosen.candidates[0].error == pytest.approx(0.0, abs=1e-6)
