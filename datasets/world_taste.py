"""What users of the synthetic world feel, given their logged events, and what they then do.

A user's state is nothing but weighted sums over the events of the log (U users, C candidates):

    M = sum_e MOOD_OF_ACTION[action] exp(-age / MOOD_SECONDS) v_item
    L = sum_{liked e} exp(-age / LIFE_SECONDS) v_item
    H_artist = sum_{e of the artist} exp(-age / MOOD_SECONDS)

    mood = M / sqrt(MOOD_SOFTNESS^2 + |M|^2)        life = L / sqrt(LIFE_SOFTNESS^2 + |L|^2)
    boredom = H_artist / (BOREDOM_SOFTNESS + H_artist)

Ages run from the event to the request. Mood and life are directions shorter than 1 and boredom is
below 1, so probabilities stay off 0 and 1 however long the life.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scaling.datasets.world import (
    BIAS,
    BOREDOM_SOFTNESS,
    BOREDOM_WEIGHT,
    LIFE_SECONDS,
    LIFE_SOFTNESS,
    LIFE_WEIGHT,
    MOOD_OF_ACTION,
    MOOD_SECONDS,
    MOOD_SOFTNESS,
    MOOD_WEIGHT,
    QUALITY_WEIGHT,
    Floats,
    Ints,
    World,
)

LIKED = np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0])
"""[actions]: 1 where the action code contains `like`."""


@dataclass(frozen=True)
class Pull:
    """What the state says about candidates: the three numbers besides quality that p reads."""

    mood: Floats
    """[..., C]: <v_candidate, mood>."""
    life: Floats
    """[..., C]: <v_candidate, life>."""
    boredom: Floats
    """[..., C], in [0, 1)."""


def probability(quality: Floats, pull: Pull, scenario: Ints) -> Floats:
    """True probabilities [..., C, behaviours] of candidates of `quality` [..., C].

    `scenario` [...] is that of the request; the four terms and a bias add up to the logit.
    """
    logit: Floats = BIAS[scenario][..., None, :] + 0.0
    for value, weight in (
        (quality, QUALITY_WEIGHT),
        (pull.mood, MOOD_WEIGHT),
        (pull.life, LIFE_WEIGHT),
        (pull.boredom, -BOREDOM_WEIGHT),
    ):
        logit = logit + value[..., None] * weight[scenario][..., None, :]
    chance: Floats = 1.0 / (1.0 + np.exp(-logit))
    return chance


def soften(sums: Floats) -> Floats:
    """Mood and life [..., 2, K] from the sums M and L [..., 2, K]."""
    softness = np.array([MOOD_SOFTNESS, LIFE_SOFTNESS])
    soft: Floats = sums / np.sqrt(softness**2 + np.square(sums).sum(-1))[..., None]
    return soft


class Tastes:
    """The states of many users, moved on from request to request."""

    def __init__(self, world: World, users: int) -> None:
        self._world = world
        dims = world.vectors.shape[1]
        self._sums = np.zeros((users, 2, dims))
        self._heard = np.zeros((users, world.num_artists))

    def age(self, seconds: Floats) -> None:
        """Let time [U] pass."""
        fade = np.exp(-seconds[:, None] / np.array([MOOD_SECONDS, LIFE_SECONDS]))
        self._sums *= fade[:, :, None]
        self._heard *= fade[:, :1]

    def state(self) -> Floats:
        """Mood and life, [U, 2, K]."""
        return soften(self._sums)

    def pull(self, items: Ints, state: Floats) -> Pull:
        """Pull of each user's candidates [U, C]."""
        both = self._world.vectors[items] @ state.transpose(0, 2, 1)
        heard = np.take_along_axis(self._heard, self._world.artist_of_item[items], axis=1)
        return Pull(both[..., 0], both[..., 1], heard / (BOREDOM_SOFTNESS + heard))

    def add(self, items: Ints, actions: Ints, mask: npt.NDArray[np.bool_]) -> None:
        """Log each user's events [U, C] where `mask` is true."""
        pushes = np.stack([MOOD_OF_ACTION[actions] * mask, LIKED[actions] * mask], axis=1)
        self._sums += pushes @ self._world.vectors[items]
        rows = np.arange(len(items))[:, None] * self._world.num_artists
        place = (rows + self._world.artist_of_item[items])[mask]
        self._heard += np.bincount(place, minlength=self._heard.size).reshape(self._heard.shape)
