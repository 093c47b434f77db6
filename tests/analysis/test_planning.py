"""Planning: what is proposed is affordable, new, and worth more than the plain grid."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.findings import Analysis
from scaling.analysis.goals import Goal
from scaling.analysis.planning import propose
from scaling.analysis.summary import analyse

TRUTH = {"E": 0.45, "A": 6.0, "B": 12.0, "alpha": 0.35, "beta": 0.30}
SIZES = 1e5 * 2.0 ** np.arange(6)
BUDGETS = 6 * 1e5 * 1e7 * 3.0 ** np.arange(6)
FAR = 10 * BUDGETS[4]

Cell = tuple[float, float, int]
"""Parameters, budget, seed."""


def trained(cells: Iterable[Cell], rng: np.random.Generator, noise: float = 0.005) -> pd.DataFrame:
    """Runs whose losses follow Chinchilla's law with C = 6 N D."""
    runs = pd.DataFrame(cells, columns=["params", "budget", "seed"])
    examples = runs["budget"] / (6 * runs["params"])
    loss = (
        TRUTH["E"]
        + TRUTH["A"] * runs["params"] ** -TRUTH["alpha"]
        + TRUTH["B"] * examples ** -TRUTH["beta"]
    )
    names = [f"{n:.3g} at {c:.3g}" for n, c in zip(runs["params"], runs["budget"])]
    return runs.assign(
        compute=runs["budget"], examples=examples, architecture="gru", configuration=names,
        loss=loss * np.exp(noise * rng.normal(size=len(runs))),
    )  # fmt: skip


