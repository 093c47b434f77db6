"""The world: no hidden state, stated rates, honest probabilities, items as described."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest

from scaling.datasets.synthetic import SyntheticConfig
from scaling.datasets.synthetic_parts import Part, evaluation_part, lives_of, world_of
from scaling.datasets.world import SCENARIOS, World, build_world
from scaling.datasets.world_lives import MAX_CANDIDATES, Lives, simulate

LABELS = np.array([[code >> bit & 1 for bit in range(3)] for code in range(8)])


def brute_force(world: World, part: Part, row: int) -> list[list[float]]:
    """The documented formulas, event by event, from nothing but log, request and item table."""
    from scaling.datasets import world as w

    log, table = part.log, part.table
    first, start = int(log.user_offsets[table.user[row]]), int(table.start[row])
    dims = world.vectors.shape[1]
    mood, life = np.zeros(dims), np.zeros(dims)
    heard: dict[int, float] = {}
    for event in range(first, start):
        item, action = int(log.items[event]), int(log.actions[event])
        age = int(table.time[row]) - int(log.times[event])
        vector, artist = world.vectors[item], int(world.artist_of_item[item])
        mood = mood + w.MOOD_OF_ACTION[action] * math.exp(-age / w.MOOD_SECONDS) * vector
        if action & 2:
            life = life + math.exp(-age / w.LIFE_SECONDS) * vector
        heard[artist] = heard.get(artist, 0.0) + math.exp(-age / w.MOOD_SECONDS)
    mood = mood / math.sqrt(w.MOOD_SOFTNESS**2 + mood @ mood)
    life = life / math.sqrt(w.LIFE_SOFTNESS**2 + life @ life)
    s, out = int(table.scenario[row]), []
    for event in range(start, int(table.stop[row])):
        item = int(log.items[event])
        times = heard.get(int(world.artist_of_item[item]), 0.0)
        boredom = times / (w.BOREDOM_SOFTNESS + times)
        logits = [
            w.BIAS[s, b]
            + w.QUALITY_WEIGHT[s, b] * world.quality[item]
            + w.MOOD_WEIGHT[s, b] * (world.vectors[item] @ mood)
            + w.LIFE_WEIGHT[s, b] * (world.vectors[item] @ life)
            - w.BOREDOM_WEIGHT[s, b] * boredom
            for b in range(3)
        ]
        out.append([1 / (1 + math.exp(-logit)) for logit in logits])
    return out


@pytest.mark.parametrize("split", ["validation", "test"])
def test_probabilities_follow_from_the_log_alone(split: str) -> None:
    config = SyntheticConfig.tiny()
    part = evaluation_part(config, "test" if split == "test" else "validation")
    assert part.probability is not None
    again = [p for row in range(len(part.table)) for p in brute_force(world_of(config), part, row)]
    np.testing.assert_allclose(again, part.probability, rtol=1e-9)


@pytest.mark.slow
def test_probabilities_follow_from_the_log_alone_over_long_lives() -> None:
    config = SyntheticConfig()
    part = evaluation_part(config, "test")
    assert part.probability is not None
    begin = np.concatenate([[0], np.cumsum(part.table.stop - part.table.start)])
    for row in range(0, len(part.table), 40):  # the table runs from short histories to long ones
        again = brute_force(world_of(config), part, row)
        stored = part.probability[begin[row] : begin[row + 1]]
        np.testing.assert_allclose(again, stored, rtol=1e-8)


def test_the_past_does_not_depend_on_how_long_lives_go_on() -> None:
    world = build_world(seed=3, genres=4, artists=20, tracks=100, dims=8)
    short = simulate(world, users=5, requests=6, seed=[1])
    long = simulate(world, users=5, requests=12, seed=[1])
    for user in range(5):
        ours, theirs = _life(short, user, 6), _life(long, user, 12)
        for name, column in ours.items():
            np.testing.assert_array_equal(column, theirs[name][: len(column)], err_msg=name)


def test_another_seed_gives_other_lives_in_the_same_world() -> None:
    config = SyntheticConfig.tiny()
    chunks = [lives_of(config, "train", chunk, 16) for chunk in (0, 0, 1)]
    assert np.array_equal(chunks[0].items, chunks[1].items)
    assert np.array_equal(chunks[0].probability, chunks[1].probability)
    assert not np.array_equal(chunks[0].time, chunks[2].time)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_lives_are_the_same_in_another_process(threads: str) -> None:
    code = (
        "import hashlib\n"
        "from scaling.datasets.world import build_world\n"
        "from scaling.datasets.world_lives import simulate\n"
        "world = build_world(seed=0, genres=20, artists=300, tracks=4000, dims=32)\n"
        "lives = simulate(world, users=128, requests=10, seed=[0, 1])\n"
        "data = b''.join(column.tobytes() for column in vars(lives).values())\n"
        "digest = hashlib.sha256(data).hexdigest()\n"
    )
    here: dict[str, str] = {}
    exec(code, here)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, threads)}
    there = subprocess.run(
        [sys.executable, "-c", code + "print(digest)"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert there.stdout.strip() == here["digest"]


@pytest.fixture(scope="module")
def lives() -> Lives:
    """The default world, fewer users."""
    return lives_of(SyntheticConfig(), "train", 0, 64)


def test_rates_are_60_5_and_half_a_percent(lives: Lives) -> None:
    finish, like, share = LABELS[lives.actions].mean(0)
    assert finish == pytest.approx(0.60, abs=0.02)
    assert like == pytest.approx(0.05, abs=0.008)
    assert share == pytest.approx(0.005, abs=0.0015)


def test_probabilities_are_calibrated(lives: Lives) -> None:
    labels = LABELS[lives.actions]
    for b in range(3):
        p = lives.probability[:, b]
        for chosen in np.array_split(np.argsort(p), 10):
            error = labels[chosen, b].mean() - p[chosen].mean()
            spread = math.sqrt((p[chosen] * (1 - p[chosen])).sum()) / len(chosen)
            assert abs(error) < 4.5 * spread


def test_labels_are_independent_given_their_probabilities(lives: Lives) -> None:
    rest = (LABELS[lives.actions] - lives.probability) / np.sqrt(
        lives.probability * (1 - lives.probability)
    )
    between_behaviours = rest.T @ rest / len(rest)
    between_neighbours = (rest[1:] * rest[:-1]).mean(0)
    assert np.abs(between_behaviours - np.diag(np.diag(between_behaviours))).max() < 0.02
    assert np.abs(between_neighbours).max() < 0.02


def test_lives_look_like_listening(lives: Lives) -> None:
    slates = np.diff(lives.slate_offsets)
    assert slates.max() <= MAX_CANDIDATES
    assert slates.min() >= 4
    assert 11 < slates.mean() < 13
    events = slates.reshape(64, -1).sum(1)
    assert 1700 < events.mean() < 2100
    gaps = np.diff(lives.time.reshape(64, -1), axis=1)
    assert gaps.min() >= 30
    assert 0.8 < (gaps < 3600).mean() < 0.9
    assert np.array_equal(np.unique(lives.scenario), np.arange(len(SCENARIOS)))
    for row in range(0, len(slates), 97):
        slate = lives.items[lives.slate_offsets[row] : lives.slate_offsets[row + 1]]
        assert len(np.unique(slate)) == len(slate)


def test_likes_reinforce_themselves_without_running_away(lives: Lives) -> None:
    liked = LABELS[lives.actions][:, 1]
    step = np.repeat(np.tile(np.arange(160), 64), np.diff(lives.slate_offsets))
    early, late = liked[step < 10].mean(), liked[step >= 120].mean()
    assert early < late < 3 * early
    by_user = np.bincount(np.repeat(lives.user, np.diff(lives.slate_offsets)), liked)
    assert by_user.max() < 6 * by_user.mean()
    assert np.square(lives.states).sum(2).max() < 1


def test_items_are_scaled_as_documented() -> None:
    world = world_of(SyntheticConfig())
    popularity = np.diff(world.cumulative, prepend=0.0)
    np.testing.assert_allclose(popularity @ world.vectors, 0, atol=1e-12)
    assert popularity @ np.square(world.vectors).sum(1) == pytest.approx(1)
    assert popularity @ world.quality == pytest.approx(0, abs=1e-12)
    assert popularity @ np.square(world.quality) == pytest.approx(1)
    assert np.array_equal(np.unique(world.artist_of_item), np.arange(300))
    for artist in range(0, 300, 30):
        items = world.artist_of_item == artist
        assert len(np.unique(world.genre_of_item[items])) == 1
        assert popularity[items].sum() == pytest.approx(world.artist_popularity[artist])
    ranked = np.sort(popularity)[::-1]
    slope = np.polyfit(np.log(np.arange(10, 1000)), np.log(ranked[10:1000] + 1e-12), 1)[0]
    assert -1.4 < slope < -0.6  # Zipf


def _life(lives: Lives, user: int, requests: int) -> dict[str, np.ndarray]:
    rows = slice(user * requests, (user + 1) * requests)
    events = slice(lives.slate_offsets[rows.start], lives.slate_offsets[rows.stop])
    return {
        "time": lives.time[rows],
        "scenario": lives.scenario[rows],
        "items": lives.items[events],
        "actions": lives.actions[events],
        "probability": lives.probability[events],
    }
