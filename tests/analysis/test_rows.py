"""What a fit demands of its rows: each refusal names the rows and the reason."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.fitting import fit
from scaling.analysis.law import LAWS, FitError


@pytest.fixture
def grid() -> pd.DataFrame:
    """5 x 5 sizes and examples on Chinchilla's law."""
    size, examples = (a.ravel() for a in np.meshgrid(np.logspace(7, 9, 5), np.logspace(8, 11, 5)))
    law = LAWS.get("chinchilla")()
    table = pd.DataFrame({"params": size, "examples": examples})
    return table.assign(loss=law(table, law.example))


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("column", ["compute", "loss"])
def test_bad_numbers_are_named_by_row(curve: pd.DataFrame, column: str, value: float) -> None:
    curve.index = pd.Index([f"run{i}" for i in range(len(curve))])
    curve.loc["run3", column] = value
    with pytest.raises(FitError, match=rf"{column} must be a positive number.* row run3$"):
        fit("offset", curve)


def test_refuses_what_cannot_be_determined(curve: pd.DataFrame) -> None:
    with pytest.raises(FitError, match="2 rows can't determine the 3 free parameters"):
        fit("offset", curve.head(2))
    with pytest.raises(FitError, match="2 distinct values of compute"):
        fit("offset", pd.concat([curve.head(2)] * 4))
    with pytest.raises(FitError, match=r"all rows have compute = 1e\+12"):
        fit("offset", curve.assign(compute=1e12))
    with pytest.raises(FitError, match=r"every row has loss = 0\.5"):
        fit("offset", curve.assign(loss=0.5))
    with pytest.raises(FitError, match="no column 'params'"):
        fit("chinchilla", curve)
    with pytest.raises(FitError, match="every parameter"):
        fit("power", curve, fixed={"A": 1.0, "alpha": 0.1})
    with pytest.raises(FitError, match="above every loss"):
        fit("offset", curve, fixed={"E": 9.0})


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("column", ["params", "examples", "loss"])
def test_bad_sizes_are_named_by_row(grid: pd.DataFrame, column: str, value: float) -> None:
    grid.loc[[4, 7], column] = value
    with pytest.raises(FitError, match=rf"{column} must be a positive number.* row 4, 7$"):
        fit("chinchilla", grid)


def test_words_in_place_of_numbers_are_named_by_row(curve: pd.DataFrame) -> None:
    spoilt = curve.astype({"loss": object})
    spoilt.loc[2, "loss"] = "diverged"
    with pytest.raises(FitError, match=r"loss must be a positive number.* row 2$"):
        fit("offset", spoilt)


def test_many_bad_rows_are_counted(curve: pd.DataFrame) -> None:
    with pytest.raises(FitError, match=r"row 0, 1, 2, 3, 4, 5, 6, 7 and 1 more$"):
        fit("offset", curve.assign(loss=np.nan))


def test_an_empty_table_is_refused(curve: pd.DataFrame) -> None:
    with pytest.raises(FitError, match="0 rows can't determine the 3 free parameters"):
        fit("offset", curve.head(0))


def test_one_budget_is_refused_though_runs_overshoot_it(curve: pd.DataFrame) -> None:
    compute = 1e12 * (1 + 0.02 * np.arange(9) / 8)
    with pytest.raises(FitError, match=r"all rows have compute = 1\.01e\+12, within 2\.0%"):
        fit("offset", curve.assign(compute=compute))


def test_one_data_size_is_refused_for_a_law_in_it(grid: pd.DataFrame) -> None:
    one = grid[grid["examples"] < 2e8]
    with pytest.raises(FitError, match=r"all rows have examples = 1e\+08"):
        fit("chinchilla", pd.concat([one, one.assign(loss=one["loss"] * 1.001)]))


@pytest.mark.parametrize("law", ["power", "offset", "loglinear"])
def test_an_increasing_metric_is_no_loss(curve: pd.DataFrame, law: str) -> None:
    auc = curve.assign(auc=1 - curve["loss"])
    with pytest.raises(FitError, match=r"auc rises with compute .*0\.3607 in row 0.* row 8.*`gap`"):
        fit(law, auc, target="auc")


def test_an_increasing_metric_is_no_loss_of_sizes_either(grid: pd.DataFrame) -> None:
    with pytest.raises(FitError, match="auc rises with params · examples"):
        fit("chinchilla", grid.assign(auc=1 / grid["loss"]), target="auc")


@pytest.mark.parametrize("law", ["gap", "logit"])
def test_a_loss_is_no_increasing_metric(curve: pd.DataFrame, law: str) -> None:
    with pytest.raises(
        FitError, match=rf"loss falls with compute .* law '{law}' rises: is it a loss"
    ):
        fit(law, curve)


def test_noise_without_a_trend_is_not_taken_for_one(curve: pd.DataFrame) -> None:
    for seed in range(5):
        noise = np.random.default_rng(seed).normal(size=len(curve))
        falling = curve.assign(loss=curve["loss"] * np.exp(0.05 * noise))
        assert fit("power", falling, starts=2).n == len(curve)


@pytest.mark.parametrize("law", ["gap", "logit"])
@pytest.mark.parametrize("value", [1.0, 1.2, 73.0])
def test_a_bounded_metric_outside_its_bounds_is_named(
    curve: pd.DataFrame, law: str, value: float
) -> None:
    auc = curve.assign(auc=1 - curve["loss"])
    auc.loc[5, "auc"] = value
    with pytest.raises(FitError, match="between 0 and 1, and auc is outside in row 5"):
        fit(law, auc, target="auc")


def test_rows_that_repeat_others_are_named(curve: pd.DataFrame) -> None:
    found = fit("power", pd.concat([curve, curve.iloc[[2, 5]].set_axis(["copy", "twin"])]))
    assert any("2 rows repeat another one" in text for text in found.warnings)
    assert not any("repeat" in text for text in fit("power", curve).warnings)


def test_says_when_variables_are_tied() -> None:
    size = np.logspace(6, 9, 12)
    tied = pd.DataFrame({"params": size, "examples": 20 * size, "loss": 1.8 + 400 * size**-0.35})
    found = fit("chinchilla", tied, fixed={"E": 1.8})
    assert not found.identifiable
    assert any("params and examples move together" in text for text in found.warnings)


def test_a_factor_tied_to_compute_is_not_identified() -> None:
    compute = np.logspace(10, 13, 12)
    table = pd.DataFrame({"compute": compute, "blocks": compute**0.25})
    law = LAWS.get("blocks")()
    found = fit("blocks", table.assign(loss=law(table, law.example)))
    assert not found.identifiable
    assert any("compute and blocks move together" in text for text in found.warnings)


@pytest.mark.parametrize(
    ("law", "name", "value"),
    [("gap", "ceiling", 1.2), ("kaplan", "alpha_N", -0.1), ("repeated", "R_D", 0.0)],
)
def test_a_given_parameter_must_be_possible(
    curve: pd.DataFrame, law: str, name: str, value: float
) -> None:
    with pytest.raises(ValueError, match=f"parameter '{name}' of law '{law}' can't be {value}"):
        fit(law, curve, fixed={name: value})
