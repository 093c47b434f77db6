"""What readable events tell about a user's mood and life: weighted sums of item vectors.

Shapes: r requests, n readable events, F features, K latent dimensions, C candidates of all r.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scaling.batch import View
from scaling.datasets.log import RequestTable
from scaling.datasets.synthetic_parts import Part
from scaling.datasets.views import ViewIndex
from scaling.datasets.world import (
    BIAS,
    BOREDOM_SOFTNESS,
    LIFE_SECONDS,
    LIFE_SOFTNESS,
    MOOD_OF_ACTION,
    MOOD_SECONDS,
    MOOD_SOFTNESS,
    QUALITY_WEIGHT,
    SCENARIOS,
    Floats,
    Ints,
    World,
)
from scaling.datasets.world_taste import LIKED

_BLOCK = 64
"""Requests at a time: 64 with 2,000 events each hold 32 MB of vectors."""


@dataclass(frozen=True)
class Readable:
    """Summary of what may be read of some requests' histories."""

    features: npt.NDArray[np.float32]
    """[r, F, K]; the first two are mood and life by their formulas, over the readable events."""
    boredom: Floats
    """[C]: by its formula, over the readable events."""
    complete: npt.NDArray[np.bool_]
    """[r]: whether the whole history is readable."""
    covered: Floats
    """[r]: seconds from the oldest readable event to the request; 0 without any."""


def read(world: World, part: Part, rows: Ints, views: Sequence[View]) -> Readable:
    """Summarises the union of `views` for the requests `rows` of the part's table."""
    index = ViewIndex(part.log)
    blocks = [
        _read_block(world, part, index, rows[begin : begin + _BLOCK], views)
        for begin in range(0, len(rows), _BLOCK)
    ]
    return Readable(*(np.concatenate(columns) for columns in zip(*blocks)))


def candidates(part: Part, rows: Ints) -> tuple[Ints, Ints]:
    """Events that are the candidates of `rows`, [C], and the position in `rows` of each one's."""
    start = part.table.start[rows]
    slate = part.table.stop[rows] - start
    before = np.concatenate([[0], np.cumsum(slate)])[:-1]
    owner = np.repeat(np.arange(len(rows)), slate)
    return np.arange(slate.sum()) + (start - before)[owner], owner


def _read_block(
    world: World, part: Part, index: ViewIndex, rows: Ints, views: Sequence[View]
) -> tuple[npt.NDArray[np.float32], Floats, npt.NDArray[np.bool_], Floats]:
    log, table = part.log, part.table.select(rows)
    events, mask = _union(index, views, table)
    ages = np.where(mask, table.time[:, None] - log.times[events], 0)
    items = log.items[events]
    weights = _weights(world, items, log.actions[events], log.scenarios[events], ages)
    sums = (weights * mask[:, None]).astype(np.float32) @ world.vectors.astype(np.float32)[items]

    # Directions say what sums of a few events do; both are offered, and the regression chooses.
    norm = np.square(sums).sum(2, keepdims=True)
    softness = np.array([MOOD_SOFTNESS, LIFE_SOFTNESS] + [2.0] * (sums.shape[1] - 2))
    soft = sums / np.sqrt(softness.astype(np.float32)[:, None] ** 2 + norm)
    scaled = sums / np.sqrt(1.0 + mask.sum(1, dtype=np.float32))[:, None, None]

    heard = np.zeros((len(rows), world.num_artists))
    recent = np.exp(-ages / MOOD_SECONDS) * mask
    np.add.at(heard, (np.arange(len(rows))[:, None], world.artist_of_item[items]), recent)
    candidate, owner = candidates(part, rows)
    familiar = heard[owner, world.artist_of_item[log.items[candidate]]]
    return (
        np.concatenate([soft, scaled], axis=1),
        familiar / (BOREDOM_SOFTNESS + familiar),
        mask.sum(1) == table.start - log.user_offsets[table.user],
        ages.max(1, initial=0).astype(np.float64),
    )


def _union(
    index: ViewIndex, views: Sequence[View], table: RequestTable
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Events of at least one view, [r, n], each once, and their mask."""
    found = index.read(views, table)
    together = np.concatenate([np.where(mask, events, -1) for events, mask in found], axis=1)
    together.sort(axis=1)
    mask = together >= 0
    mask[:, 1:] &= together[:, 1:] != together[:, :-1]
    return np.where(mask, together, 0), mask


def _weights(
    world: World,
    items: npt.NDArray[np.int32],
    actions: npt.NDArray[np.uint8],
    scenarios: npt.NDArray[np.uint8],
    ages: Ints,
) -> Floats:
    """Weights of the events in each sum, [r, F, n]; the first two are those of mood and life.

    The others gather evidence on what cannot be read: which items were shown, and how much more
    (or less) they were finished and liked than their quality explains, apart by scenario.
    """
    mood, life = np.exp(-ages / MOOD_SECONDS), np.exp(-ages / LIFE_SECONDS)
    expected = 1 / (
        1 + np.exp(-BIAS[scenarios] - QUALITY_WEIGHT[scenarios] * world.quality[items][..., None])
    )
    finished = (actions & 1) - expected[..., 0]
    liked = (actions >> 1 & 1) - expected[..., 1]
    weights = [MOOD_OF_ACTION[actions] * mood, LIKED[actions] * life]
    weights += [liked * life, liked * mood]
    for scenario in range(len(SCENARIOS)):
        here = scenarios == scenario
        weights += [here * life, here * mood, here * finished * life, here * finished * mood]
    return np.stack(weights, axis=1)
