"""Data sets made of logged events: one configuration, one reader, for every source."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from scaling.batch import SPLITS, Batch, Split, View
from scaling.config import cache_dir, digest_of
from scaling.datasets.base import Dataset, DatasetConfig, Size
from scaling.datasets.facts import describe_requests, rates_of
from scaling.datasets.log import EventLog
from scaling.datasets.negatives import (
    NEGATIVES_RULES,
    Negatives,
    NegativesRule,
    facts_of,
    no_contrast,
    times_shown,
)
from scaling.datasets.orders import BATCH_RULES, BatchRule, TrainingOrder
from scaling.datasets.portrait import portrait_of
from scaling.datasets.request_index import RequestIndex
from scaling.datasets.request_tables import FORMAT, open_tables
from scaling.datasets.requests import BatchMaker
from scaling.datasets.splits import SPLIT_RULES, SplitRule
from scaling.datasets.store import keep_log, load_log
from scaling.portrait import Portrait

Ints = npt.NDArray[np.int64]

FETCH_ONLY = "; fetch only, no redistribution"

_LATER: Final = {
    "gap_seconds": 0,
    "user_fraction": 1.0,
    "time_fraction": 1.0,
    "batches": "mixed",
    "negatives": 0,
    "negatives_by": "uniform",
    "negatives_seed": 0,
}
"""Options that earlier releases didn't have, and the value at which they change nothing."""


_TOLD: dict[LoggedConfig, str] = {}
"""Contents that a driver has told this process, which may not be able to read the source files."""


@dataclass(frozen=True, kw_only=True)
class LoggedConfig(DatasetConfig):
    """How a log is split and cut into requests; a source adds where its events come from."""

    licence: ClassVar[str] = ""
    """On what terms the source may be used."""
    redistribution: ClassVar[bool] = False
    """Whether the terms let those who have the data give them to others, prepared or not."""
    downloadable: ClassVar[bool] = False
    """Whether `fetch` gets the source files over the network."""

    split: SplitRule = "temporal"
    cut_times: tuple[int, int] | None = None
    """Seconds at which validation and test begin (temporal split); by default after 80 and 90 %
    of the events."""
    gap_seconds: int = 0
    """Training ends so long before validation begins, and validation before test (temporal split);
    what lies between is history only."""
    max_candidates: int = 16
    max_gap_seconds: int | None = None
    """A longer pause between two events begins a new request."""
    same_scenario: bool = False
    """Whether a change of scenario begins a new request."""
    max_evaluation_requests: int | None = None
    """At most so many requests of validation, and of test, are evaluated; drawn once, the same for
    every trial."""
    user_fraction: float = 1.0
    """Share of the users whose requests train; a smaller share's are among a larger one's.
    Validation and test are the same for every share."""
    time_fraction: float = 1.0
    """The most recent share of the training period, from the first known time on, whose requests
    train (temporal split). Earlier events are history, validation and test stay the same."""
    batches: BatchRule = "mixed"
    """`by_length`: requests with histories of like lengths share a training batch, which saves
    padding and costs a little loss (see `TrainingOrder`)."""

    negatives: int = 0
    """Sampled items beside each candidate, with no label set: for logs of positives only."""
    negatives_by: NegativesRule = "uniform"
    """Among the items that training shows: evenly, or as often as it shows them."""
    negatives_seed: int = 0

    def __post_init__(self) -> None:
        rules: dict[str, Sequence[str]] = {
            "split": SPLIT_RULES,
            "batches": BATCH_RULES,
            "negatives_by": NEGATIVES_RULES,
        }
        for field, valid in rules.items():
            if getattr(self, field) not in valid:
                raise ValueError(
                    f"{self.name}.{field} must be one of {', '.join(valid)}, got "
                    f"{getattr(self, field)!r}"
                )
        for field, plain in (("cut_times", None), ("gap_seconds", 0), ("time_fraction", 1.0)):
            if getattr(self, field) != plain and self.split != "temporal":
                raise ValueError(f"{self.name}.{field} needs split 'temporal', got {self.split!r}")
        for field in ("gap_seconds", "negatives", "negatives_seed"):
            if getattr(self, field) < 0:
                raise ValueError(
                    f"{self.name}.{field} must be at least 0, got {getattr(self, field)}"
                )
        for field in ("user_fraction", "time_fraction"):
            if not 0 < getattr(self, field) <= 1:
                raise ValueError(
                    f"{self.name}.{field} must be above 0 and at most 1, got {getattr(self, field)}"
                )
        for field in ("max_candidates", "max_evaluation_requests"):
            value = getattr(self, field)
            if value is not None and value < 1:
                raise ValueError(f"{self.name}.{field} must be at least 1, got {value}")

    @classmethod
    def terms(cls) -> str:
        """The licence and whether it forbids redistribution; shown wherever the data are handled."""
        return cls.licence + ("" if cls.redistribution else FETCH_ONLY)

    @abstractmethod
    def content(self) -> str:
        """Digest of the events and of the options they are read with; needs no opening."""

    @abstractmethod
    def read(self) -> tuple[EventLog, dict[str, Any]]:
        """The log, read from its source files, and facts about it (counts, `source`)."""

    @abstractmethod
    def fetch(self) -> list[Path]:
        """Gets the source files; those and what was prepared of them. `ValueError`: how to get
        them otherwise."""

    def known_content(self) -> str:
        """`content`, of data that another machine has told about also where their files are absent."""
        return _TOLD.get(self) or self.content()

    def told(self, content: str) -> None:
        """Believe a driver that these data have that content."""
        _TOLD[self] = content

    def prepared_path(self) -> Path:
        """Where the prepared log stands or will stand."""
        return cache_dir() / self.name / f"log-{self.known_content()}"

    def prepare(self) -> Path:
        """The folder of the prepared log; written on the first call for the same content."""
        path = self.prepared_path()
        keep_log(path, self.read)
        return path

    def identity(self) -> dict[str, Any]:
        """As the base class says, but that options of later releases count where they are used: a
        data set from before them keeps its digest."""
        return {
            name: value
            for name, value in super().identity().items()
            if name not in _LATER or value != _LATER[name]
        }

    def fingerprint(self) -> str:
        return digest_of({**self.identity(), "content": self.known_content()})

    def open(self) -> LoggedDataset:
        return _open(self, self.prepare())


