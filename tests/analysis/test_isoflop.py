"""The best size of each budget: found where the truth is known, refused where it can't be told."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.isoflop import isoflop
from scaling.analysis.isoflop_fit import METHODS
from scaling.analysis.isoflop_result import Isoflop, IsoflopGroup
from scaling.analysis.law import Array
from scaling.analysis.optimum import optimal_shape

A, B, E, ALPHA, BETA = 480.0, 2100.0, 1.8, 0.35, 0.37
BUDGETS = np.logspace(18, 20, 5)
STEPS = np.arange(-3.3, 3.0)
"""Sizes in powers of 2 about the best one."""


def best_size(compute: Array | float) -> Array:
    """Of E + A N^-alpha + B (C/6N)^-beta (Hoffmann et al. 2022, equation 4)."""
    ratio = ALPHA * A / (BETA * B) * (np.asarray(compute) / 6) ** BETA
    return np.asarray(ratio ** (1 / (ALPHA + BETA)))


def simulated(
    *,
    noise: float = 0.001,
    seed: int = 0,
    seeds: int = 1,
    budgets: Sequence[float] | Array = BUDGETS,
    steps: Array = STEPS,
    sizes: Array | None = None,
    name: str = "astro",
) -> pd.DataFrame:
    """Runs of one architecture at sizes about the best of each budget, or at the same for all."""
    rng = np.random.default_rng(seed)
    rows = []
    for budget in budgets:
        for size in best_size(budget) * 2.0**steps if sizes is None else sizes:
            examples = budget / 6 / size
            mean = E + A * size**-ALPHA + B * examples**-BETA
            for repeat in range(seeds):
                rows.append(
                    {
                        "architecture": name, "params": size, "budget": budget,
                        "compute": budget * (1 + 0.002 * rng.random()), "examples": examples,
                        "flops_per_request": 2 * size * 8, "seed": repeat,
                        "loss": mean * np.exp(noise * rng.normal()),
                        "dataset": "synthetic", "status": "finished",
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def only(found: Isoflop) -> IsoflopGroup:
    (group,) = found.groups.values()
    return group


@pytest.mark.parametrize("method", ["exponentials", "law"])
def test_without_noise_sizes_examples_losses_and_exponents_are_the_truth(method: str) -> None:
    group = only(isoflop(simulated(noise=0.0), method=method, bootstrap=0))
    assert group.refused == ()
    for minimum, budget in zip(group.minima, BUDGETS):
        assert minimum.params == pytest.approx(best_size(budget), rel=0.02)
        assert minimum.examples == pytest.approx(budget / 6 / best_size(budget), rel=0.02)
        loss = E + A * best_size(budget) ** -ALPHA + B * (budget / 6 / best_size(budget)) ** -BETA
        assert minimum.loss == pytest.approx(loss, rel=2e-4)
        assert np.isnan(minimum.params_interval).all()
    exponents = {axis: found.value for axis, found in group.exponents.items()}
    assert exponents["params"] == pytest.approx(BETA / (ALPHA + BETA), abs=0.005)
    assert exponents["examples"] == pytest.approx(ALPHA / (ALPHA + BETA), abs=0.005)


def covered(simulations: int, **options: float) -> dict[str, float]:
    """Share of 95 % intervals that hold the truth."""
    hits: dict[str, list[bool]] = {"params": [], "loss": [], "exponent": [], "at 10x": []}
    for seed in range(simulations):
        group = only(isoflop(simulated(seed=seed, **options), bootstrap=100, seed=seed))  # type: ignore[arg-type]
        for minimum in group.minima:
            truth = float(best_size(minimum.compute))
            loss = E + A * truth**-ALPHA + B * (minimum.compute / 6 / truth) ** -BETA
            low, high = minimum.params_interval
            hits["params"].append(low <= truth <= high)
            hits["loss"].append(minimum.loss_interval[0] <= loss <= minimum.loss_interval[1])
        found = group.exponents["params"]
        low, high = found.interval
        hits["exponent"].append(low <= BETA / (ALPHA + BETA) <= high)
        low, high = found.at(1e21)[1]
        hits["at 10x"].append(low <= float(best_size(1e21)) <= high)
    return {name: float(np.mean(values)) for name, values in hits.items()}


def test_intervals_cover() -> None:
    shares = covered(12, noise=0.003)
    # 60 minima, 12 exponents: .85 and .7 lie three and four standard errors below .95.
    assert min(shares["params"], shares["loss"]) >= 0.85, shares
    assert min(shares["exponent"], shares["at 10x"]) >= 0.7, shares


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.001, 0.005])
def test_intervals_cover_in_many_simulations(noise: float) -> None:
    shares = covered(60, noise=noise)
    assert min(shares["params"], shares["loss"]) >= 0.88, shares
    assert min(shares["exponent"], shares["at 10x"]) >= 0.85, shares


def test_a_minimum_that_the_sizes_do_not_enclose_is_refused() -> None:
    sizes = np.geomspace(best_size(BUDGETS[0]) / 3, best_size(BUDGETS[2]) * 1.5, 7)
    group = only(isoflop(simulated(sizes=sizes), bootstrap=50))
    assert [minimum.compute < 2e19 for minimum in group.minima] == [True, True, True]
    assert len(group.refused) == 2
    for refused in group.refused:
        assert "the lowest loss is at the largest params" in refused.reason
        assert refused.compute > 2e19
    for minimum in group.minima:
        assert sizes[0] < minimum.size < sizes[-1]


def test_few_sizes_and_hills_are_refused_with_their_reason() -> None:
    table = simulated(steps=np.array([-1.0, 1.0]))
    found = isoflop(table, bootstrap=0)
    assert found.failed() == ["astro"]
    assert {one.reason for one in only(found).refused} == {"2 values of params: a minimum takes 3"}
    assert only(found).exponents["params"].reason == "no budget has a minimum"
    wavy = simulated(noise=0.0, steps=np.arange(-3.0, 4.0), budgets=[1e18])
    wavy["loss"] = [3.0, 2.9, 2.3, 2.6, 2.6, 2.2, 2.25]
    assert only(isoflop(wavy, bootstrap=0)).minima == ()
    assert "bend down" in only(isoflop(wavy, bootstrap=0)).refused[0].reason


def test_one_budget_has_a_minimum_but_no_exponent() -> None:
    group = only(isoflop(simulated(budgets=[1e19]), bootstrap=50))
    assert len(group.minima) == 1
    assert group.exponents["params"].value is None
    assert "only one budget has a minimum" in group.exponents["params"].reason


def test_compute_within_ten_percent_is_one_budget_where_none_is_named() -> None:
    table = simulated()
    rng = np.random.default_rng(1)
    table["compute"] *= rng.uniform(0.95, 1.05, size=len(table))
    loose = isoflop(table.drop(columns="budget"), bootstrap=0)
    assert len(only(loose).minima) == len(BUDGETS)
    assert "no column budget" in loose.warnings[0]
    assert loose.warnings[0].count("(7)") == len(BUDGETS)  # configurations of each
    named = isoflop(table, bootstrap=0)
    assert named.warnings == ()
    for one, other in zip(only(loose).minima, only(named).minima):
        assert one.params == pytest.approx(other.params, rel=1e-6)


def test_chosen_by_validation_and_valued_on_test() -> None:
    table = simulated(noise=0.0)
    # Validation prefers sizes twice as large: its place counts, with the test loss there.
    shifted = simulated(noise=0.0, steps=STEPS - 1)["loss"]
    found = only(isoflop(table.assign(validation_loss=shifted.to_numpy()), bootstrap=0))
    for minimum, budget in zip(found.minima, BUDGETS):
        assert minimum.params == pytest.approx(2 * best_size(budget), rel=0.03)
        size = 2 * best_size(budget)
        at_place = E + A * size**-ALPHA + B * (budget / 6 / size) ** -BETA
        assert minimum.loss == pytest.approx(at_place, rel=5e-4)


def test_seeds_are_averaged_first_and_tell_the_noise_of_few_sizes() -> None:
    few = simulated(steps=np.array([-1.2, 0.0, 1.1]), noise=0.002)
    alone = only(isoflop(few, bootstrap=100))
    assert len(alone.minima) == len(BUDGETS)
    assert np.isnan(alone.minima[0].size_interval).all()
    assert any("no intervals" in text for text in alone.warnings)
    several = simulated(steps=np.array([-1.2, 0.0, 1.1]), noise=0.002, seeds=3)
    repeated = only(isoflop(several, bootstrap=100))
    assert repeated.minima[0].num_sizes == 3
    for minimum in repeated.minima:
        low, high = minimum.size_interval
        assert low < minimum.size < high


def test_a_diverged_run_is_named_and_hardly_moves_the_minimum() -> None:
    table = simulated(steps=np.arange(-3.3, 3.0, 0.5))
    clean = only(isoflop(table, bootstrap=0))
    row = table.index[(table["budget"] == BUDGETS[2])][9]
    table.loc[row, "loss"] *= 1.04
    spoilt = only(isoflop(table, bootstrap=0))
    (named,) = spoilt.warnings
    size = f"{table['params'][row]:.4g}".replace("+", r"\+")
    assert re.match(rf"params {size} at 1e\+19 FLOPs lies \+[34]\.\d% off the curve", named), named
    for one, other in zip(spoilt.minima, clean.minima):
        assert one.size == pytest.approx(other.size, rel=0.15)


def test_methods_stand_side_by_side_and_disagreement_is_flagged() -> None:
    lopsided = simulated(steps=np.arange(-1.6, 6.5), noise=0.0005)
    found = isoflop(lopsided, bootstrap=100)
    head, rows = found.table()
    assert head[-4:] == ["parabola", "cubic", "akima", "law"]
    assert all(len(row) == len(head) for row in rows)
    for minimum in only(found).minima:
        assert set(minimum.methods) == {"exponentials", "parabola", "cubic", "akima", "law"}
        assert not minimum.methods["exponentials"].disagrees
    assert any(minimum.methods["parabola"].disagrees for minimum in only(found).minima)
    bare = only(isoflop(lopsided.drop(columns="examples"), bootstrap=0))
    assert "the law needs examples" in bare.minima[0].methods["law"].reason
    assert bare.minima[0].examples is None


def test_the_result_does_not_depend_on_the_order_of_runs_or_on_other_groups() -> None:
    table = pd.concat([simulated(), simulated(name="din", seed=1)], ignore_index=True)
    both = isoflop(table, bootstrap=50).to_dict()["groups"]
    shuffled = isoflop(table.sample(frac=1, random_state=0), bootstrap=50).to_dict()["groups"]
    alone = isoflop(simulated(), bootstrap=50).to_dict()["groups"]
    assert shuffled == both
    assert alone["astro"] == both["astro"]


def test_json_contract() -> None:
    sizes = np.geomspace(best_size(BUDGETS[0]) / 3, best_size(BUDGETS[2]) * 1.5, 7)
    found = isoflop(simulated(sizes=sizes), bootstrap=50).to_dict()
    json.dumps(found, allow_nan=False)
    for group in found["groups"].values():
        assert {"minima", "exponent", "refused"} <= set(group)
        for minimum in group["minima"]:
            assert {"compute", "params", "examples", "loss", "interval"} <= set(minimum)
            assert len(minimum["interval"]) == 2
        for axis in ("params", "examples"):
            assert set(group["exponent"][axis]) >= {"value", "interval"}
        assert all({"compute", "reason"} <= set(one) for one in group["refused"])
        assert group["refused"]


def test_flops_per_request_as_the_size() -> None:
    group = only(isoflop(simulated(noise=0.0), size="flops_per_request", bootstrap=0))
    for minimum, budget in zip(group.minima, BUDGETS):
        assert minimum.size == pytest.approx(16 * best_size(budget), rel=0.02)
        assert minimum.params == pytest.approx(best_size(budget), rel=0.02)
    assert set(group.exponents) == {"flops_per_request", "params", "examples"}


def with_lengths() -> pd.DataFrame:
    """The loss has its own best length, growing as C^0.3, on top of the best size."""
    parts = []
    for length in (32, 64, 128, 256, 512):
        part = simulated(noise=0.0, steps=np.arange(-2.0, 2.6)).assign(seq_len=length, depth=4)
        best = 120 * (part["budget"] / 1e19) ** 0.3
        parts.append(part.assign(loss=part["loss"] * (1 + 0.02 * np.log(length / best) ** 2)))
    return pd.concat(parts, ignore_index=True)


def test_length_has_its_own_optimum_and_what_is_fixed_is_said() -> None:
    found = isoflop(with_lengths(), bootstrap=0)
    group = only(found)
    assert len(group.axes["seq_len"].minima) == len(BUDGETS)
    assert group.exponents["seq_len"].value == pytest.approx(0.3, abs=0.03)
    shape = optimal_shape(found, 1e20)["astro"]
    assert shape["params"].value == pytest.approx(best_size(1e20), rel=0.1)
    assert shape["seq_len"].value == pytest.approx(120 * 10**0.3, rel=0.1)
    assert not shape["seq_len"].extrapolated
    assert (shape["depth"].value, shape["depth"].reason) == (4, "the same in every run")
    beyond = optimal_shape(found, 1e21)["astro"]
    assert beyond["params"].extrapolated
    assert beyond["params"].value == pytest.approx(best_size(1e21), rel=0.15)
    with pytest.raises(ValueError, match="a budget must be a positive number"):
        optimal_shape(found, -1.0)


def test_lengths_that_only_improve_are_refused() -> None:
    table = with_lengths()
    table = table[table["seq_len"] <= 64]
    group = only(isoflop(table, bootstrap=0))
    assert {one.reason for one in group.axes["seq_len"].refused} == {
        "2 values of seq_len: a minimum takes 3"
    }
    assert group.exponents["seq_len"].value is None


def test_bad_input_names_what_is_wrong() -> None:
    table = simulated()
    with pytest.raises(ValueError, match="no column 'params'"):
        isoflop(table.drop(columns="params"))
    with pytest.raises(ValueError, match="unknown size 'width'; valid: params, flops_per_request"):
        isoflop(table, size="width")
    with pytest.raises(ValueError, match="unknown method 'spline'; valid: exponentials"):
        isoflop(table, method="spline")
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        isoflop(table, level=95)
    with pytest.raises(ValueError, match="bootstrap"):
        isoflop(table, bootstrap=-1)
    with pytest.raises(ValueError, match="no usable run"):
        isoflop(table.assign(loss=np.nan))
    mixed = pd.concat([table, table.assign(dataset="movielens-1m")], ignore_index=True)
    with pytest.raises(ValueError, match="mixes data set movielens-1m and data set synthetic"):
        isoflop(mixed)
    assert len(isoflop(mixed, allow_mixed=True, bootstrap=0).groups) == 2


def test_runs_left_out_are_listed() -> None:
    table = simulated()
    table.loc[3, "loss"] = np.nan
    table.loc[4, "params"] = -1.0
    found = isoflop(table, bootstrap=0)
    assert found.excluded["excluded"].tolist() == ["loss is missing", "params is not positive: -1"]
    assert len(found.to_dict()["excluded"]) == 2


@pytest.mark.parametrize("method", METHODS)
def test_any_method_may_be_the_reported_one(method: str) -> None:
    group = only(isoflop(simulated(), method=method, bootstrap=20))
    assert len(group.minima) == len(BUDGETS)
    for minimum, budget in zip(group.minima, BUDGETS):
        assert minimum.size == pytest.approx(float(best_size(budget)), rel=0.25)
        assert minimum.methods[method].size == minimum.size