def grid(seeds: Iterable[int], budgets: Iterable[int]) -> list[Cell]:
    """Four neighbouring sizes at each budget, larger ones for larger budgets."""
    return [
        (size, BUDGETS[b], s)
        for s in seeds
        for b in budgets
        for size in SIZES[min(b // 2, 2) : min(b // 2, 2) + 4]
    ]


def fitted(runs: pd.DataFrame, law: str) -> Analysis:
    return analyse(runs, law=law, bootstrap=0, objective="squares")


@pytest.fixture(scope="module")
def found() -> Analysis:
    return fitted(trained(grid([0, 1], range(5)), np.random.default_rng(0)), "chinchilla")


@pytest.mark.parametrize("goal", ["exponent", "loss"])
def test_proposals_are_affordable_new_and_expected_to_help(found: Analysis, goal: Goal) -> None:
    allowance = 2 * BUDGETS[4]
    plan = propose(found, goal=goal, allowance=allowance)
    assert 0 < plan.compute <= allowance
    assert len(plan.trials) == len(plan.trials.drop_duplicates(["params", "compute", "seed"]))
    runs = found.groups["gru"].runs
    old = set(zip(runs["params"], runs["budget"].round(3), runs["seed"]))
    assert not old & set(
        zip(plan.trials["params"], plan.trials["compute"].round(3), plan.trials["seed"])
    )
    for target, (low, high) in zip(plan.targets, plan.after):
        assert high - low < 0.97 * (target.interval[1] - target.interval[0])
        assert low < target.value < high
    names = [target.name for target in plan.targets]
    assert names == (["alpha", "beta"] if goal == "exponent" else ["loss at 4.86 PFLOP"])
    assert plan.predictions[0][0].name == "loss at 4.86 PFLOP"
    assert (plan.trials["template"].isin(runs.index)).all()
    described = plan.to_dict()
    assert json.loads(json.dumps(described, allow_nan=False)) == described


def test_a_run_is_no_more_lopsided_than_those_measured(found: Analysis) -> None:
    trials = propose(found, goal="exponent", allowance=20 * BUDGETS[4]).trials
    runs = found.groups["gru"].runs
    measured, new = (table["examples"] / table["params"] for table in (runs, trials))
    assert measured.min() / 1.2 <= new.min()
    assert new.max() <= 1.2 * measured.max()
    assert trials["compute"].max() > runs["compute"].max()  # larger budgets are used


def test_the_crossing_of_two_curves(runs: pd.DataFrame) -> None:
    compute = runs["compute"].where(runs["architecture"] == "astro")
    steeper = runs.assign(loss=runs["loss"].where(compute.isna(), 12.0 * compute**-0.105))
    steeper["validation_loss"] = steeper["loss"]
    noise = np.exp(0.002 * np.random.default_rng(0).normal(size=len(runs)))
    both = analyse(steeper.assign(loss=steeper["loss"] * noise), law="power", bootstrap=0)
    plan = propose(both, goal="crossing", allowance=1e14)
    (target,) = plan.targets
    ((low, high),) = plan.after
    curves = [both.groups[name].fit for name in ("astro", "transformer")]
    at = {"compute": np.array([target.value])}
    one, two = (float(fit.predict(at)[0]) for fit in curves if fit is not None)
    assert one == pytest.approx(two, rel=1e-6)
    assert target.interval[0] < low < target.value < high < target.interval[1]


def test_bad_input_is_named(found: Analysis, runs: pd.DataFrame, curve: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="unknown goal 'speed'; valid: exponent, crossing, loss"):
        propose(found, goal="speed", allowance=1e15)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="allowance must be a positive number of FLOPs, got -1"):
        propose(found, allowance=-1)
    with pytest.raises(ValueError, match="pay for no run: the smallest measured takes 6e\\+12"):
        propose(found, allowance=1e3)
    with pytest.raises(ValueError, match="compute must be a positive number of FLOPs, got -2"):
        propose(found, goal="loss", allowance=1e15, at=-2.0)
    with pytest.raises(ValueError, match="law 'chinchilla' is not in compute"):
        propose(found, goal="crossing", allowance=1e15)
    exact = analyse(curve.iloc[[0, 4, 8]], bootstrap=0)
    with pytest.raises(ValueError, match="no group has a fit with a spare row: all takes no part"):
        propose(exact, allowance=1e15)
    with pytest.raises(ValueError, match="the goal crossing needs two groups, there are: all"):
        propose(analyse(curve, bootstrap=0), goal="crossing", allowance=1e15)


def widths(analysis: Analysis, goal: Goal) -> np.ndarray:
    fit = analysis.groups["gru"].fit
    assert fit is not None
    if goal == "exponent":
        ends = fit.interval()
        return np.array([ends[name][1] - ends[name][0] for name in fit.law.exponents])
    target, _ = propose(analysis, goal="loss", allowance=BUDGETS[0], at=FAR).predictions[0]
    return np.array([np.log(target.interval[1] / target.interval[0])])


@pytest.mark.slow
@pytest.mark.parametrize("more", ["seeds", "budget"])
@pytest.mark.parametrize("goal", ["exponent", "loss"])
@pytest.mark.parametrize("law", ["chinchilla", "offset"])
def test_sixty_percent_of_the_flops_of_the_plain_grid_are_enough(
    law: str, goal: Goal, more: str
) -> None:
    """After either, the law is fitted again: the interval is measured, not expected."""
    ratios = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        base = trained(grid([0, 1], range(5)), rng)
        plain = trained(grid([2, 3], range(5)) if more == "seeds" else grid([0, 1], [5]), rng)
        allowance = 0.6 * float(plain["compute"].sum())
        plan = propose(fitted(base, law), goal=goal, allowance=allowance, at=FAR)
        assert plan.compute <= allowance
        columns = plan.trials[["params", "compute", "seed"]]
        new = trained(list(columns.itertuples(index=False, name=None)), rng)
        by_grid, by_plan = (
            widths(fitted(pd.concat([base, more_runs], ignore_index=True), law), goal)
            for more_runs in (plain, new)
        )
        ratios.append(by_plan / by_grid)
    assert (np.median(ratios, axis=0) <= 1.0).all(), np.median(ratios, axis=0)
