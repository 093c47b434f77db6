"""Floors: below every predictor, exact where everything is readable, falling with what is read."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

from scaling.batch import View
from scaling.datasets import floors as module
from scaling.datasets.floor_features import read
from scaling.datasets.floors import (
    floor_of_views,
    floors,
    labels_of,
    log_loss,
    loss_floor_at,
    truth,
)
from scaling.datasets.synthetic import SyntheticConfig
from scaling.datasets.synthetic_parts import Part, evaluation_part, floor_lives, world_of

SMALL = dataclasses.replace(
    SyntheticConfig.tiny(),
    artists=60,
    tracks=400,
    dims=16,
    requests_per_user=40,
    test_users=48,
    test_requests=800,
)


@pytest.fixture(scope="module")
def part() -> Part:
    return evaluation_part(SMALL, "test")


def test_floors_by_hand(part: Part) -> None:
    p, labels, known = truth(part), labels_of(part), floors(part)
    losses = [-np.log(np.where(labels[:, b] == 1, p[:, b], 1 - p[:, b])).mean() for b in range(3)]
    assert known["loss_floor"] == pytest.approx(np.mean(losses))
    assert known["loss_floor.like"] == pytest.approx(losses[1])
    like, other = p[labels[:, 1] == 1, 1], p[labels[:, 1] == 0, 1]
    assert known["auc_ceiling.like"] == pytest.approx((like[:, None] > other).mean(), abs=1e-6)
    spread = log_loss(p, labels).mean(1).std() / len(p) ** 0.5
    assert abs(known["loss_floor"] - known["loss_floor_expected"]) < 4 * spread


def test_labels_are_those_of_the_batches(part: Part) -> None:
    views = [View(strategy="recent", length=1)]
    batches = SMALL.open().requests("test", views, batch_size=100)
    labels = np.concatenate([b.labels[b.candidates.mask].numpy() for b in batches])
    assert np.array_equal(labels, labels_of(part))


def test_no_other_predictor_is_expected_below_the_floor(part: Part) -> None:
    p, labels = truth(part), labels_of(part)
    floor = log_loss(p, labels)
    rng = np.random.default_rng(0)
    logit = np.log(p / (1 - p))
    rivals = [np.broadcast_to(labels.mean(0), p.shape)]
    rivals += [1 / (1 + np.exp(-(scale * logit))) for scale in (0.8, 1.25)]
    rivals += [1 / (1 + np.exp(-(logit + rng.normal(0, 0.5, p.shape))))]
    for rival in rivals:
        assert log_loss(rival, labels).mean() > floor.mean()
        assert log_loss(rival, p).mean() > log_loss(p, p).mean()


def test_the_whole_history_gives_the_floor_itself() -> None:
    floor = SMALL.open().known_truth()["loss_floor"]
    assert loss_floor_at(SMALL, 5000) == pytest.approx(floor, abs=1e-12)
    halves = [View(strategy="like", length=5000), View(strategy="no_like", length=5000)]
    assert floor_of_views(SMALL, halves)["loss_floor_at"] == pytest.approx(floor, abs=1e-12)


def test_reading_further_back_pays_and_never_beats_the_floor() -> None:
    floor = SMALL.open().known_truth()["loss_floor"]
    at = [loss_floor_at(SMALL, n) for n in (1, 8, 32, 128, 512)]
    assert all(a > b - 2e-4 for a, b in itertools.pairwise(at))
    assert at[0] - at[1] > 1e-3
    assert min(at) >= floor
    blind = log_loss(np.full(3, 0.5), labels_of(evaluation_part(SMALL, "test"))).mean()
    assert at[0] < blind


def test_more_views_tell_more() -> None:
    recent, like = View(strategy="recent", length=16), View(strategy="like", length=16)
    both = floor_of_views(SMALL, [recent, like])
    alone = [floor_of_views(SMALL, [view])["loss_floor_at"] for view in (recent, like)]
    assert both["loss_floor_at"] < min(alone)
    assert floor_of_views(SMALL, [like, recent, like]) == both
    mean = np.mean([both[f"loss_floor_at.{name}"] for name in ("finish", "like", "share")])
    assert both["loss_floor_at"] == pytest.approx(mean)


def test_a_window_in_disjoint_parts_tells_as_much_as_in_one() -> None:
    parts = [View(strategy="recent", length=12), View(strategy="recent", length=4, disjoint=True)]
    whole = loss_floor_at(SMALL, 16)
    assert floor_of_views(SMALL, parts)["loss_floor_at"] == pytest.approx(whole, abs=1e-12)
    merged = View(strategy="merged", length=16, of=tuple(parts))
    assert floor_of_views(SMALL, [merged])["loss_floor_at"] == pytest.approx(whole, abs=1e-12)


def test_known_truth_reports_the_floor_of_the_views() -> None:
    views = [View(strategy="recent", length=16)]
    known = SMALL.open().known_truth(views)
    assert known["loss_floor_at"] == loss_floor_at(SMALL, 16)
    assert known["loss_floor_at"] > known["loss_floor"]
    assert "loss_floor_at" not in SMALL.open().known_truth()


def test_results_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path))
    first = loss_floor_at(SyntheticConfig.tiny(), 8)
    monkeypatch.setattr(module, "_excess", None)
    assert loss_floor_at(SyntheticConfig.tiny(), 8) == first
    assert not list(tmp_path.rglob("tmp*"))


def test_bad_views_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one view"):
        floor_of_views(SMALL, [])
    with pytest.raises(ValueError, match="unknown view strategy 'clicked'"):
        loss_floor_at(SMALL, 8, "clicked")


def test_readable_state_is_the_true_state_when_everything_is_readable() -> None:
    part, lives = floor_lives(SMALL, 4)
    rows = np.arange(0, len(part.table), 7)
    everything = read(world_of(SMALL), part, rows, [View(strategy="recent", length=5000)])
    assert everything.complete.all()
    np.testing.assert_allclose(everything.features[:, :2], lives.states[rows], atol=2e-5)
    likes = read(world_of(SMALL), part, rows, [View(strategy="like", length=5000)])
    np.testing.assert_allclose(likes.features[:, 1], lives.states[rows, 1], atol=2e-5)


@pytest.mark.slow
def test_the_default_world_rewards_long_histories() -> None:
    config = SyntheticConfig()
    floor = config.open().known_truth()["loss_floor"]
    at = {n: loss_floor_at(config, n) for n in (16, 64, 256, 1024)}
    assert at[16] > at[64] > at[256] > at[1024] >= floor
    assert at[64] - floor > 0.004
    mixed = [View(strategy="recent", length=32), View(strategy="like", length=32)]
    assert floor_of_views(config, mixed)["loss_floor_at"] < at[256]
