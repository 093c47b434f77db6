"""The requests of a log's three splits, cut once and kept beside the prepared log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from scaling.batch import SPLITS, Split
from scaling.datasets.array_cache import Arrays, Blocks, kept_or_made
from scaling.datasets.cut_times import default_cut_times, known_period
from scaling.datasets.cutting import Cutting, candidate_events
from scaling.datasets.fractions import first_kept_time, user_is_kept
from scaling.datasets.log import EventLog
from scaling.datasets.log_blocks import Ints, LogBlock, blocks
from scaling.datasets.request_index import RequestIndex
from scaling.datasets.splits import TRAIN, Splitting

if TYPE_CHECKING:
    from scaling.datasets.logged import LoggedConfig

FORMAT: Final = 1
"""Raised when the same configuration begins to give other arrays."""

EVALUATED: Final[tuple[Split, ...]] = ("validation", "test")


@dataclass(frozen=True, eq=False)
class RequestTables:
    """What `LoggedDataset` knows of a log once it is cut."""

    cut_times: tuple[int, int] | None
    splits: Mapping[Split, RequestIndex]
    training_actions: Ints
    """[num_actions]: training candidates by action code."""

    def num_requests(self, split: Split) -> int:
        """Before `max_evaluation_requests`."""
        return len(self.splits[split].starts)


def open_tables(log: EventLog, config: LoggedConfig, folder: Path | None) -> RequestTables:
    """The requests of a log, cut as `config` says.

    Args:
        folder: where the arrays are kept for other processes and for the next time; None: nowhere.

    Raises:
        ValueError: a split holds no request.
    """

    arrays = kept_or_made(folder, lambda: _Cut(log, config).blocks())
    cut_times = arrays["cut_times"].tolist()
    return RequestTables(
        cut_times=(cut_times[0], cut_times[1]) if cut_times else None,
        splits={split: _index(log, arrays, split) for split in SPLITS},
        training_actions=np.asarray(arrays["training_actions"]),
    )


def _index(log: EventLog, arrays: Arrays, split: Split) -> RequestIndex:
    order = arrays.get(f"{split}.order")
    return RequestIndex(
        log,
        users=np.asarray(arrays[f"{split}.users"]),
        starts=np.asarray(arrays[f"{split}.starts"]),
        sizes=np.asarray(arrays[f"{split}.sizes"]),
        order=None if order is None else np.asarray(order),
    )


class _Cut:
    """One pass over a log."""

    def __init__(self, log: EventLog, config: LoggedConfig) -> None:
        cut_times = config.cut_times
        if config.split == "temporal" and cut_times is None:
            cut_times = default_cut_times(log)
        if cut_times is not None and cut_times[0] > cut_times[1]:
            raise ValueError(f"cut_times must ascend (validation, test), got {cut_times}")
        self._log, self._config, self._cut_times = log, config, cut_times
        self._splitting = Splitting(
            rule=config.split, cut_times=cut_times, gap_seconds=config.gap_seconds
        )
        self._cutting = Cutting(
            max_candidates=config.max_candidates,
            max_gap_seconds=config.max_gap_seconds,
            same_scenario=config.same_scenario,
        )
        self._first_time: int | None = None
        if cut_times is not None and config.time_fraction < 1:
            end = cut_times[0] - config.gap_seconds
            self._first_time = first_kept_time(known_period(log)[1], end, config.time_fraction)
        self._actions = np.zeros(log.schema.num_actions, np.int64)
        self._requests = np.zeros(len(SPLITS), np.int64)
        self._history: dict[Split, list[npt.NDArray[np.int32]]] = {s: [] for s in EVALUATED}

    def blocks(self) -> Blocks:
        """The requests in the log's order; what is known after all of them comes last."""
        for block in blocks(self._log):
            yield self._piece(block)
        for split, count in zip(SPLITS, self._requests, strict=True):
            if not count:
                raise ValueError(
                    f"the {split} part holds no request (split {self._config.split!r}, cut times "
                    f"{self._cut_times}); use more data, another split or other cut times"
                )
        yield {
            "cut_times": np.array(self._cut_times or (), np.int64),
            "training_actions": self._actions,
        } | {
            f"{split}.order": _evaluated(
                np.concatenate(self._history[split]), self._config.max_evaluation_requests
            )
            for split in EVALUATED
        }

    def _piece(self, block: LogBlock) -> dict[str, npt.NDArray[Any]]:
        start, stop, part = self._splitting.requests(block, self._cutting)
        user = np.searchsorted(block.user_offsets, start, side="right") - 1
        kept = part != TRAIN
        kept |= self._is_kept(block, user, start)
        piece: dict[str, npt.NDArray[Any]] = {}
        for number, split in enumerate(SPLITS):
            chosen = kept & (part == number)
            here, after, owner = start[chosen], stop[chosen], user[chosen]
            self._requests[number] += len(here)
            if split in self._history:
                before = here - block.user_offsets[owner]
                self._history[split].append(before.astype(np.int32))
            else:
                shown = block.actions[candidate_events(here, after)]
                self._actions += np.bincount(shown, minlength=len(self._actions))
            piece |= {
                f"{split}.users": (owner + block.first_user).astype(np.int32),
                f"{split}.starts": here + block.first_event,
                f"{split}.sizes": (after - here).astype(
                    np.min_scalar_type(self._cutting.max_candidates)
                ),
            }
        return piece

    def _is_kept(self, block: LogBlock, user: Ints, start: Ints) -> npt.NDArray[np.bool_]:
        """Whether the fractions of the data keep a request for training."""
        kept = user_is_kept(user + block.first_user, self._config.user_fraction)
        if self._first_time is not None:
            kept &= block.times[start] >= self._first_time
        return kept


def _evaluated(history: npt.NDArray[np.int32], most: int | None) -> Ints:
    """The requests that are evaluated, those with the shortest histories first: batches of like
    lengths need little padding.

    Args:
        history: events before each request.
        most: so many of them are drawn; None: all.
    """
    rows = np.arange(len(history))
    if most is not None and most < len(rows):
        rows = np.sort(np.random.default_rng(0).permutation(len(rows))[:most])
    return rows[np.argsort(history[rows], kind="stable")]
