"""Requests that are posted rather than logged: their views are cut by the code that cuts training data.

Shapes: e events of one history, m candidates of one request, a request attributes, b requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scaling.batch import Batch, Schema, View, ViewBatch
from scaling.datasets.cutting import requests_at
from scaling.datasets.log import UNKNOWN_TIME, build_log
from scaling.datasets.requests import make_batch
from scaling.datasets.view_strategies import BY, category, unmerged

Ints = npt.NDArray[np.int64]

_COLUMNS = ("items", "actions", "scenarios", "times")


@dataclass(frozen=True, eq=False)
class Events:
    """What a user did, in the data set's codes; of equal times the earlier event comes first."""

    items: npt.ArrayLike
    """[e]"""
    actions: npt.ArrayLike
    """[e]: codes of `schema.action_labels`."""
    scenarios: npt.ArrayLike
    """[e]: indices of `schema.scenarios`."""
    times: npt.ArrayLike
    """[e]: seconds since the epoch, or `UNKNOWN_TIME`."""

    @classmethod
    def none(cls) -> Events:
        """The history of a user who has none."""
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, nothing, nothing)


@dataclass(frozen=True, eq=False)
class PostedRequest:
    """One user at one moment, and the items to score."""

    events: Events
    time: int
    """Seconds since the epoch; no event may be later."""
    candidates: npt.ArrayLike
    """[m], m at least 1: item ids."""
    scenario: int = 0
    """Index of `schema.scenarios`."""
    attributes: Sequence[int] = ()
    """[a]: values of `schema.request_attributes`, in order."""


def views_of(
    events: Events,
    request_time: int,
    views: Sequence[View],
    schema: Schema,
    candidates: npt.ArrayLike | None = None,
) -> tuple[ViewBatch, ...]:
    """The views of one posted history, each [1, n]; they hold no place that is padding alone.

    Args:
        events: all that the user did before the request, or as much of it as the views can reach.
        request_time: seconds since the epoch.
        candidates: [m] item ids; needed by views of the strategy `request.ATTRIBUTE` alone.

    Raises:
        ValueError: an event that is later than the request, a code out of range, columns of unlike
            lengths, an unknown strategy, or missing candidates; names the field and the valid range.
    """
    if candidates is None:
        _refuse_by_request(views, schema)
        candidates = np.zeros(1, np.int64)
    attributes = [0] * len(schema.request_attributes)
    asked = PostedRequest(events, request_time, candidates, attributes=attributes)
    return batch_of([asked], views, schema).history


def batch_of(requests: Sequence[PostedRequest], views: Sequence[View], schema: Schema) -> Batch:
    """Requests as a model reads them in training, but for the labels, which say nothing (all 0).

    Raises:
        ValueError: as `views_of`, with the number of the request where it is one of several.
    """
    if not requests:
        raise ValueError("there must be at least one request, got none")
    histories, candidates = [], []
    for number, request in enumerate(requests):
        try:
            histories.append(_history(request, schema))
            candidates.append(_candidates(request, schema))
        except ValueError as error:
            where = f"request {number}: " if len(requests) > 1 else ""
            raise ValueError(f"{where}{error}") from None
    # A request stands in the log behind its history, as it does in a data set's.
    parts = [*histories, *candidates]
    numbers = np.arange(len(requests))
    sizes = np.array([len(part["items"]) for part in parts])
    columns: dict[str, Any] = {
        name: np.concatenate([part[name] for part in parts]) for name in _COLUMNS
    }
    log = build_log(
        schema,
        np.repeat(np.concatenate([numbers, numbers]), sizes),
        **columns,
        num_users=len(requests),
        user_attributes=_attributes(requests, schema),
    )
    stop = log.user_offsets[1:]
    start = stop - sizes[len(requests) :]
    batch = make_batch(log, requests_at(log, start, stop, numbers), numbers, views)
    return replace(batch, labels=batch.labels.zero_())


def _history(request: PostedRequest, schema: Schema) -> dict[str, Ints]:
    columns = {
        name: _whole_numbers(f"events.{name}", getattr(request.events, name)) for name in _COLUMNS
    }
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the columns of events must have one length, got {lengths}")
    sizes = {
        "items": schema.num_items,
        "actions": schema.num_actions,
        "scenarios": schema.num_scenarios,
    }
    for name, size in sizes.items():
        _in_range(f"events.{name}", columns[name], size)
    late = np.flatnonzero(columns["times"] > request.time)
    if late.size:
        found = columns["times"][late[0]]
        raise ValueError(f"events.times[{late[0]}] is {found}, after the request ({request.time})")
    return columns


def _candidates(request: PostedRequest, schema: Schema) -> dict[str, Ints]:
    items = _whole_numbers("candidates", request.candidates)
    if not items.size:
        raise ValueError("candidates must hold at least one item, got none")
    _in_range("candidates", items, schema.num_items)
    if request.time == UNKNOWN_TIME:
        raise ValueError("the time of a request must be known")
    _in_range("scenario", np.array([request.scenario]), schema.num_scenarios)
    return {
        "items": items,
        "actions": np.zeros_like(items),
        "scenarios": np.full_like(items, request.scenario),
        "times": np.full_like(items, request.time),
    }


def _attributes(requests: Sequence[PostedRequest], schema: Schema) -> Ints | None:
    names = schema.request_attributes
    for number, request in enumerate(requests):
        if len(request.attributes) != len(names):
            raise ValueError(
                f"request {number} has {len(request.attributes)} attributes; valid: {len(names)} "
                f"({', '.join(names) or 'none'})"
            )
    return np.array([tuple(r.attributes) for r in requests], np.int64) if names else None


def _refuse_by_request(views: Sequence[View], schema: Schema) -> None:
    for view in unmerged(views):
        found = category(schema, view.strategy)
        if found is not None and found.by == BY[1]:
            raise ValueError(
                f"view strategy {view.strategy!r} chooses by the candidates: name them"
            )


def _whole_numbers(name: str, values: npt.ArrayLike) -> Ints:
    column = np.asarray(values)
    if column.ndim != 1:
        raise ValueError(f"{name} must be one list of numbers, got shape {column.shape}")
    if column.size and column.dtype.kind not in "iu":
        raise ValueError(f"{name} must hold whole numbers, got {column.dtype}")
    return column.astype(np.int64)


def _in_range(name: str, values: Ints, size: int) -> None:
    wrong = np.flatnonzero((values < 0) | (values >= size))
    if wrong.size:
        place = f"{name}[{wrong[0]}]" if name != "scenario" else name
        raise ValueError(f"{place} is {values[wrong[0]]}; valid: 0 .. {size - 1}")
