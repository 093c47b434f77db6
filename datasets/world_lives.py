"""Whole lives of users of the synthetic world, simulated side by side, one request per step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scaling.datasets.world import (
    NEIGHBOUR_LIFE,
    NEIGHBOUR_MOOD,
    NEIGHBOUR_SHARE,
    POPULAR_SHARE,
    SCENARIOS,
    Floats,
    Ints,
    World,
)
from scaling.datasets.world_taste import Tastes, probability

EPOCH_SECONDS = 1_700_000_000
"""Lives begin within a week of this moment."""
MAX_CANDIDATES = 16
_MIN_CANDIDATES = 8
_DRAWS = 20
"""Items drawn for a slate; repeats are dropped, so a slate may fall short of its number."""
_SAME_SESSION = 0.85
"""Probability that the next request follows within minutes."""
_SAME_SCENARIO = 0.8
"""Probability that a request of a session keeps the scenario of the one before."""


@dataclass(frozen=True)
class Lives:
    """Requests in order of user and time, and their candidates in order of the slate.

    R requests, E events: every candidate of a request is one event, at the request's time.
    """

    user: Ints
    """[R]"""
    time: Ints
    """[R]: seconds since the epoch."""
    scenario: Ints
    """[R]"""
    slate_offsets: Ints
    """[R + 1]: the events of each request."""
    items: Ints
    """[E]"""
    actions: Ints
    """[E]: bit mask of the behaviours."""
    probability: Floats
    """[E, behaviours]: the true probabilities that the actions were drawn from."""
    states: Floats
    """[R, 2, K]: mood and life at the request."""


def simulate(world: World, *, users: int, requests: int, seed: Sequence[int]) -> Lives:
    """`requests` requests of each of `users` users; the same seed gives the same lives.

    State and probabilities are float64: sums that are taken in another order on another machine
    would have to differ by 1e-15 just where a draw falls to change a label.
    """
    rng = np.random.default_rng(list(seed))
    tastes = Tastes(world, users)
    clock = rng.integers(0, 7 * 86400, users).astype(np.float64)
    scenario = rng.integers(0, len(SCENARIOS), users)
    times = np.empty((users, requests), np.int64)
    scenarios = np.empty((users, requests), np.int64)
    shape = (users, requests, MAX_CANDIDATES)
    items = np.empty(shape, np.int32)
    masks = np.empty(shape, np.bool_)
    actions = np.empty(shape, np.uint8)
    chances = np.empty((*shape, 3))
    states = np.empty((users, requests, 2, world.vectors.shape[1]))
    for step in range(requests):
        if step:
            passed, scenario = _next_moment(rng, scenario)
            clock += passed
            tastes.age(passed)
        state = tastes.state()
        slate, mask = _slates(world, state, scenario, rng)
        chance = probability(world.quality[slate], tastes.pull(slate, state), scenario)
        action = (rng.random(chance.shape) < chance) @ np.array([1, 2, 4])
        tastes.add(slate, action, mask)
        times[:, step], scenarios[:, step] = clock, scenario
        items[:, step], masks[:, step] = slate, mask
        actions[:, step], chances[:, step], states[:, step] = action, chance, state
    return Lives(
        user=np.repeat(np.arange(users), requests),
        time=times.reshape(-1) + EPOCH_SECONDS,
        scenario=scenarios.reshape(-1),
        slate_offsets=np.concatenate([[0], np.cumsum(masks.sum(2).reshape(-1))]),
        items=items[masks].astype(np.int64),
        actions=actions[masks].astype(np.int64),
        probability=chances[masks],
        states=states.reshape(-1, *states.shape[2:]),
    )


def _next_moment(rng: np.random.Generator, scenario: Ints) -> tuple[Floats, Ints]:
    """Whole seconds to each user's next request, and its scenario.

    Requests of a session are about four minutes apart, sessions half a day to a week.
    """
    users = len(scenario)
    together = rng.random(users) < _SAME_SESSION
    minutes = 30 + rng.exponential(200, users)
    days = 86400 * np.exp(rng.normal(0.6, 0.8, users))
    kept = together & (rng.random(users) < _SAME_SCENARIO)
    drawn = rng.integers(0, len(SCENARIOS), users)
    return np.floor(np.where(together, minutes, days)), np.where(kept, scenario, drawn)


def _slates(
    world: World, state: Floats, scenario: Ints, rng: np.random.Generator
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Candidates [U, MAX_CANDIDATES] and which of them count: distinct items, 8 to 16 of them."""
    users = len(scenario)
    kind, place = rng.random((2, users, _DRAWS))
    popular = POPULAR_SHARE[scenario][:, None]
    neighbour = popular + NEIGHBOUR_SHARE[scenario][:, None]
    artist = _neighbours(world, state, scenario, rng.random((users, _DRAWS)))
    by_artist = world.artist_start[artist] + place * world.artist_popularity[artist]
    known = np.searchsorted(world.cumulative, np.where(kind < popular, place, by_artist), "right")
    anything = (place * world.num_items).astype(np.int64)
    items = np.where(kind < neighbour, np.minimum(known, world.num_items - 1), anything)

    order = np.argsort(items, axis=1, kind="stable")
    ordered = np.take_along_axis(items, order, 1)
    repeated = np.zeros_like(items, dtype=bool)
    np.put_along_axis(repeated, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    front = np.argsort(repeated, axis=1, kind="stable")[:, :MAX_CANDIDATES]
    wanted = rng.integers(_MIN_CANDIDATES, MAX_CANDIDATES + 1, users)
    count = np.minimum(wanted, (~repeated).sum(1))
    return np.take_along_axis(items, front, 1), np.arange(MAX_CANDIDATES) < count[:, None]


def _neighbours(world: World, state: Floats, scenario: Ints, draws: Floats) -> Ints:
    """Artists [U, draws] by popularity times exp(weighted inner products with mood and life)."""
    pulls = np.stack([NEIGHBOUR_MOOD[scenario], NEIGHBOUR_LIFE[scenario]], axis=1)
    interest = np.einsum("us,usk->uk", pulls, state)
    weight = np.exp(interest @ world.artist_vectors.T) * world.artist_popularity
    running = np.cumsum(weight, axis=1)
    running /= running[:, -1:]
    # One search for all users: each user's running sum lies between its number and the next.
    users = np.arange(len(scenario))[:, None]
    found = np.searchsorted((running + users).reshape(-1), (draws + users).reshape(-1), "right")
    artists: Ints = found.reshape(draws.shape) - users * world.num_artists
    return np.minimum(artists, world.num_artists - 1)
