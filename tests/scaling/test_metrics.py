"""Metrics against their definitions, spelled out pair by pair."""

from __future__ import annotations

import numpy as np
import pytest

from scaling import metrics
from scaling.evaluation import Predictions, paired_table, summarise


def brute_auc(scores: np.ndarray, labels: np.ndarray) -> float:
    positive, negative = scores[labels == 1], scores[labels == 0]
    wins = (positive[:, None] > negative).sum() + 0.5 * (positive[:, None] == negative).sum()
    return float(wins / (len(positive) * len(negative)))


@pytest.mark.parametrize("seed", range(5))
def test_auc_counts_pairs_and_halves_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, 60).astype(float)
    labels = rng.integers(0, 2, 60).astype(float)
    assert metrics.auc(scores, labels) == pytest.approx(brute_auc(scores, labels), abs=1e-12)


def test_auc_of_one_class_is_missing() -> None:
    assert metrics.auc(np.arange(4.0), np.ones(4)) is None
    assert metrics.auc(np.empty(0), np.empty(0)) is None


def test_gauc_weights_users_by_candidates_and_counts_those_left_out() -> None:
    rng = np.random.default_rng(3)
    users = rng.integers(0, 12, 200)
    scores, labels = rng.normal(size=200).round(1), (rng.random(200) < 0.3).astype(float)
    labels[users == 4] = 1.0
    areas, weights = [], []
    for user in np.unique(users):
        mine = users == user
        if 0 < labels[mine].sum() < mine.sum():
            areas.append(brute_auc(scores[mine], labels[mine]))
            weights.append(mine.sum())
    value, left_out = metrics.gauc(scores, labels, users)
    assert value == pytest.approx(np.average(areas, weights=weights), abs=1e-12)
    assert left_out == len(np.unique(users)) - len(areas) >= 1


def test_log_loss_is_the_negative_log_likelihood_and_stays_finite() -> None:
    logits, labels = np.array([-2.0, 0.0, 3.0]), np.array([0.0, 1.0, 1.0])
    p = 1 / (1 + np.exp(-logits))
    expected = -np.log(np.where(labels == 1, p, 1 - p))
    np.testing.assert_allclose(metrics.log_losses(logits, labels), expected, rtol=1e-12)
    assert np.isfinite(metrics.log_losses(np.array([1e4, -1e4]), np.array([0.0, 1.0]))).all()


def test_knowing_the_rate_has_normalised_entropy_one() -> None:
    labels = np.r_[np.ones(30), np.zeros(70)]
    loss = float(metrics.log_losses(np.full(100, np.log(0.3 / 0.7)), labels).mean())
    assert metrics.normalised_entropy(loss, 0.3) == pytest.approx(1.0)
    assert metrics.normalised_entropy(0.1, 1.0) is None


def predictions(seed: int = 0, rare: bool = False) -> Predictions:
    rng = np.random.default_rng(seed)
    labels = (rng.random((300, 2)) < 0.4).astype(float)
    if rare:
        labels[:, 1] = 0.0
    requests = np.sort(rng.integers(0, 40, 300))
    return Predictions(rng.normal(size=(300, 2)), labels, requests // 3, requests)


def test_the_mean_over_behaviours_is_missing_when_one_is() -> None:
    values, notes = summarise(predictions(rare=True), ("click", "share"))
    assert "auc" not in values
    assert "auc.click" in values
    assert notes["auc.share"] == "one class only"
    assert values["loss"] == pytest.approx((values["loss.click"] + values["loss.share"]) / 2)


def test_the_paired_table_adds_up_to_the_loss() -> None:
    found = predictions()
    values, _ = summarise(found, ("click", "share"))
    table = paired_table(found, ("click", "share"))
    assert not table.duplicated(["request", "behaviour"]).any()
    sums = table.groupby("behaviour", observed=True)[["sum_loss", "count"]].sum()
    assert sums["count"].tolist() == [300, 300]
    for behaviour in ("click", "share"):
        mean = sums.loc[behaviour, "sum_loss"] / sums.loc[behaviour, "count"]
        assert mean == pytest.approx(values[f"loss.{behaviour}"], rel=1e-12)
