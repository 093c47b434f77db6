"""Views of the history: which events a model reads of each request.

Shapes: b requests, n events of a view, E events of the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from scaling.batch import Schema, View
from scaling.datasets.log import EventLog

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ViewIndex:
    """Finds the events of a view by binary search in the positions of its strategy's events."""

    log: EventLog
    _positions: dict[str, Ints] = field(default_factory=dict, repr=False)

    def positions(self, strategy: str) -> Ints | None:
        """The log's events that a strategy chooses, ascending; None where it chooses all.

        Raises:
            ValueError: unknown strategy; lists the valid ones.
        """
        if strategy == "recent":
            return None
        if strategy not in self._positions:
            chosen = chosen_actions(self.log.schema, strategy)
            self._positions[strategy] = np.flatnonzero(chosen[self.log.actions])
        return self._positions[strategy]

    def lengths(self, view: View, first: Ints, start: Ints) -> Ints:
        """How many events the view holds per request, [b]; `first` and `start` as in `events`."""
        low, high = self._bounds(view, first, start)
        length: Ints = np.minimum(high - low, view.length)
        return length

    def events(self, view: View, first: Ints, start: Ints) -> tuple[Ints, Bools]:
        """The events of a view, oldest first, right-padded to the longest (at least 1 column).

        Args:
            first: [b], the first event of each request's user.
            start: [b], the first candidate: only events before it are history.

        Returns:
            Indices into the log [b, n], 0 where padded, and the mask [b, n].
        """
        low, high = self._bounds(view, first, start)
        length = np.minimum(high - low, view.length)
        column = np.arange(max(int(length.max(initial=0)), 1))
        mask = column < length[:, None]
        index = (high - length)[:, None] + column
        index *= mask
        positions = self.positions(view.strategy)
        if positions is None:
            return index, mask
        if not len(positions):
            return np.zeros_like(index), mask
        events = positions.take(index)
        events *= mask
        return events, mask

    def _bounds(self, view: View, first: Ints, start: Ints) -> tuple[Ints, Ints]:
        positions = self.positions(view.strategy)
        if positions is None:
            return first, start
        return np.searchsorted(positions, first), np.searchsorted(positions, start)


def strategies(schema: Schema) -> tuple[str, ...]:
    """Every strategy a data set can answer: `recent`, its behaviours, and `no_` of each."""
    return ("recent", *schema.behaviours, *(f"no_{name}" for name in schema.behaviours))


def chosen_actions(schema: Schema, strategy: str) -> Bools:
    """Which action codes a strategy chooses, [num_actions]; `ValueError` if it is unknown."""
    if strategy not in strategies(schema):
        raise ValueError(
            f"unknown view strategy {strategy!r}; valid: {', '.join(strategies(schema))}"
        )
    if strategy == "recent":
        return np.ones(schema.num_actions, bool)
    # A behaviour may itself be called `no_...`: the plain name goes first.
    negated = strategy not in schema.behaviours
    column = schema.behaviours.index(strategy.removeprefix("no_") if negated else strategy)
    chosen: Bools = np.array(schema.action_labels, bool)[:, column] != negated
    return chosen


def distinct_events(events: list[Ints], masks: list[Bools]) -> Ints:
    """Events read by at least one of the views, per request [b]; inputs as from `events`."""
    if len(events) == 1:
        single: Ints = np.count_nonzero(masks[0], axis=1)
        return single
    # Padding becomes -1, one extra value at the row's beginning when there is any.
    together = np.concatenate([np.where(m, e, -1) for e, m in zip(events, masks)], axis=1)
    together.sort(axis=1)
    fresh = together[:, 1:] != together[:, :-1]
    distinct: Ints = np.count_nonzero(fresh, axis=1) + (together[:, 0] >= 0)
    return distinct
