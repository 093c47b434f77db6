"""Selection among laws: by what they predicted, with AICc beside it, every refusal explained."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.fitting import fit
from scaling.analysis.information import aicc, akaike_weights
from scaling.analysis.law import LAWS, FitError
from scaling.analysis.selection import Selection, select
from scaling.cli.bench_report import study

SIMPLE = ("power", "offset", "loglinear")


def table(truth: str, noise: float = 0.001, seed: int = 0, points: int = 10) -> pd.DataFrame:
    compute = np.logspace(11, 14, points)
    loss = {
        "power": 30 * compute**-0.2,
        "offset": 0.45 + 30 * compute**-0.2,
        "loglinear": 1.0 - 0.04 * np.log10(compute),
    }[truth]
    errors = np.random.default_rng(seed).normal(size=points)
    return pd.DataFrame({"compute": compute, "loss": loss * np.exp(noise * errors)})


def weights(found: Selection) -> dict[str, float | None]:
    return {one.law: one.weight for one in found.candidates}


@pytest.mark.parametrize("truth", ["offset", "loglinear"])
def test_the_true_law_extrapolates_best(truth: str) -> None:
    found = select(table(truth), laws=SIMPLE)
    assert found.selected == truth
    best = found.candidates[0]
    assert best.extrapolates
    assert best.error is not None
    assert best.error < 0.01
    assert max(one.error or 0.0 for one in found.candidates) > 5 * best.error
    if truth == "offset":  # the hull of a noisy straight line has too few points for AICc
        assert weights(found)[truth] == pytest.approx(1.0, abs=0.05)
    assert f"law {truth} extrapolates best" in found.sentence()


def test_every_registered_law_is_judged_or_refused_with_a_reason(runs: pd.DataFrame) -> None:
    found = select(runs[runs["architecture"] == "astro"])
    assert sorted(one.law for one in found.candidates) == LAWS.names()
    for one in found.candidates:
        assert (one.error is None) == bool(one.reason), one
    reasons = {one.law: one.reason for one in found.candidates}
    assert "no column 'unique_examples'" in reasons["repeated"]
    assert "all rows have seq_len = 64" in reasons["length"]
    errors = [one.error for one in found.candidates if one.error is not None]
    assert errors == sorted(errors)
    assert len({one.holdouts for one in found.candidates if one.error is not None}) == 1
    by_rows: dict[str, float] = {}
    for one in found.candidates:
        by_rows[one.rows] = by_rows.get(one.rows, 0.0) + (one.weight or 0.0)
    assert by_rows["the frontier"] == pytest.approx(1.0)
    assert by_rows["all runs"] == pytest.approx(1.0)
    described = found.to_dict()
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    head, rows = found.table()
    assert {len(row) for row in rows} == {len(head)}


def test_minima_between_sizes_are_predicted_too() -> None:
    """They are no configurations: laws in N and D are judged where both are known, others refused."""
    runs = study(320)
    of_one = runs[(runs["architecture"] == "astro") & (runs["seq_len"] == 128)]
    found = {one.law: one for one in select(of_one).candidates}
    truth, wrong = found["chinchilla"], found["power"]
    assert truth.error is not None
    assert wrong.error is not None
    assert truth.error < 0.005 < wrong.error
    assert all(one.error is None or np.isfinite(one.error) for one in found.values())
    both = select(runs[runs["architecture"] == "astro"]).candidates
    (length,) = (one for one in both if one.law == "length")
    assert length.error is None
    assert "has no seq_len" in length.reason


def test_aicc_is_of_least_squares_and_counts_the_scatter() -> None:
    runs = table("power", noise=0.01)
    found = fit("power", runs, objective="squares")
    residual = np.log(runs["loss"].to_numpy() / found.predict(runs))
    expected = 10 * np.log(np.mean(residual**2)) + 6 + 2 * 3 * 4 / (10 - 3 - 1)
    assert aicc(found) == pytest.approx(expected)
    assert aicc(fit("power", runs.head(4), objective="squares")) == np.inf
    with pytest.raises(ValueError, match=r"this one is of huber 0\.001"):
        aicc(fit("power", runs))


def test_akaike_weights_are_shares() -> None:
    assert akaike_weights([10.0, 12.0, np.inf]) == pytest.approx(
        np.array([1, np.exp(-1), 0]) / (1 + np.exp(-1))
    )
    assert akaike_weights([np.inf]).tolist() == [0.0]


def test_refusals(curve: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"unknown law 'cubic'; valid: .*power"):
        select(curve, laws=["cubic"])
    with pytest.raises(FitError, match="no usable run among 9"):
        select(curve.assign(loss=-1.0))
    few = select(curve.head(3), laws=["offset"])
    assert few.selected is None
    assert few.sentence() == "no law could be judged by hold-out"
    assert few.candidates[0].reason
