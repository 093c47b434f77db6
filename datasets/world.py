"""The items and the fixed weights of the synthetic world; formulas in docs/synthetic.md.

Suffixes of array names: G genres, A artists, I items (tracks), K latent dimensions, S scenarios,
B behaviours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SCENARIOS = ("daily_mix", "radio", "playlist", "search")
BEHAVIOURS = ("finish", "like", "share")
ACTION_LABELS = tuple(tuple(code >> bit & 1 for bit in range(3)) for code in range(8))
"""An action code is the sum of 1 (finish), 2 (like) and 4 (share)."""

MOOD_SECONDS = 1800.0
"""Time constant of the mood: half an hour."""
LIFE_SECONDS = 30 * 86400.0
"""Time constant of lifetime likes: a month."""
MOOD_SOFTNESS = 2.0
LIFE_SOFTNESS = 2.0
"""Lengths of the sums behind mood and life at which these reach 71 % of their full length, 1."""
BOREDOM_SOFTNESS = 3.0
"""Recent events of an artist at which half of the boredom is reached."""

MOOD_OF_ACTION = np.array([-1.0, 0.6, 0.5, 1.6, 0.5, 1.6, 1.5, 2.5])
"""How an event moves the mood towards (or away from) its item, by action code."""

MEAN_RATES = (0.6, 0.05, 0.005)
"""Of the behaviours over a life; `BIAS` is tuned to them."""

# [S, B]; rows as SCENARIOS, columns as BEHAVIOURS.
BIAS = np.array(
    [[0.42, -3.66, -6.10], [0.42, -3.66, -6.10], [0.42, -3.66, -6.10], [0.45, -3.40, -6.00]]
)
"""Tuned so that the mean rates of the default world are 60 %, 5 % and 0.5 %."""
QUALITY_WEIGHT = np.array([[0.4, 0.4, 0.4], [0.4, 0.4, 0.4], [0.5, 0.4, 0.4], [0.9, 0.6, 0.6]])
MOOD_WEIGHT = np.array([[1.0, 1.0, 1.0], [4.0, 2.5, 2.0], [1.0, 1.0, 1.0], [0.5, 0.5, 0.5]])
LIFE_WEIGHT = np.array([[5.0, 3.0, 2.5], [1.0, 1.0, 1.0], [4.5, 3.0, 2.5], [0.5, 0.5, 0.5]])
BOREDOM_WEIGHT = np.array([[0.8, 0.8, 0.0], [1.2, 0.8, 0.0], [0.4, 0.4, 0.0], [0.0, 0.0, 0.0]])

# What a slate is drawn from, by scenario: popular items, neighbours of the taste; the rest uniform.
POPULAR_SHARE = np.array([0.35, 0.30, 0.45, 0.70])
NEIGHBOUR_SHARE = np.array([0.45, 0.50, 0.35, 0.15])
NEIGHBOUR_MOOD = np.array([0.5, 2.5, 0.5, 0.5])
NEIGHBOUR_LIFE = np.array([2.0, 0.5, 2.0, 0.5])
"""Log-weights of <artist, mood> and <artist, life> among the neighbours."""


_SPECTRUM = 0.5


@dataclass(frozen=True)
class World:
    """The item table: everything about items that labels and slates depend on."""

    vectors: Floats
    """[I, K] latent vectors; popularity-weighted mean 0, mean squared norm 1."""
    quality: Floats
    """[I]; popularity-weighted mean 0, variance 1."""
    artist_of_item: Ints
    """[I]; items are ordered by artist."""
    genre_of_item: Ints
    """[I]"""
    cumulative: Floats
    """[I]: running sum of the items' popularity, the last is 1."""
    artist_start: Floats
    """[A]: popularity of all artists before this one."""
    artist_popularity: Floats
    """[A]"""
    artist_vectors: Floats
    """[A, K]: popularity-weighted mean vector of the artist's items."""

    @property
    def num_items(self) -> int:
        return len(self.quality)

    @property
    def num_artists(self) -> int:
        return len(self.artist_popularity)


def build_world(*, seed: int, genres: int, artists: int, tracks: int, dims: int) -> World:
    """Items drawn from `seed`: genre > artist > track, Zipf popularity, power-law spectrum.

    A vector is the sum of a genre, an artist and a track part (40, 35 and 25 % of the variance);
    dimension j carries a share proportional to (j + 1)^-1/2 of each. Tastes reinforce the large
    dimensions, so that what they explain falls faster than that: with a share of 1 / (j + 1) two
    dimensions of 32 held 96 % of all predictability.
    """
    rng = np.random.default_rng([seed, 0])
    genre_of_artist = _assign(rng, artists, genres, exponent=0.5)
    artist_of_item = np.sort(_assign(rng, tracks, artists, exponent=0.4))
    genre_of_item = genre_of_artist[artist_of_item]

    fame_A = rng.permutation(_zipf(artists, 0.8))
    first_I = np.searchsorted(artist_of_item, np.arange(artists))
    rank_I = np.arange(tracks) - first_I[artist_of_item]
    within_I = (rank_I + 1.0) ** -0.9
    within_I /= np.bincount(artist_of_item, within_I, artists)[artist_of_item]
    popularity_I = fame_A[artist_of_item] * within_I

    spectrum_K = np.sqrt(_zipf(dims, _SPECTRUM))
    parts = [rng.standard_normal((size, dims)) * spectrum_K for size in (genres, artists, tracks)]
    vectors = (
        0.40**0.5 * parts[0][genre_of_item]
        + 0.35**0.5 * parts[1][artist_of_item]
        + 0.25**0.5 * parts[2]
    )
    vectors -= popularity_I @ vectors
    vectors /= np.sqrt(popularity_I @ np.square(vectors).sum(1))

    merit = [rng.standard_normal(size) for size in (genres, artists, tracks)]
    fame_I = np.log(popularity_I)
    quality = (
        0.5 * merit[0][genre_of_item]
        + 0.5 * merit[1][artist_of_item]
        + 0.5 * merit[2]
        + 0.5 * (fame_I - popularity_I @ fame_I) / fame_I.std()
    )
    quality -= popularity_I @ quality
    quality /= np.sqrt(popularity_I @ np.square(quality))

    weighted = vectors * within_I[:, None]
    artist_vectors = np.add.reduceat(weighted, first_I, axis=0)
    cumulative = np.cumsum(popularity_I)
    cumulative /= cumulative[-1]
    return World(
        vectors=vectors,
        quality=quality,
        artist_of_item=artist_of_item,
        genre_of_item=genre_of_item,
        cumulative=cumulative,
        artist_start=np.concatenate([[0.0], cumulative])[first_I],
        artist_popularity=fame_A,
        artist_vectors=artist_vectors,
    )


def _zipf(size: int, exponent: float) -> Floats:
    """Shares proportional to rank^-exponent; they sum to 1."""
    shares: Floats = np.arange(1, size + 1, dtype=np.float64) ** -exponent
    shares /= shares.sum()
    return shares


def _assign(rng: np.random.Generator, children: int, parents: int, exponent: float) -> Ints:
    """A parent for each child: one child for each parent, the rest by Zipf shares."""
    rest = rng.choice(parents, children - parents, p=rng.permutation(_zipf(parents, exponent)))
    return rng.permutation(np.concatenate([np.arange(parents), rest])).astype(np.int64)
