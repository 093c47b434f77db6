"""Intervals: what is drawn, and whether they cover."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.configurations import configuration_numbers, configurations
from scaling.analysis.fitting import fit
from scaling.analysis.frontier import Frontier, frontier
from scaling.analysis.law import FitError
from scaling.analysis.result import Fit
from scaling.analysis.uncertainty import FrontierSample, RowSample, bootstrapped

Simulate = Callable[..., pd.DataFrame]
ONE = {"astro": (30.0, 0.2)}
TRUTH = {"E": 0.45, "A": 30.0, "alpha": 0.2}


def fitted(runs: pd.DataFrame, fixed: dict[str, float] | None = None) -> tuple[Fit, Frontier]:
    front = frontier(configurations(runs, "loss"), budgets=True)
    return fit("offset", front.points, fixed=fixed), front


def test_draws_repeat_with_their_seed_alone(simulate: Simulate) -> None:
    found, front = fitted(simulate(ONE))
    one, two, other = (
        bootstrapped(found, FrontierSample(front), draws=50, seed=seed) for seed in (1, 1, 2)
    )
    assert one.draws is not None
    assert two.draws is not None
    assert other.draws is not None
    np.testing.assert_array_equal(one.draws["alpha"], two.draws["alpha"])
    assert (one.draws["alpha"] != other.draws["alpha"]).any()
    assert one.interval_method == "bootstrap"
    assert one.params == found.params


def test_given_parameters_do_not_move(simulate: Simulate) -> None:
    found, front = fitted(simulate(ONE), {"E": 0.45})
    drawn = bootstrapped(found, FrontierSample(front), draws=50)
    assert drawn.interval()["E"] == (0.45, 0.45)


def test_rows_of_a_configuration_stay_together(curve: pd.DataFrame) -> None:
    noise = np.random.default_rng(0).normal(size=len(curve))
    curve = curve.assign(loss=curve["loss"] * np.exp(0.001 * noise), params=1.0)
    curve["params"] = np.arange(1.0, len(curve) + 1)
    repeated = pd.concat([curve] * 4, ignore_index=True).assign(seed=np.repeat(range(4), 9))

    def width(table: pd.DataFrame, numbers: np.ndarray) -> float:
        logs = np.log(table[["compute"]].to_numpy())
        sample = RowSample(logs, np.log(table["loss"].to_numpy()), numbers)
        found = fit("power", table, objective="squares")
        low, high = bootstrapped(found, sample, draws=1000).interval()["alpha"]
        return high - low

    together = width(repeated, configuration_numbers(repeated))
    once = width(curve, configuration_numbers(curve))
    apart = width(repeated, np.arange(len(repeated)))
    assert together == pytest.approx(once, rel=0.1)  # four copies are no news
    assert apart < 0.7 * once


def test_a_bootstrap_that_disagrees_is_said() -> None:
    compute, noise = np.logspace(11, 14, 30), np.random.default_rng(0).normal(size=30)
    once = pd.DataFrame({"compute": compute, "loss": compute**-0.05 * np.exp(0.001 * noise)})
    repeated = pd.concat([once] * 4, ignore_index=True).assign(configuration=list(range(30)) * 4)
    found = fit("power", repeated, objective="squares")
    logs, losses = (np.log(repeated[[name]].to_numpy()) for name in ("compute", "loss"))

    def notes(numbers: np.ndarray) -> list[str]:
        sample = RowSample(logs, losses[:, 0], numbers)
        drawn = bootstrapped(found, sample, draws=500)
        return [text for text in drawn.warnings if "by two methods: bootstrap" in text]

    assert notes(np.arange(len(repeated)))  # copies drawn apart pass for news
    assert not notes(configuration_numbers(repeated))


def test_too_few_configurations_are_refused(curve: pd.DataFrame) -> None:
    three = curve.head(3)
    logs = np.log(three[["compute"]].to_numpy())
    sample = RowSample(logs, np.log(three["loss"].to_numpy()), np.zeros(3, dtype=int))
    found = fit("power", three)
    bootstrapped(found, sample, draws=10)  # one configuration of three rows is enough rows
    alone = RowSample(logs[:1], np.log(three["loss"].to_numpy())[:1], np.zeros(1, dtype=int))
    with pytest.raises(FitError, match="too few configurations"):
        bootstrapped(found, alone, draws=10)


def test_two_thousand_draws_of_sixty_runs_take_seconds(simulate: Simulate) -> None:
    found, front = fitted(simulate(ONE, sizes=6, seeds=2))
    begin = time.process_time()
    bootstrapped(found, FrontierSample(front), draws=2000)
    assert time.process_time() - begin < 5.0  # 0.2 s alone on a core


@pytest.mark.shared
def test_published_bootstrap_intervals(shared: Path) -> None:
    table = pd.read_csv(shared / "scaling-data" / "besiroglu2024" / "svg_extracted_data.csv")
    table = table.rename(columns={"Model Size": "params", "Training FLOP": "compute"})
    table["examples"] = table["compute"] / (6 * table["params"])
    table = table.sort_values("loss").iloc[:-5]
    found = fit("chinchilla", table)
    logs = np.log(table[["params", "examples"]].to_numpy())
    sample = RowSample(logs, np.log(table["loss"].to_numpy()), np.arange(len(table)))
    drawn = bootstrapped(found, sample, draws=4000, seed=42)
    published = {
        "A": (285.2, 743.6), "B": (1042.4, 5810.3), "E": (1.769, 1.871),
        "alpha": (0.317, 0.373), "beta": (0.331, 0.415),
    }  # fmt: skip
    errors = {"A": 124.52, "B": 1293.28, "E": 0.0257, "alpha": 0.0154, "beta": 0.0206}
    for name, ends in published.items():
        # Percentiles of 4,000 draws scatter by about 5 % of a standard error each.
        np.testing.assert_allclose(drawn.interval()[name], ends, atol=0.25 * errors[name])


def covered(simulate: Simulate, simulations: int, **options: float) -> dict[str, float]:
    """Share of simulations whose 95 % interval holds the truth."""
    hits: dict[str, list[bool]] = defaultdict(list)
    at = {"compute": np.array([1e13])}
    loss = TRUTH["E"] + TRUTH["A"] * 1e13 ** -TRUTH["alpha"]
    for seed in range(simulations):
        front = frontier(configurations(simulate(ONE, seed=seed, **options), "loss"), budgets=True)
        found = fit("offset", front.points, diagnose=False)
        drawn = bootstrapped(found, FrontierSample(front), draws=300, seed=seed, diagnose=False)
        for one in (found, drawn):
            for name, (low, high) in one.interval().items():
                hits[f"{one.interval_method} {name}"].append(low <= TRUTH[name] <= high)
            lower, upper = one.band(at)
            hits[f"{one.interval_method} loss"].append(bool(lower[0] <= loss <= upper[0]))
    return {name: float(np.mean(values)) for name, values in hits.items()}


@pytest.mark.parametrize("noise", [0.001, 0.005])
@pytest.mark.parametrize("sizes", [1, 3])
def test_intervals_cover(simulate: Simulate, sizes: int, noise: float) -> None:
    shares = covered(simulate, 20, sizes=sizes, noise=noise)
    assert min(shares.values()) >= 0.8, shares  # 0.90 less 1.5 Monte-Carlo standard errors


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.001, 0.005])
@pytest.mark.parametrize("sizes", [1, 3])
def test_intervals_cover_in_many_simulations(simulate: Simulate, sizes: int, noise: float) -> None:
    shares = covered(simulate, 400, sizes=sizes, noise=noise)
    assert min(shares.values()) >= 0.87, shares  # 0.90 less two Monte-Carlo standard errors


def test_only_contenders_of_a_budget_are_drawn(simulate: Simulate) -> None:
    found, front = fitted(simulate(ONE, valley=0.05))
    sample = FrontierSample(front)
    best = set(front.points["configuration"])
    names = front.configurations["configuration"]
    assert len(np.unique(sample.strata(1e-4))) == 15  # nobody comes near the best
    assert len(np.unique(sample.strata(1.0))) == 5  # everybody does
    drawn = bootstrapped(found, sample, draws=100)
    assert drawn.draws is not None
    assert np.ptp(drawn.draws["alpha"]) > 0  # the scatter about the law is there all the same
    assert best <= set(names)
