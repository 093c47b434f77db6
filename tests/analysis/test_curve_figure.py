"""Learning curves are drawn as they were logged; the envelope is their lowest mean so far."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.curve_figure import SMOOTHED, WARM_UP, chosen, envelope, learning_curves
from scaling.analysis.figure import Figure, Skipped
from scaling.analysis.findings import Analysis
from scaling.analysis.plots import svg
from scaling.analysis.summary import analyse

POINTS = 24


def with_ids(runs: pd.DataFrame) -> pd.DataFrame:
    return runs.assign(run_id=[f"run{i}" for i in range(len(runs))])


def curves_of(runs: pd.DataFrame) -> pd.DataFrame:
    """Curves that fall to the run's loss, with noise."""
    rng = np.random.default_rng(0)
    parts = []
    for run in runs.itertuples():
        share = np.arange(1, POINTS + 1) / POINTS
        loss = run.loss * (1 + 0.1 * (share**-0.5 - 1)) * np.exp(0.02 * rng.normal(size=POINTS))
        parts.append(
            pd.DataFrame(
                {"run_id": run.run_id, "examples": run.examples * share,
                 "compute": run.compute * share, "train_loss": loss}
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def analysis(runs: pd.DataFrame) -> Analysis:
    return analyse(with_ids(runs), bootstrap=0)


def test_one_seed_of_each_configuration_is_chosen(analysis: Analysis, runs: pd.DataFrame) -> None:
    known = with_ids(runs).set_index("run_id")
    all_of_them = known.loc[chosen(analysis)]
    assert sorted(all_of_them["configuration"]) == sorted(runs["configuration"].unique())
    assert set(all_of_them["seed"]) == {0}
    few = known.loc[chosen(analysis, 8)]
    assert few["architecture"].value_counts().to_dict() == {"astro": 4, "transformer": 4}
    for _, mine in few.groupby("architecture"):
        assert mine["budget"].max() == runs["budget"].max()
    assert chosen(analyse(runs, bootstrap=0)) == []  # runs without ids have no curves


def test_curves_stand_as_logged_without_their_beginning(
    analysis: Analysis, runs: pd.DataFrame
) -> None:
    logged = with_ids(runs).set_index("run_id").loc[chosen(analysis)].reset_index()
    curves = curves_of(logged)
    figure = learning_curves(analysis, curves)
    assert isinstance(figure, Figure)
    (panel,) = figure.panels
    trails = {layer.ids[0]: layer for layer in panel.layers if layer.kind == "trail"}
    assert set(trails) == set(logged["run_id"])
    for name, layer in trails.items():
        mine = curves[curves["run_id"] == name].iloc[WARM_UP:]
        np.testing.assert_array_equal(layer.x, mine["compute"])
        np.testing.assert_array_equal(layer.y, mine["train_loss"])
    assert [layer.key for layer in panel.layers if layer.kind == "curve"] == list(figure.keys)
    assert any("The envelope is not a frontier" in note for note in figure.notes)
    ET.fromstring(svg(figure))


def test_the_envelope_never_rises_and_no_smoothed_curve_lies_below(runs: pd.DataFrame) -> None:
    curves = [one for _, one in curves_of(with_ids(runs)).groupby("run_id")]
    x, y = envelope(curves)
    assert (np.diff(x) > 0).all()
    assert (np.diff(y) <= 0).all()
    for curve in curves:
        mean = curve["train_loss"].rolling(SMOOTHED).mean().iloc[SMOOTHED - 1 :]
        places = np.log(curve["compute"].iloc[SMOOTHED - 1 :])
        here = np.interp(np.log(x), places, mean, left=np.inf, right=np.inf)
        assert (y <= here + 1e-12).all()
    alone = curves[0].assign(train_loss=np.linspace(1.0, 0.5, POINTS))
    x, y = envelope([alone])
    assert x[-1] == pytest.approx(alone["compute"].max())
    assert y[-1] == pytest.approx(alone["train_loss"].iloc[-SMOOTHED:].mean())


def test_runs_without_curves_are_told(analysis: Analysis, runs: pd.DataFrame) -> None:
    logged = with_ids(runs)
    astro = curves_of(logged[logged["architecture"] == "astro"].head(3))
    figure = learning_curves(analysis, astro)
    assert isinstance(figure, Figure)
    assert figure.keys == ("astro",)
    assert "transformer: no learning curve was logged" in figure.notes[-1]
    assert isinstance(learning_curves(analysis, astro.iloc[:0]), Skipped)
    wrong = learning_curves(analysis, astro.drop(columns="compute"))
    assert isinstance(wrong, Skipped)
    assert "run_id, compute and train_loss" in wrong.reason
