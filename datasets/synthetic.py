"""`synthetic`: a music-streaming world without end and with known truth (docs/synthetic.md)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from scaling.batch import Batch, Split, View
from scaling.config import digest_of, register
from scaling.datasets.base import DATASETS, Dataset, DatasetConfig, Size
from scaling.datasets.floors import floor_of_views, floors
from scaling.datasets.portrait import portrait_of
from scaling.datasets.requests import BatchMaker
from scaling.datasets.synthetic_parts import (
    Part,
    evaluation_part,
    lives_of,
    schema_of,
    training_chunk,
    world_of,
)
from scaling.datasets.view_strategies import check_views
from scaling.portrait import Portrait

Ints = npt.NDArray[np.int64]


@register(DATASETS, "synthetic")
@dataclass(frozen=True, kw_only=True)
class SyntheticConfig(DatasetConfig):
    """The generated world: its items, its users' lives, and the requests that are evaluated."""

    world_seed: int = 0
    """Decides items, users and every draw; trials with other seeds read the same world."""
    genres: int = 20
    artists: int = 300
    tracks: int = 4000
    dims: int = 32
    """Dimensions of the items' latent vectors."""
    requests_per_user: int = 160
    """Length of a life: 160 requests are about 1,900 events in two months."""
    chunk_users: int = 256
    """Users of a training chunk; a trial shuffles the requests within chunks."""
    validation_users: int = 128
    test_users: int = 256
    validation_requests: int = 2000
    test_requests: int = 4000

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if field.name != "world_seed" and getattr(self, field.name) < 1:
                raise ValueError(
                    f"SyntheticConfig.{field.name} must be at least 1, got "
                    f"{getattr(self, field.name)}"
                )
        if not self.genres <= self.artists <= self.tracks or self.tracks < 32:
            raise ValueError(
                "SyntheticConfig needs genres <= artists <= tracks and 32 tracks, got "
                f"{self.genres}, {self.artists}, {self.tracks}"
            )
        for split in ("validation", "test"):
            most = getattr(self, f"{split}_users") * self.requests_per_user
            if getattr(self, f"{split}_requests") > most:
                raise ValueError(
                    f"SyntheticConfig.{split}_requests must be at most {split}_users * "
                    f"requests_per_user = {most}, got {getattr(self, f'{split}_requests')}"
                )

    @classmethod
    def tiny(cls) -> SyntheticConfig:
        """A world for tests: generated in milliseconds, lives of about 240 events."""
        return cls(
            genres=4,
            artists=20,
            tracks=100,
            dims=8,
            requests_per_user=20,
            chunk_users=16,
            validation_users=8,
            test_users=8,
            validation_requests=32,
            test_requests=64,
        )

    def open(self) -> SyntheticDataset:
        return SyntheticDataset(self)

    def fingerprint(self) -> str:
        """Of the configuration and of a few generated lives: another generator, another digest."""
        return _fingerprint(self)


