"""Views of the history: which events a model reads of each request (`View` says the rules).

Shapes: b requests, n events of a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from scaling.batch import View
from scaling.config import digest_of
from scaling.datasets.array_cache import Blocks, kept_or_made
from scaling.datasets.event_sets import EventSets, Ints, Read
from scaling.datasets.log import UNKNOWN_TIME, EventLog, RequestTable
from scaling.datasets.log_blocks import blocks
from scaling.datasets.view_categories import CategoryIndex, CategoryStrategy
from scaling.datasets.view_ranges import RangeStrategy
from scaling.datasets.view_strategies import (
    MERGED,
    WHOLE,
    Bools,
    category,
    check_views,
    chosen_actions,
    unmerged,
)

_BLOCK = 256
"""Requests whose events are looked up at a time where lengths alone are asked for."""


@dataclass(frozen=True, eq=False)
class ViewIndex:
    """Finds the events of views in a log; what a strategy needs is sorted once and kept."""

    log: EventLog
    place: Path | None = None
    """Beside this path the events that a strategy chooses are kept for other processes; None: they
    are held in memory."""
    _checked: set[tuple[View, ...]] = field(default_factory=set, repr=False)
    _strategies: dict[str, RangeStrategy | CategoryStrategy] = field(
        default_factory=dict, repr=False
    )
    _categories: dict[str, CategoryIndex] = field(default_factory=dict, repr=False)

    @cached_property
    def unknown_times(self) -> bool:
        """Whether the log holds events of unknown time."""
        offsets = self.log.user_offsets
        first = offsets[:-1][np.diff(offsets) > 0]
        # They sort first, so a user's first event tells.
        return bool((self.log.times.take(first) == UNKNOWN_TIME).any())

    def check(self, views: Sequence[View]) -> None:
        """Looks at every view, and prepares what it needs; at the same views only once.

        Raises:
            ValueError: no view, an unknown strategy (lists the valid ones), or a merged view of a
                log without a common order.
        """
        if tuple(views) in self._checked:
            return
        check_views(self.log.schema, views)
        if self.unknown_times and any(view.strategy == MERGED for view in views):
            raise ValueError(
                "view strategy 'merged' needs the time of every event, and this data set holds "
                "events of unknown time: its views have no common order"
            )
        for view in unmerged(views):
            if view.strategy not in self._strategies:
                self._strategies[view.strategy] = self._strategy(view.strategy)
        self._checked.add(tuple(views))

    def read(self, views: Sequence[View], table: RequestTable) -> list[Read]:
        """The events of each view, for the requests of `table`; raises as `check` does."""
        self.check(views)
        return self._read(views, table, None)

    def lengths(self, views: Sequence[View], table: RequestTable) -> Ints:
        """How many events each view holds per request, [b, views]; raises as `check` does."""
        self.check(views)
        lengths = np.zeros((len(table), len(views)), np.int64)
        for begin in range(0, len(table), _BLOCK):
            rows = np.arange(begin, min(begin + _BLOCK, len(table)))
            found = self._read(views, table.select(rows), None)
            for column, (_, mask) in enumerate(found):
                lengths[rows, column] = np.count_nonzero(mask, axis=1)
        return lengths

    def _read(
        self, views: Sequence[View], table: RequestTable, skip: EventSets | None
    ) -> list[Read]:
        """As `read`; none of the views counts the events of `skip`."""
        first = self.log.user_offsets[table.user]
        found: list[Read] = []
        for view in views:
            seen = skip
            if view.disjoint and found:
                seen = EventSets.of(found, self._bits)
                seen = seen if skip is None else seen.union(skip)
            if view.strategy == MERGED:
                parts = self._read(view.of, table, seen)
                found.append(EventSets.of(parts, self._bits).latest(view.length))
                continue
            strategy = self._strategies[view.strategy]
            if isinstance(strategy, CategoryStrategy):
                found.append(strategy.read(view.length, table, seen))
            else:
                found.append(strategy.read(view.length, first, table.start, seen))
        return found

    def _strategy(self, name: str) -> RangeStrategy | CategoryStrategy:
        schema = self.log.schema
        if name in WHOLE:
            return RangeStrategy(None, spread=name == "lifetime")
        wanted = category(schema, name)
        if wanted is None:
            chosen = chosen_actions(schema, name)
            return RangeStrategy(self._events_of(chosen), spread=False)
        if wanted.attribute not in self._categories:
            values = schema.item_attributes[wanted.attribute].of_item
            self._categories[wanted.attribute] = CategoryIndex(self.log, values, self._bits)
        return CategoryStrategy(self._categories[wanted.attribute], wanted.by)

    def _events_of(self, chosen: Bools) -> Ints:
        """The events of the chosen actions [num_actions], ascending."""

        def make() -> Blocks:
            for block in blocks(self.log):
                yield {"events": np.flatnonzero(chosen[block.actions]) + block.first_event}

        folder = None
        if self.place is not None:
            name = f"{self.place.name}-events-{digest_of(chosen.astype(int).tolist())}"
            folder = self.place.with_name(name)
        return np.asarray(kept_or_made(folder, make)["events"])

    @property
    def _bits(self) -> int:
        return self.log.num_events.bit_length()


def distinct_events(reads: Sequence[Read]) -> Ints:
    """Events read by at least one of the views, per request [b]."""
    if len(reads) == 1:
        single: Ints = np.count_nonzero(reads[0][1], axis=1)
        return single
    # Padding becomes -1, one extra value at the row's beginning when there is any.
    together = np.concatenate([np.where(mask, events, -1) for events, mask in reads], axis=1)
    together.sort(axis=1)
    fresh = together[:, 1:] != together[:, :-1]
    distinct: Ints = np.count_nonzero(fresh, axis=1) + (together[:, 0] >= 0)
    return distinct
