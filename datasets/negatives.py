"""Sampled negatives, for logs that hold positives only: items that a request did not choose.

Shapes: b requests, m candidates of the log, k negatives of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from scaling.batch import Schema
from scaling.datasets.cutting import candidate_events
from scaling.datasets.log import EventLog
from scaling.datasets.log_blocks import Ints
from scaling.datasets.permutation import mixed
from scaling.datasets.request_index import RequestIndex

Bools = npt.NDArray[np.bool_]

NegativesRule = Literal["uniform", "popularity"]
NEGATIVES_RULES: tuple[NegativesRule, ...] = ("uniform", "popularity")

_TRIES: Final = 64
"""Draws until one is none of the request's own items; from half of them on uniform ones."""
_ROOM: Final = 4
"""Items of the catalogue for each candidate of the longest request, at least."""


@dataclass(frozen=True, eq=False)
class Negatives:
    """Draws for every candidate the same negatives whenever and by whomever it is asked.

    Only items that training candidates show are drawn, evenly or as often as they are shown: what
    appears after the split is unknown before it. None of a request's own items is drawn; another
    that the user has liked at another time may be.
    """

    count: int
    """k"""
    rule: NegativesRule
    seed: int
    shown: Ints
    """[num_items]: training candidates of each item."""

    def check(self, name: str, max_candidates: int) -> None:
        """`ValueError` where the catalogue is too small for them."""
        if len(self._items) < _ROOM * max_candidates:
            raise ValueError(
                f"{name}.negatives: training shows {len(self._items)} items, and sampling needs "
                f"at least {_ROOM * max_candidates} for requests of {max_candidates} candidates"
            )

    def draw(self, events: Ints, items: Ints, mask: Bools) -> Ints:
        """Negatives of the candidates, [b, m k]: those of the first, then those of the second.

        Args:
            events: the candidates' numbers in the log, [b, m].
            items: theirs, [b, m].
            mask: where there is a candidate, [b, m].
        """
        own = np.where(mask, items, -1)
        keys = (events[:, :, None] * self.count + np.arange(self.count)).reshape(len(events), -1)
        wanted = np.repeat(mask, self.count, axis=1)
        found = np.zeros(keys.shape, np.int64)
        row, column = np.nonzero(wanted)
        for attempt in range(_TRIES):
            found[row, column] = self._drawn(keys[row, column], attempt)
            again = (found[row, column, None] == own[row]).any(1)
            row, column = row[again], column[again]
            if not len(row):
                break
        return found

    def _drawn(self, keys: Ints, attempt: int) -> Ints:
        salt = mixed(np.array([self.seed * _TRIES + attempt], np.uint64))
        numbers = mixed(keys.astype(np.uint64) ^ salt)
        if self.rule == "uniform" or 2 * attempt >= _TRIES:
            place = (numbers % np.uint64(len(self._items))).astype(np.int64)
        else:
            event = (numbers % np.uint64(self._passed[-1])).astype(np.int64)
            place = np.searchsorted(self._passed, event, side="right")
        found: Ints = self._items[place]
        return found

    @cached_property
    def _items(self) -> Ints:
        return np.flatnonzero(self.shown)

    @cached_property
    def _passed(self) -> Ints:
        found: Ints = np.cumsum(self.shown[self._items])
        return found


def times_shown(log: EventLog, train: RequestIndex) -> Ints:
    """How many training candidates show each item, [num_items]."""
    counts = np.zeros(log.schema.num_items, np.int64)
    for requests in train.tables():
        shown = log.items[candidate_events(requests.start, requests.stop)]
        counts += np.bincount(shown, minlength=len(counts))
    return counts


def no_contrast(schema: Schema, training_actions: Ints, negatives: int) -> str:
    """Why nothing can be learnt, where every training candidate has the same labels; else empty."""
    labels = {schema.action_labels[code] for code in np.flatnonzero(training_actions)}
    if len(labels) != 1 or (negatives and any(next(iter(labels)))):
        return ""
    told = dict(zip(schema.behaviours, next(iter(labels))))
    return (
        f"every training candidate has the same labels {told}: there is nothing to learn. A log of "
        "positives only needs sampled negatives: the field `negatives`, so many for each "
        "(docs/splits.md says what that does to the metrics)"
    )


def facts_of(rule: NegativesRule, count: int, seed: int) -> Mapping[str, Any]:
    """For the description of a data set; empty where none are sampled."""
    return {"negatives": f"{count} for each, {rule}, seed {seed}"} if count else {}
