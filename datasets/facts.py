"""What a log holds once it is cut: the numbers of `climber data describe`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from scaling.batch import Split
from scaling.datasets.log import UNKNOWN_TIME, EventLog, RequestTable
from scaling.datasets.requests import Ints, candidate_events


def describe_requests(
    log: EventLog, tables: Mapping[Split, RequestTable], num_requests: Mapping[Split, int]
) -> dict[str, Any]:
    """Plain data about a log and its splits.

    Args:
        tables: the requests of each split that are used.
        num_requests: those there are.
    """
    times, items = np.asarray(log.times), np.asarray(log.items)
    known = times[times != UNKNOWN_TIME]
    lengths = np.diff(log.user_offsets)
    return {
        "users": int((lengths > 0).sum()),
        "users_without_events": int((lengths == 0).sum()),
        "items": log.schema.num_items,
        "items_with_events": len(np.unique(items)),
        "events": log.num_events,
        "events_of_unknown_time": log.num_events - len(known),
        "events_per_user_median": float(np.median(lengths[lengths > 0])),
        "events_per_user_max": int(lengths.max()),
        "first_time": _date(known.min()) if len(known) else None,
        "last_time": _date(known.max()) if len(known) else None,
        "tied_share": _tied_share(log),
        "behaviours": list(log.schema.behaviours),
        "scenarios": list(log.schema.scenarios),
        "item_attributes": {name: a.size for name, a in log.schema.item_attributes.items()},
        "request_attributes": dict(log.schema.request_attributes),
        "splits": {
            split: _split_facts(log, table, num_requests[split]) for split, table in tables.items()
        },
        "cold_in_test": _cold(log, tables["train"], tables["test"]),
    }


def _split_facts(log: EventLog, table: RequestTable, num_requests: int) -> dict[str, Any]:
    events = candidate_events(log, table)
    labels = np.array(log.schema.action_labels, np.float64)
    counts = np.bincount(log.actions[events], minlength=len(labels))
    history = table.start - log.user_offsets[table.user]
    return {
        "requests": len(table),
        "requests_left_out": num_requests - len(table),
        "examples": len(events),
        "users": len(np.unique(table.user)),
        "candidates_per_request": len(events) / len(table),
        "history_events_median": float(np.median(history)),
        "requests_without_history": int((history == 0).sum()),
        "first_time": _date(table.time.min()),
        "last_time": _date(table.time.max()),
        "rates": dict(zip(log.schema.behaviours, (counts @ labels / len(events)).tolist())),
    }


def _cold(log: EventLog, train: RequestTable, test: RequestTable) -> dict[str, Any]:
    """Test users and items that no training candidate shows, and their share of the examples."""
    seen, tested = candidate_events(log, train), candidate_events(log, test)
    users = log.users()
    facts: dict[str, Any] = {}
    for name, column in (("users", users), ("items", np.asarray(log.items))):
        cold = ~np.isin(column[tested], np.unique(column[seen]))
        facts[name] = len(np.unique(column[tested][cold]))
        facts[f"examples_of_cold_{name}"] = float(cold.mean())
    return facts


def _tied_share(log: EventLog) -> float:
    """Of the pairs of a user's consecutive events of known time, those of one second."""
    times: Ints = np.asarray(log.times)
    pairs = times[:-1] != UNKNOWN_TIME
    ends = log.user_offsets[1:-1]
    pairs[ends[(ends > 0) & (ends < log.num_events)] - 1] = False
    same = (times[1:] == times[:-1]) & pairs
    return float(same.sum() / max(pairs.sum(), 1))


def _date(seconds: np.int64) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()
