"""What a log holds once it is cut: the numbers of `climber data describe`.

Counted block by block, so that a log of any size needs little memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from scaling.batch import Schema, Split
from scaling.datasets.cutting import candidate_events
from scaling.datasets.log import UNKNOWN_TIME, EventLog
from scaling.datasets.log_blocks import Ints, LogBlock, blocks
from scaling.datasets.request_index import RequestIndex

Bools = npt.NDArray[np.bool_]


def describe_requests(
    log: EventLog, tables: Mapping[Split, RequestIndex], num_requests: Mapping[Split, int]
) -> dict[str, Any]:
    """Plain data about a log and its splits.

    Args:
        tables: the requests of each split that are used.
        num_requests: those there are.
    """
    lengths = np.diff(log.user_offsets)
    shown = {split: _Shown(log, table) for split, table in tables.items()}
    return {
        "users": int((lengths > 0).sum()),
        "users_without_events": int((lengths == 0).sum()),
        "items": log.schema.num_items,
        **_event_facts(log),
        "events_per_user_median": float(np.median(lengths[lengths > 0])),
        "events_per_user_max": int(lengths.max()),
        "behaviours": list(log.schema.behaviours),
        "scenarios": list(log.schema.scenarios),
        "item_attributes": {name: a.size for name, a in log.schema.item_attributes.items()},
        "request_attributes": dict(log.schema.request_attributes),
        "splits": {
            split: one.facts() | {"requests_left_out": num_requests[split] - len(tables[split])}
            for split, one in shown.items()
        },
        "cold_in_validation": shown["validation"].cold(shown["train"]),
        "cold_in_test": shown["test"].cold(shown["train"]),
    }


def rates_of(schema: Schema, actions: Ints) -> npt.NDArray[np.float64]:
    """The mean of each label over candidates of which so many have each action; both [num_actions]
    and [k]."""
    labels = np.array(schema.action_labels, np.float64)
    rates: npt.NDArray[np.float64] = actions @ labels / max(int(actions.sum()), 1)
    return rates


class _Shown:
    """What the candidates of a split's requests are."""

    def __init__(self, log: EventLog, table: RequestIndex) -> None:
        self._log, self._table = log, table
        self._users = np.zeros(log.num_users, np.int64)
        """[U]: candidates of each user."""
        self._items = np.zeros(log.schema.num_items, np.int64)
        """[items]: how often each is a candidate."""
        self._actions = np.zeros(log.schema.num_actions, np.int64)
        self._history = np.zeros(int(np.diff(log.user_offsets).max()) + 1, np.int64)
        """Requests by the number of events before them."""
        times = []
        for requests in table.tables():
            events = candidate_events(requests.start, requests.stop)
            np.add.at(self._users, requests.user, requests.stop - requests.start)
            np.add.at(self._items, log.items[events], 1)
            self._actions += np.bincount(log.actions[events], minlength=len(self._actions))
            np.add.at(self._history, requests.start - log.user_offsets[requests.user], 1)
            times += [int(requests.time.min()), int(requests.time.max())]
        self._first, self._last = min(times), max(times)

    def facts(self) -> dict[str, Any]:
        requests, examples = len(self._table), self._table.examples
        rates = rates_of(self._log.schema, self._actions).tolist()
        return {
            "requests": requests,
            "examples": examples,
            "users": int((self._users > 0).sum()),
            "candidates_per_request": examples / requests,
            "history_events_median": _median(self._history),
            "requests_without_history": int(self._history[0]),
            "first_time": _date(self._first),
            "last_time": _date(self._last),
            "rates": dict(zip(self._log.schema.behaviours, rates)),
        }

    def cold(self, train: _Shown) -> dict[str, Any]:
        """Users and items that no training candidate shows, and their share of the examples."""
        facts: dict[str, Any] = {}
        for name, seen, here in (
            ("users", train._users, self._users),
            ("items", train._items, self._items),
        ):
            cold = here[seen == 0]
            facts[name] = int((cold > 0).sum())
            facts[f"examples_of_cold_{name}"] = float(cold.sum() / here.sum())
        return facts


def _event_facts(log: EventLog) -> dict[str, Any]:
    items = np.zeros(log.schema.num_items, bool)
    unknown, pairs, ties, ends = 0, 0, 0, list[int]()
    for block in blocks(log):
        items[block.items] = True
        known = block.times[block.times != UNKNOWN_TIME]
        unknown += len(block.times) - len(known)
        if len(known):
            ends += [int(known.min()), int(known.max())]
        here, tied = _ties(block)
        pairs, ties = pairs + here, ties + tied
    return {
        "items_with_events": int(items.sum()),
        "events": log.num_events,
        "events_of_unknown_time": unknown,
        "first_time": _date(min(ends)) if ends else None,
        "last_time": _date(max(ends)) if ends else None,
        "tied_share": float(ties / max(pairs, 1)),
    }


def _ties(block: LogBlock) -> tuple[int, int]:
    """Pairs of a user's consecutive events of known time, and those of one second."""
    times = block.times
    pairs = times[:-1] != UNKNOWN_TIME
    ends = block.user_offsets[1:-1]
    pairs[ends[(ends > 0) & (ends < len(times))] - 1] = False
    return int(pairs.sum()), int(((times[1:] == times[:-1]) & pairs).sum())


def _median(counts: Ints) -> float:
    """Of whole numbers from 0 that occur so often."""
    passed = np.cumsum(counts)
    middle = (int(passed[-1]) - 1) // 2, int(passed[-1]) // 2
    return float(np.searchsorted(passed, middle, side="right").mean())


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