class SyntheticDataset(Dataset):
    """Requests of the generated world; training never sees a record twice."""

    def __init__(self, config: SyntheticConfig) -> None:
        self.config = config
        self.schema = schema_of(config)

    @cached_property
    def validation(self) -> Part:
        return evaluation_part(self.config, "validation")

    @cached_property
    def test(self) -> Part:
        return evaluation_part(self.config, "test")

    def requests(
        self,
        split: Split,
        views: Sequence[View],
        *,
        batch_size: int,
        seed: int | None = None,
    ) -> Iterator[Batch]:
        """Training: chunk after chunk, each in an order drawn from `seed` and the chunk's number.

        The last batch of a chunk may be smaller than `batch_size`.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        check_views(self.schema, views)
        if split != "train":
            return self._pass(self._evaluated(split), None, views, batch_size)
        if seed is None:
            raise ValueError("training requests need a seed for their order, got None")
        return self._training(views, batch_size, seed)

    def requests_from(
        self, start: int, views: Sequence[View], *, batch_size: int, seed: int
    ) -> Iterator[Batch]:
        check_views(self.schema, views)
        size = self.config.chunk_users * self.config.requests_per_user
        chunk, batch = divmod(start, -(-size // batch_size))
        return self._training(views, batch_size, seed, chunk, batch * batch_size)

    def size(self, split: Split) -> Size | None:
        if split == "train":
            return None
        table = self._evaluated(split).table
        return Size(len(table), int((table.stop - table.start).sum()))

    def sample(self, split: Split, views: Sequence[View], count: int) -> tuple[Ints, Ints]:
        part = training_chunk(self.config, 0) if split == "train" else self._evaluated(split)
        count = min(count, len(part.table))
        rows = np.sort(np.random.default_rng(0).choice(len(part.table), count, replace=False))
        table = part.table.select(rows)
        return BatchMaker(part.log).lengths(table, views), table.stop - table.start

    def describe(self) -> Mapping[str, Any]:
        labels = np.array(self.schema.action_labels)[self.test.log.actions]
        events = np.diff(self.test.log.user_offsets)
        facts: dict[str, Any] = {"licence": "generated, none", "training": "endless, one pass"}
        facts |= {key: value for key, value in self.config.to_dict().items() if key != "name"}
        for split in ("validation", "test"):
            size = self.size(split)
            assert size is not None
            facts |= {f"{split}_requests": size.requests, f"{split}_examples": size.examples}
        facts |= {"events_per_user": float(events.mean())}
        rates = labels.mean(0)
        return facts | {f"rate.{b}": float(r) for b, r in zip(self.schema.behaviours, rates)}

    def portrait(self) -> Portrait:
        """Of the test part: training has no end."""
        log, table = self.test.log, self.test.table
        return portrait_of(
            self.config.name,
            log,
            {"test": [table.start - log.user_offsets[table.user]]},
            scope=f"the lives of the {log.num_users:,} test users; training is generated without end",
        )

    def known_truth(self, views: Sequence[View] | None = None) -> Mapping[str, float]:
        """`floors` of the test part; with `views`, `floor_of_views` too (slow once, then cached)."""
        known = dict(floors(self.test))
        if views is not None:
            known |= floor_of_views(self.config, views)
        return known

    def _evaluated(self, split: Literal["validation", "test"]) -> Part:
        return self.validation if split == "validation" else self.test

    def _training(
        self, views: Sequence[View], batch_size: int, seed: int, chunk: int = 0, row: int = 0
    ) -> Iterator[Batch]:
        """From the request `row` of a chunk on."""
        while True:
            part = training_chunk(self.config, chunk)
            order = np.random.default_rng([seed, chunk]).permutation(len(part.table))
            yield from self._pass(part, order[row:], views, batch_size)
            chunk, row = chunk + 1, 0

    def _pass(
        self, part: Part, order: Ints | None, views: Sequence[View], batch_size: int
    ) -> Iterator[Batch]:
        maker = BatchMaker(part.log)
        order = np.arange(len(part.table)) if order is None else order
        for begin in range(0, len(order), batch_size):
            batch = maker.make_batch(part.table, order[begin : begin + batch_size], views)
            yield dataclasses.replace(batch, users=batch.users + part.first_user)


def generation_rows_per_second(config: SyntheticConfig, chunk: int = 0) -> float:
    """Candidate rows that one thread generates per second of its processor time, cache aside."""
    world_of(config)
    begin = time.process_time()
    lives = lives_of(config, "train", chunk, config.chunk_users)
    return len(lives.items) / (time.process_time() - begin)


@lru_cache(maxsize=64)
def _fingerprint(config: SyntheticConfig) -> str:
    short = dataclasses.replace(config, requests_per_user=8, validation_requests=1, test_requests=1)
    lives = lives_of(short, "train", 0, users=8)
    # Whole numbers only: the last bits of a probability may depend on the machine.
    probe = [column.tolist() for column in (lives.items, lives.actions, lives.time)]
    return digest_of({"config": config.identity(), "probe": probe})
