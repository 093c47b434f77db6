"""Profile intervals: where the objective has risen enough, whatever the scale, open where it never does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scaling.analysis.delta import huber_factors
from scaling.analysis.fitting import fit
from scaling.analysis.law import law_of
from scaling.analysis.profile import Data, Optima, profile
from scaling.analysis.quantities import Quantity, optimal_exponent, parameter, prediction
from scaling.analysis.simulator import RECOMMENDER, Design, losses, table
from scaling.analysis.solver import Loss


@pytest.fixture
def noisy(curve: pd.DataFrame) -> pd.DataFrame:
    noise = np.random.default_rng(3).normal(size=len(curve))
    return curve.assign(loss=curve["loss"] * np.exp(0.001 * noise))


def grid(noise: float = 0.002, decades: float = 2.0, seed: int = 0) -> pd.DataFrame:
    columns = Design(5, decades).columns()
    return table(law_of("chinchilla"), columns, RECOMMENDER, noise=noise, seed=seed)


def test_a_straight_line_has_students_interval(noisy: pd.DataFrame) -> None:
    found = fit("power", noisy, objective="squares")
    line = stats.linregress(np.log(noisy["compute"]), np.log(noisy["loss"]))
    half = stats.t.ppf(0.975, len(noisy) - 2) * line.stderr
    expected = (-line.slope - half, -line.slope + half)
    assert found.interval_method == "profile"
    np.testing.assert_allclose(found.interval()["alpha"], expected, rtol=2e-3)
    for name, ends in found.interval(method="delta").items():
        np.testing.assert_allclose(found.interval()[name], ends, rtol=5e-3)


@pytest.mark.parametrize("objective", ["squares", "huber"])
@pytest.mark.parametrize("name", ["alpha", "E", "A"])
def test_the_objective_has_risen_as_demanded_at_each_end(
    noisy: pd.DataFrame, name: str, objective: str
) -> None:
    found = fit("offset", noisy, objective=objective, huber_delta=2e-3)
    factor, curvature = huber_factors(found.problem.loss, np.array(found.scatter))
    expected = 0.5 * found.quantile(0.9) ** 2 * found.scatter**2 * factor * curvature
    for end in found.interval(0.9)[name]:
        again = fit("offset", noisy, objective=objective, huber_delta=2e-3, fixed={name: end})  # type: ignore[arg-type]
        assert again.objective - found.objective == pytest.approx(expected, rel=0.02)


def test_derived_quantities_do_not_depend_on_their_scale() -> None:
    found = fit("chinchilla", grid(), objective="squares")
    law = found.law
    plain = optimal_exponent(law)
    logs = Quantity("the same", plain.of, log=True)
    np.testing.assert_allclose(found.interval_of(plain), found.interval_of(logs), rtol=2e-3)
    low, high = found.interval_of(plain)
    value = found.params["beta"] / (found.params["alpha"] + found.params["beta"])
    assert low < value < high
    assert found.interval_of(parameter(law, "alpha")) == found.interval()["alpha"]


def test_a_prediction_at_a_measured_place_is_as_sure_as_a_mean() -> None:
    found = fit("chinchilla", grid(noise=1e-4), objective="squares")
    at = {"params": np.array([1e6]), "examples": np.array([1e8])}
    by_profile = found.interval_of(prediction(found.law, {k: v[0] for k, v in at.items()}))
    for method in ("profile", "delta"):  # so little noise that the law is linear
        low, high = found.band(at, method=method)  # type: ignore[arg-type]
        np.testing.assert_allclose(by_profile, (low[0], high[0]), rtol=1e-6)


def test_many_problems_at_once_are_each_alone() -> None:
    law, columns = law_of("chinchilla"), Design(4, 2.0).columns()
    drawn = losses(law, columns, RECOMMENDER, noise=0.002, simulations=3, seed=1)
    runs = [pd.DataFrame(columns).assign(loss=row) for row in drawn]
    fits = [fit("chinchilla", one, objective="squares") for one in runs]
    first = fits[0].problem
    low, high = law.bounds(np.log(np.stack(list(columns.values()), -1)) - first.centre, drawn)
    found = profile(
        Optima(
            law, np.stack([one.problem.theta for one in fits]),
            np.array([one.objective for one in fits]), first.centre, low, high,
            first.free, Loss(np.inf),
        ),
        Data(
            np.log(np.stack([columns[name] for name in law.variables], -1))[None] - first.centre,
            np.log(drawn), np.ones((1, drawn.shape[1])),
        ),
        [parameter(law, name) for name in law.parameters],
        np.array([0.5 * one.quantile(0.95) ** 2 * one.scatter**2 for one in fits]),
    )  # fmt: skip
    for k, one in enumerate(fits):
        np.testing.assert_allclose(found.value[k], list(one.interval().values()), rtol=5e-3)
    assert not found.open.any()


def test_given_parameters_and_exact_fits(noisy: pd.DataFrame) -> None:
    found = fit("offset", noisy, fixed={"E": 0.45})
    assert found.interval()["E"] == (0.45, 0.45)
    exact = fit("offset", noisy.iloc[[0, 4, 8]])
    assert np.isnan(exact.interval()["alpha"]).all()


def test_an_end_that_the_data_never_refuse_is_open(noisy: pd.DataFrame) -> None:
    # Two decades nearer to a straight line than the noise: no floor is as good as some floor.
    noise = np.random.default_rng(1).normal(size=len(noisy))
    loss = 2.0 * noisy["compute"] ** -0.05 * np.exp(0.01 * noise)
    found = fit("offset", noisy.assign(loss=loss), objective="squares")
    low, high = found.interval()["E"]
    assert low == 0.0
    assert high < loss.min()
    assert found.status == "not identified"
    assert found.to_dict()["interval"]["E"][0] == 0.0
    ridge = [text for text in found.warnings if "fits equally well" in text]
    assert ridge
    assert "E" in ridge[0]
    assert "alpha" in ridge[0]
    assert "condition number" in ridge[0]


def test_a_sure_fit_has_no_ridge() -> None:
    found = fit("chinchilla", grid(noise=5e-4, decades=3.0), objective="squares")
    assert found.status == "ok"
    assert found.warnings == ()


def test_unknown_methods_and_quantities_are_named(noisy: pd.DataFrame) -> None:
    plain = fit("offset", noisy)
    assert plain.interval_method == "profile"
    rowless = replace(plain, problem=replace(plain.problem, data=None), _known={})
    assert rowless.interval_method == "delta"
    with pytest.raises(ValueError, match="doesn't hold its rows"):
        rowless.interval(method="profile")
    with pytest.raises(ValueError, match="valid: profile, delta, bootstrap"):
        plain.interval(method="wald")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no draws"):
        plain.interval(method="bootstrap")
    with pytest.raises(ValueError, match="no parameter 'beta'; valid: E, A, alpha"):
        parameter(plain.law, "beta")
    with pytest.raises(ValueError, match="no optimal size"):
        optimal_exponent(plain.law)


@pytest.mark.shared
def test_published_intervals(shared: Path) -> None:
    runs = pd.read_csv(shared / "scaling-data" / "besiroglu2024" / "svg_extracted_data.csv")
    runs = runs.rename(columns={"Model Size": "params", "Training FLOP": "compute"})
    runs["examples"] = runs["compute"] / (6 * runs["params"])
    found = fit("chinchilla", runs.sort_values("loss").iloc[:-5])
    published = {"E": (1.769, 1.871), "alpha": (0.317, 0.373), "beta": (0.331, 0.415)}
    errors = {"E": 0.0257, "alpha": 0.0154, "beta": 0.0206}
    for name, ends in published.items():  # those are percentiles of a bootstrap
        np.testing.assert_allclose(found.interval()[name], ends, atol=errors[name])
    assert found.status == "ok"


@pytest.mark.shared
@pytest.mark.parametrize("objective", ["squares", "huber"])
def test_published_ladder_does_not_identify_its_floor(shared: Path, objective: str) -> None:
    runs = pd.read_csv(shared / "scaling-data" / "olmo_ladder2024" / "c4_ma5.csv")
    runs = runs[runs["mode"] == "train"].rename(
        columns={"N": "params", "D": "examples", "c4": "loss"}
    )
    found = fit("chinchilla", runs, objective=objective)
    low, high = found.interval()["alpha"]
    assert low < 0.104
    assert high > 0.208  # Huber's and the squares' own optimum
    assert not found.identifiable
    assert any("E" in text and "alpha" in text and "trade off" in text for text in found.warnings)


@pytest.mark.shared
def test_published_repeated_runs_do_not_identify_their_half_life(shared: Path) -> None:
    runs = pd.read_csv(shared / "scaling-data" / "datablations2023" / "runs_curated_182.csv")
    runs = runs.rename(columns={"N": "params", "D": "examples", "U": "unique_examples"})
    a, b, e, alpha = 6.255414, 7.3049974, 0.6254804, 0.3526596
    given = {"E": np.exp(e), "A": np.exp(a), "B": np.exp(b), "alpha": alpha, "beta": alpha}
    found = fit("repeated", runs, fixed=given)
    low, high = found.interval()["R_D"]
    assert 3 < low < 10
    assert high == np.inf
    assert found.to_dict()["interval"]["R_D"][1] is None
    assert found.status == "not identified"
    assert any("R_D and R_N trade off" in text for text in found.warnings)
    assert any("R_D" in text and "is open" in text for text in found.warnings)
