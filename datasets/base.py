"""What every data set is: a configuration that opens as a source of requests."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scaling.batch import Batch, Schema, Split, View
from scaling.config import Config
from scaling.portrait import Portrait
from scaling.registry import Registry

DATASETS: Registry[type[DatasetConfig]] = Registry("data set", "scaling.datasets")


@dataclass(frozen=True, kw_only=True)
class DatasetConfig(Config, ABC):
    """A data set and how its log is cut into requests; the registered name is the data set's."""

    registry = DATASETS

    @abstractmethod
    def open(self) -> Dataset:
        """The data, ready to read; says how to get them where they are absent (`ValueError`)."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Digest of the content, cheap to get; changes with any option that changes the content."""


@dataclass(frozen=True)
class Size:
    """How much a split holds."""

    requests: int
    examples: int
    """Labelled candidates."""


class Dataset(ABC):
    """An opened data set: requests of three splits, cut the same for every model."""

    schema: Schema

    @abstractmethod
    def requests(
        self,
        split: Split,
        views: Sequence[View],
        *,
        batch_size: int,
        seed: int | None = None,
    ) -> Iterator[Batch]:
        """Batches of at most `batch_size` requests, padded to the longest of the batch.

        Validation and test: one pass in a fixed order, whatever the views. Training needs a `seed`
        and never ends: epoch after epoch in new orders where the data are finite, fresh requests
        where they are generated. No history event is later than its request.
        """

    def requests_from(
        self, start: int, views: Sequence[View], *, batch_size: int, seed: int
    ) -> Iterator[Batch]:
        """Training batches as `requests` gives them, without the first `start`.

        Here those are made and thrown away; a data set that knows where a batch begins skips them.
        One that changes what `requests` of such a data set gives must change this as well.
        """
        batches = self.requests("train", views, batch_size=batch_size, seed=seed)
        return itertools.islice(batches, start, None)

    @abstractmethod
    def size(self, split: Split) -> Size | None:
        """Requests and examples of one pass; None where the split has no end."""

    @abstractmethod
    def sample(
        self, split: Split, views: Sequence[View], count: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Real lengths [r, views] and numbers of candidates [r] of about `count` requests spread
        evenly over the split: what a plan needs to know its FLOPs."""

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """Facts for `climber data describe` and the run's record: counts, rates, options, licence."""

    def portrait(self) -> Portrait | None:
        """What the log looks like, for tables and figures; None where there is no log to count."""
        return None

    def known_truth(self, views: Sequence[View] | None = None) -> Mapping[str, float]:
        """`loss_floor` and `auc_ceiling` on the test part where the labels' true probabilities
        are known; with `views`, `loss_floor_at` those too. Empty for logged data."""
        return {}