class LoggedDataset(Dataset):
    """Requests of a log; nothing in it changes, so that trials of one process may share it."""

    def __init__(
        self,
        log: EventLog,
        config: LoggedConfig,
        facts: Mapping[str, Any],
        place: Path | None = None,
    ) -> None:
        """Cuts the log as `config` says.

        Args:
            place: where the log is kept; what is computed of it is kept beside it for other
                processes. None: a log in memory.

        Raises:
            ValueError: a split holds no request.
        """
        folder = None
        if place is not None:
            folder = place.with_name(f"requests-{config.fingerprint()}-{FORMAT}")
        self._cut = open_tables(log, config, folder)
        self.log = log
        self._complaint = no_contrast(log.schema, self._cut.training_actions, config.negatives)
        self.maker = BatchMaker(log, place, self._negatives(config))
        self._batches = config.batches
        self._each = 1 + config.negatives
        """Examples for each candidate of the log."""
        rates = rates_of(log.schema, self._cut.training_actions) / self._each
        self.schema = dataclasses.replace(
            log.schema,
            max_candidates=config.max_candidates * self._each,
            label_rates=tuple(rates.tolist()),
        )
        self._facts = {
            "name": config.name,
            "licence": config.terms(),
            **facts,
            "fingerprint": config.fingerprint(),
            "split": config.split,
            "cut_times": self._cut.cut_times,
            "gap_seconds": config.gap_seconds,
            "max_candidates": config.max_candidates,
            "max_gap_seconds": config.max_gap_seconds,
            "same_scenario": config.same_scenario,
            "max_evaluation_requests": config.max_evaluation_requests,
            "user_fraction": config.user_fraction,
            "time_fraction": config.time_fraction,
            "batches": config.batches,
            **facts_of(config.negatives_by, config.negatives, config.negatives_seed),
        }

    def _negatives(self, config: LoggedConfig) -> Negatives | None:
        if not config.negatives:
            return None
        shown = times_shown(self.log, self._cut.splits["train"])
        found = Negatives(config.negatives, config.negatives_by, config.negatives_seed, shown)
        found.check(config.name, config.max_candidates)
        return found

    def requests(
        self, split: Split, views: Sequence[View], *, batch_size: int, seed: int | None = None
    ) -> Iterator[Batch]:
        """Batches as the base class says; training batches all hold `batch_size` requests (see
        `TrainingOrder`).

        Raises:
            ValueError: at the call, for an unknown split or view, a batch size below 1, or training
                without a seed or on candidates that all have the same labels.
        """
        table = self._table(split)
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if split == "train":
            if seed is None:
                raise ValueError("requests('train', ...) needs a seed: it decides the order")
            return self.requests_from(0, views, batch_size=batch_size, seed=seed)
        self.maker.check(views)
        rows = np.arange(len(table))
        batches = (rows[begin : begin + batch_size] for begin in range(0, len(rows), batch_size))
        return (self.maker.make_batch(table, batch, views) for batch in batches)

    def requests_from(
        self, start: int, views: Sequence[View], *, batch_size: int, seed: int
    ) -> Iterator[Batch]:
        table = self._table("train")
        self.maker.check(views)
        if self._complaint:
            raise ValueError(f"{self._facts['name']}: {self._complaint}")

        def lengths(rows: Ints) -> Ints:
            return self.maker.lengths(table.select(rows), views)

        known = lengths if self._batches == "by_length" else None
        batches = TrainingOrder(len(table), batch_size, seed, known).batches(start)
        return (self.maker.make_batch(table, batch, views) for batch in batches)

    def size(self, split: Split) -> Size:
        table = self._table(split)
        return Size(requests=len(table), examples=table.examples * self._each)

    def sample(self, split: Split, views: Sequence[View], count: int) -> tuple[Ints, Ints]:
        table = self._table(split)
        self.maker.check(views)
        rows = np.linspace(0, len(table) - 1, min(count, len(table))).astype(np.int64)
        chosen = table.select(rows)
        return self.maker.lengths(chosen, views), (chosen.stop - chosen.start) * self._each

    def describe(self) -> Mapping[str, Any]:
        return self._description

    @cached_property
    def _description(self) -> Mapping[str, Any]:
        requests = {split: self._cut.num_requests(split) for split in SPLITS}
        return {**self._facts, **describe_requests(self.log, self._cut.splits, requests)}

    def portrait(self) -> Portrait:
        histories = {split: index.histories() for split, index in self._cut.splits.items()}
        return portrait_of(self._facts["name"], self.log, histories, cut_times=self._cut.cut_times)

    def _table(self, split: Split) -> RequestIndex:
        if split not in self._cut.splits:
            raise ValueError(f"unknown split {split!r}; valid: {', '.join(SPLITS)}")
        return self._cut.splits[split]

    @property
    def tables(self) -> Mapping[Split, RequestIndex]:
        """The requests of every split that are used."""
        return self._cut.splits


@lru_cache(maxsize=4)
def _open(config: LoggedConfig, path: Path) -> LoggedDataset:
    """One per process and content: the prepared folder's name holds the content's digest."""
    log, facts = load_log(path)
    return LoggedDataset(log, config, facts, path)
