"""Data sets made of logged events: one configuration, one reader, for every source."""

from __future__ import annotations

import dataclasses
import itertools
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from scaling.batch import SPLITS, Batch, Split, View
from scaling.config import digest_of
from scaling.datasets.base import Dataset, DatasetConfig, Size
from scaling.datasets.facts import describe_requests
from scaling.datasets.log import EventLog, RequestTable, cut_requests
from scaling.datasets.requests import BatchMaker
from scaling.datasets.splits import SPLIT_RULES, SplitRule, per_user_parts, temporal_parts
from scaling.datasets.store import cache_dir, is_stored, load_log, save_log

Ints = npt.NDArray[np.int64]

FETCH_ONLY = "; fetch only, no redistribution"


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
    max_candidates: int = 16
    max_gap_seconds: int | None = None
    """A longer pause between two events begins a new request."""
    same_scenario: bool = False
    """Whether a change of scenario begins a new request."""
    max_evaluation_requests: int | None = None
    """At most so many requests of validation, and of test, are evaluated; drawn once, the same for
    every trial."""

    def __post_init__(self) -> None:
        if self.split not in SPLIT_RULES:
            raise ValueError(
                f"{self.name}.split must be one of {', '.join(SPLIT_RULES)}, got {self.split!r}"
            )
        if self.cut_times is not None and self.split != "temporal":
            raise ValueError(f"{self.name}.cut_times needs split 'temporal', got {self.split!r}")
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

    def prepared_path(self) -> Path:
        """Where the prepared log stands or will stand."""
        return cache_dir() / self.name / f"log-{self.content()}"

    def prepare(self) -> Path:
        """The folder of the prepared log; written on the first call for the same content."""
        path = self.prepared_path()
        if not is_stored(path):
            log, facts = self.read()
            save_log(log, path, facts)
        return path

    def fingerprint(self) -> str:
        return digest_of({**self.identity(), "content": self.content()})

    def open(self) -> LoggedDataset:
        return _open(self, self.prepare())


class LoggedDataset(Dataset):
    """Requests of a log; nothing in it changes, so that trials of one process may share it."""

    def __init__(self, log: EventLog, config: LoggedConfig, facts: Mapping[str, Any]) -> None:
        """Cuts the log as `config` says.

        Raises:
            ValueError: a split holds no request.
        """
        cut_times: tuple[int, int] | None = None
        if config.split == "temporal":
            parts, cut_times = temporal_parts(log, config.cut_times)
        else:
            parts = per_user_parts(log)
        table = cut_requests(
            log,
            max_candidates=config.max_candidates,
            max_gap_seconds=config.max_gap_seconds,
            same_scenario=config.same_scenario,
            parts=parts,
        )
        self.tables: dict[Split, RequestTable] = {}
        self.num_requests: dict[Split, int] = {}
        """Before `max_evaluation_requests`."""
        for number, split in enumerate(SPLITS):
            chosen = table.select(parts[table.start] == number)
            if not len(chosen):
                raise ValueError(
                    f"the {split} part holds no request (split {config.split!r}, cut times "
                    f"{cut_times}); use more data, another split or other cut times"
                )
            self.num_requests[split] = len(chosen)
            if split != "train":
                chosen = _evaluated(log, chosen, config.max_evaluation_requests)
            self.tables[split] = chosen
        self.log = log
        self.maker = BatchMaker(log)
        self.schema = dataclasses.replace(
            log.schema,
            max_candidates=config.max_candidates,
            label_rates=tuple(self.maker.label_rates(self.tables["train"]).tolist()),
        )
        self._facts = {
            "name": config.name,
            "licence": config.terms(),
            **facts,
            "fingerprint": config.fingerprint(),
            "split": config.split,
            "cut_times": cut_times,
            "max_candidates": config.max_candidates,
            "max_gap_seconds": config.max_gap_seconds,
            "same_scenario": config.same_scenario,
            "max_evaluation_requests": config.max_evaluation_requests,
        }

    def requests(
        self, split: Split, views: Sequence[View], *, batch_size: int, seed: int | None = None
    ) -> Iterator[Batch]:
        """Batches as the base class says; training batches all hold `batch_size` requests.

        Raises:
            ValueError: at the call, for an unknown split or view, a batch size below 1, or training
                without a seed.
        """
        table = self._table(split)
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if split == "train" and seed is None:
            raise ValueError("requests('train', ...) needs a seed: it decides the order")
        self.maker.check(views)
        orders = _shuffled(len(table), seed) if split == "train" else iter([np.arange(len(table))])
        return (self.maker.make_batch(table, rows, views) for rows in _batches(orders, batch_size))

    def requests_from(
        self, start: int, views: Sequence[View], *, batch_size: int, seed: int
    ) -> Iterator[Batch]:
        table = self._table("train")
        self.maker.check(views)
        # The orders of the epochs, one behind the other, are cut into batches without a gap.
        epoch, row = divmod(start * batch_size, len(table))
        orders = _shuffled(len(table), seed, epoch)
        orders = itertools.chain([next(orders)[row:]], orders)
        return (self.maker.make_batch(table, rows, views) for rows in _batches(orders, batch_size))

    def size(self, split: Split) -> Size:
        table = self._table(split)
        return Size(requests=len(table), examples=int((table.stop - table.start).sum()))

    def sample(self, split: Split, views: Sequence[View], count: int) -> tuple[Ints, Ints]:
        table = self._table(split)
        self.maker.check(views)
        rows = np.linspace(0, len(table) - 1, min(count, len(table))).astype(np.int64)
        chosen = table.select(rows)
        return self.maker.lengths(chosen, views), chosen.stop - chosen.start

    def describe(self) -> Mapping[str, Any]:
        return self._description

    @cached_property
    def _description(self) -> Mapping[str, Any]:
        return {**self._facts, **describe_requests(self.log, self.tables, self.num_requests)}

    def _table(self, split: Split) -> RequestTable:
        if split not in self.tables:
            raise ValueError(f"unknown split {split!r}; valid: {', '.join(SPLITS)}")
        return self.tables[split]


@lru_cache(maxsize=4)
def _open(config: LoggedConfig, path: Path) -> LoggedDataset:
    """One per process and content: the prepared folder's name holds the content's digest."""
    log, facts = load_log(path)
    return LoggedDataset(log, config, facts)


def _evaluated(log: EventLog, table: RequestTable, most: int | None) -> RequestTable:
    """The requests that are evaluated, those with the shortest histories first: batches of like
    lengths need little padding."""
    if most is not None and most < len(table):
        table = table.select(np.random.default_rng(0).permutation(len(table))[:most])
    history = table.start - log.user_offsets[table.user]
    return table.select(np.lexsort((table.ids, history)))


def _shuffled(count: int, seed: int | None, epoch: int = 0) -> Iterator[Ints]:
    while True:
        yield np.random.default_rng([seed or 0, epoch]).permutation(count)
        epoch += 1


def _batches(orders: Iterator[Ints], batch_size: int) -> Iterator[Ints]:
    """Rows in batches; one that an epoch leaves short is filled from the next epoch."""
    rest = np.zeros(0, np.int64)
    for order in orders:
        rows = np.concatenate([rest, order])
        whole = len(rows) // batch_size * batch_size
        for start in range(0, whole, batch_size):
            yield rows[start : start + batch_size]
        rest = rows[whole:]
    if len(rest):
        yield rest
