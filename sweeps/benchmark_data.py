"""Random requests of any size, for benchmarks that ask about shapes and not about data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from scaling.batch import Batch, Candidates, Context, Schema, Split, View, ViewBatch
from scaling.datasets.base import Dataset, DatasetConfig, Size

Ints = npt.NDArray[np.int64]

_SPREAD = 2_654_435_761
"""Odd and prime: multiplied modulo the catalogue, it scatters the popular items over the table."""


@dataclass(frozen=True, kw_only=True)
class RandomRequests(DatasetConfig):
    """Full histories of items drawn by Zipf's law with exponent 1, and random labels."""

    num_items: int
    candidates: int = 12
    """Of every request."""
    behaviours: int = 3

    def __post_init__(self) -> None:
        for field in ("num_items", "candidates", "behaviours"):
            if getattr(self, field) < 1:
                raise ValueError(
                    f"RandomRequests.{field} must be at least 1, got {getattr(self, field)}"
                )

    def open(self) -> RandomDataset:
        return RandomDataset(self)

    def fingerprint(self) -> str:
        return self.digest()


class RandomDataset(Dataset):
    """See `RandomRequests`; generating a batch costs the same for any catalogue."""

    def __init__(self, config: RandomRequests) -> None:
        self.config = config
        behaviours = tuple(f"behaviour{index}" for index in range(config.behaviours))
        nothing = (0,) * config.behaviours
        self.schema = Schema(
            num_items=config.num_items,
            behaviours=behaviours,
            action_labels=(nothing, (1, *nothing[1:])),
            scenarios=("all",),
            item_attributes={},
            request_attributes={},
            max_candidates=config.candidates,
        )

    def requests(
        self, split: Split, views: Sequence[View], *, batch_size: int, seed: int | None = None
    ) -> Iterator[Batch]:
        random = np.random.default_rng(seed)
        while True:
            yield self._batch(random, views, batch_size)

    def size(self, split: Split) -> Size | None:
        return None

    def sample(self, split: Split, views: Sequence[View], count: int) -> tuple[Ints, Ints]:
        lengths = np.tile(np.array([view.length for view in views]), (count, 1))
        return lengths, np.full(count, self.config.candidates)

    def describe(self) -> Mapping[str, Any]:
        return {"licence": "generated, none", **self.config.to_dict()}

    def _items(self, random: np.random.Generator, *shape: int) -> torch.Tensor:
        # The logarithm of the rank is uniform: Zipf's law without a table of probabilities.
        number = self.config.num_items
        rank = np.exp(random.random(shape) * np.log(number + 1)).astype(np.int64) - 1
        return torch.from_numpy(np.minimum(rank, number - 1) * _SPREAD % number)

    def _view(self, random: np.random.Generator, requests: int, length: int) -> ViewBatch:
        shape = (requests, length)
        ages = -np.sort(-random.integers(60, 10**7, shape), axis=1)
        return ViewBatch(
            items=self._items(random, *shape),
            actions=torch.from_numpy(random.integers(0, 2, shape)),
            scenarios=torch.zeros(shape, dtype=torch.int64),
            ages=torch.from_numpy(ages.astype(np.float64)),
            mask=torch.ones(shape, dtype=torch.bool),
        )

    def _batch(self, random: np.random.Generator, views: Sequence[View], size: int) -> Batch:
        shape = (size, self.config.candidates)
        history = tuple(self._view(random, size, view.length) for view in views)
        labels = random.random((*shape, self.config.behaviours)) < 0.3
        zeros = torch.zeros(size, dtype=torch.int64)
        return Batch(
            history=history,
            context=Context(
                scenario=zeros, time=zeros, attributes=torch.zeros(size, 0, dtype=torch.int64)
            ),
            candidates=Candidates(
                items=self._items(random, *shape), mask=torch.ones(shape, dtype=torch.bool)
            ),
            labels=torch.from_numpy(labels.astype(np.float32)),
            users=zeros,
            requests=zeros,
            distinct_events=zeros + sum(view.length for view in views),
        )
