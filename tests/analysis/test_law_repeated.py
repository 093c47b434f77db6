"""The data-constrained law, against its meaning and the published fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.fitting import fit
from scaling.analysis.law import LAWS

LAW = LAWS.get("repeated")()
GIVEN = {
    "A": float(np.exp(6.255414)), "B": float(np.exp(7.3049974)), "E": float(np.exp(0.6254804)),
    "alpha": 0.3526596, "beta": 0.3526596,
}  # fmt: skip
OBJECTIVE = 0.015804662
"""The better of the two optima known, at R_D = 95.4."""


def at(params: float, examples: float, unique: float) -> dict[str, float]:
    return {"params": params, "examples": examples, "unique_examples": unique}


def test_without_repeats_it_is_chinchillas_law() -> None:
    once = {name: value for name, value in LAW.example.items() if not name.startswith("R_")}
    runs = at(1e8, 1e11, 1e11)  # so small a model has no parameters to spare
    plain = LAWS.get("chinchilla")()(runs, once)
    assert LAW(runs, LAW.example) == pytest.approx(float(plain), rel=1e-12)


def test_repeats_are_worth_less_and_less() -> None:
    epochs = np.array([1.0, 2.0, 4.0, 40.0, 400.0, 4000.0])
    losses = np.array([float(LAW(at(1e8, 1e9 * e, 1e9), LAW.example)) for e in epochs])
    fresh = np.array([float(LAW(at(1e8, 1e9 * e, 1e9 * e), LAW.example)) for e in epochs])
    assert (np.diff(losses) < 0).all()
    assert (losses[1:] > fresh[1:]).all()
    assert losses[1] - fresh[1] < 0.1 * (losses[0] - fresh[1])  # the first repeat: as good as new
    assert losses[4] - losses[5] < 1e-6  # the last ones: worth nothing


def test_fewer_examples_than_distinct_ones_are_all_distinct() -> None:
    assert LAW(at(1e8, 1e9, 1e10), LAW.example) == LAW(at(1e8, 1e9, 1e9), LAW.example)


@pytest.fixture(scope="module")
def published(shared: Path) -> pd.DataFrame:
    table = pd.read_csv(shared / "scaling-data" / "datablations2023" / "runs_curated_182.csv")
    return table.rename(columns={"N": "params", "D": "examples", "U": "unique_examples"})


@pytest.mark.shared
def test_the_published_objective_at_the_published_parameters(published: pd.DataFrame) -> None:
    predicted = LAW(published, {**GIVEN, "R_D": 15.387756, "R_N": 5.309743})
    size = np.abs(np.log(predicted / published["loss"].to_numpy()))
    objective = np.where(size < 1e-3, size**2 / 2, 1e-3 * (size - 5e-4)).sum()
    assert objective == pytest.approx(0.015825936, rel=1e-6)


@pytest.mark.shared
def test_the_better_published_optimum_is_reached(published: pd.DataFrame) -> None:
    found = fit("repeated", published, fixed=GIVEN)
    assert found.n == 182
    assert found.objective <= OBJECTIVE * 1.001


@pytest.mark.shared
def test_the_worth_of_repeats_lies_on_a_flat_ridge(published: pd.DataFrame) -> None:
    for worth in (10.0, 30.0, 100.0, 300.0, 1000.0):
        there = fit("repeated", published, fixed={**GIVEN, "R_D": worth}, starts=8)
        assert 0.9999 * OBJECTIVE <= there.objective < 1.007 * OBJECTIVE
