"""Parts of the synthetic data: chunks of training lives, and the two fixed evaluation parts.

A part is generated from the configuration and its name alone, kept in the cache, and shared by all
trials; a chunk of the default size takes 8 MB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from scaling.batch import ItemAttribute, Schema
from scaling.config import cache_dir
from scaling.datasets.array_cache import cached_arrays
from scaling.datasets.log import EventLog, RequestTable
from scaling.datasets.world import (
    ACTION_LABELS,
    BEHAVIOURS,
    MEAN_RATES,
    SCENARIOS,
    Floats,
    World,
    build_world,
)
from scaling.datasets.world_lives import MAX_CANDIDATES, Lives, simulate

if TYPE_CHECKING:
    from scaling.datasets.synthetic import SyntheticConfig

Kind = Literal["validation", "test", "train", "floors"]
_STREAMS: dict[Kind, int] = {"validation": 1, "test": 2, "train": 3, "floors": 4}


@dataclass(frozen=True, eq=False)
class Part:
    """Some users' whole lives and the requests that are used of them."""

    log: EventLog
    table: RequestTable
    """Evaluation parts: in order of history length, so that batches hold little padding."""
    first_user: int
    """Number of the log's first user among all users of the data set."""
    probability: Floats | None
    """[candidates of `table`, behaviours], in its order: the true probabilities of the labels;
    None for training chunks."""


@lru_cache(maxsize=4)
def world_of(config: SyntheticConfig) -> World:
    """The item table of a configuration."""
    return build_world(
        seed=config.world_seed,
        genres=config.genres,
        artists=config.artists,
        tracks=config.tracks,
        dims=config.dims,
    )


def schema_of(config: SyntheticConfig) -> Schema:
    """What models are told: artist and genre of the items, but neither vectors nor quality."""
    world = world_of(config)
    return Schema(
        num_items=config.tracks,
        behaviours=BEHAVIOURS,
        action_labels=ACTION_LABELS,
        scenarios=SCENARIOS,
        item_attributes={
            "artist": ItemAttribute(config.artists, world.artist_of_item),
            "genre": ItemAttribute(config.genres, world.genre_of_item),
        },
        request_attributes={},
        max_candidates=MAX_CANDIDATES,
        label_rates=MEAN_RATES,
    )


def lives_of(config: SyntheticConfig, kind: Kind, chunk: int, users: int) -> Lives:
    """Freshly simulated lives; each kind and chunk has a random stream of its own."""
    seed = (config.world_seed, _STREAMS[kind], chunk)
    requests = config.requests_per_user
    return simulate(world_of(config), users=users, requests=requests, seed=seed)


def training_chunk(config: SyntheticConfig, chunk: int) -> Part:
    """All requests of the users of one chunk."""
    users = config.chunk_users
    first = config.validation_users + config.test_users + chunk * users
    return _part(config, "train", chunk, users=users, first_user=first, chosen=None)


def evaluation_part(config: SyntheticConfig, split: Literal["validation", "test"]) -> Part:
    """The fixed requests of a split, spread over its own users and over their lives."""
    if split == "validation":
        users, first, chosen = config.validation_users, 0, config.validation_requests
    else:
        users, first, chosen = config.test_users, config.validation_users, config.test_requests
    return _part(config, split, 0, users=users, first_user=first, chosen=chosen)


def part_folder(config: SyntheticConfig) -> Path:
    """Where the parts of a configuration are kept."""
    return cache_dir() / "synthetic" / config.fingerprint()


def _part(
    config: SyntheticConfig,
    kind: Kind,
    chunk: int,
    *,
    users: int,
    first_user: int,
    chosen: int | None,
) -> Part:
    def make() -> dict[str, npt.NDArray[Any]]:
        return _columns(config, lives_of(config, kind, chunk, users), users, chosen)

    name = f"{kind}-{chunk:06d}" if kind == "train" else kind
    columns = cached_arrays(part_folder(config) / name, make)
    return Part(*_cut(config, columns, first_user), first_user, columns.get("probability"))


def floor_lives(config: SyntheticConfig, users: int) -> tuple[Part, Lives]:
    """Further users for estimates, kept nowhere; the part's probabilities are of all requests."""
    lives = lives_of(config, "floors", 0, users)
    log, table = _cut(config, _columns(config, lives, users, None), 0)
    return Part(log, table, 0, lives.probability), lives


def _cut(
    config: SyntheticConfig, columns: Mapping[str, npt.NDArray[Any]], first_user: int
) -> tuple[EventLog, RequestTable]:
    """The log and the requests that the columns of a part describe."""
    rows = columns["rows"]
    start = columns["slate_offsets"][rows]
    offsets = np.asarray(columns["slate_offsets"][:: config.requests_per_user])
    table = RequestTable(
        user=rows // config.requests_per_user,
        start=start,
        stop=columns["slate_offsets"][rows + 1],
        time=columns["times"][start],
        scenario=columns["scenarios"][start].astype(np.int64),
        attributes=np.zeros((len(rows), 0), np.int64),
        ids=first_user * config.requests_per_user + rows,
    )
    log = EventLog(
        schema=schema_of(config),
        user_offsets=offsets,
        items=columns["items"],
        actions=columns["actions"],
        scenarios=columns["scenarios"],
        times=columns["times"],
        user_attributes=np.zeros((len(offsets) - 1, 0), np.int32),
    )
    return log, table


def _columns(
    config: SyntheticConfig, lives: Lives, users: int, chosen: int | None
) -> dict[str, npt.NDArray[Any]]:
    """What is kept of a part: the log's columns, and for evaluation the chosen requests' truth."""
    slates = np.diff(lives.slate_offsets)
    columns: dict[str, npt.NDArray[Any]] = {
        "slate_offsets": lives.slate_offsets,
        "items": lives.items.astype(np.int32),
        "actions": lives.actions.astype(np.uint8),
        "scenarios": np.repeat(lives.scenario, slates).astype(np.uint8),
        "times": np.repeat(lives.time, slates),
        "rows": np.arange(len(slates)),
    }
    if chosen is not None:
        rng = np.random.default_rng([config.world_seed, 5])
        rows = np.sort(rng.choice(len(slates), chosen, replace=False))
        begin = lives.slate_offsets[:: config.requests_per_user][rows // config.requests_per_user]
        rows = rows[np.argsort(lives.slate_offsets[rows] - begin, kind="stable")]
        events = [np.arange(lives.slate_offsets[r], lives.slate_offsets[r + 1]) for r in rows]
        columns |= {"rows": rows, "probability": lives.probability[np.concatenate(events)]}
    return columns
