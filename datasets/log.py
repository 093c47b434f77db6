"""The event log: everything that users did, as columns, and the requests that are cut out of it.

Shapes: U users, E events, R requests, a request attributes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from scaling.batch import Schema
from scaling.config import canonical_json
from scaling.datasets.schema import check_schema, schema_facts

Ints = npt.NDArray[np.int64]

UNKNOWN_TIME: Final = int(np.iinfo(np.int64).min)
"""The time of an event whose order alone is known; sorts before every known time."""


@dataclass(frozen=True, eq=False)
class EventLog:
    """Events sorted by user, then time; of equal times the order they were given in.

    Made by `build_log`, which checks it; the arrays may be memory-mapped and are never written to.
    """

    schema: Schema
    user_offsets: Ints
    """[U + 1]: the events of user u are `user_offsets[u] .. user_offsets[u + 1] - 1`."""
    items: npt.NDArray[np.int32]
    """[E]"""
    actions: npt.NDArray[np.uint8]
    """[E]: codes of `schema.action_labels`."""
    scenarios: npt.NDArray[np.uint8]
    """[E]: indices of `schema.scenarios`."""
    times: Ints
    """[E]: seconds since the epoch, or `UNKNOWN_TIME`."""
    user_attributes: npt.NDArray[np.int32]
    """[U, a]: values of `schema.request_attributes` that belong to the user."""

    @property
    def num_users(self) -> int:
        return len(self.user_offsets) - 1

    @property
    def num_events(self) -> int:
        return len(self.items)

    def users(self) -> Ints:
        """The user of every event, [E]."""
        return np.repeat(np.arange(self.num_users), np.diff(self.user_offsets))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All arrays by name, those of the schema as `item_attribute.NAME`."""
        names = ("user_offsets", "items", "actions", "scenarios", "times", "user_attributes")
        return {name: np.asarray(getattr(self, name)) for name in names} | {
            f"item_attribute.{name}": attribute.of_item
            for name, attribute in self.schema.item_attributes.items()
        }

    def fingerprint(self) -> str:
        """Digest of the content (16 hexadecimal digits): the schema and every array."""
        digest = hashlib.sha256(canonical_json(schema_facts(self.schema)).encode())
        for name, array in self.arrays().items():
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class RequestTable:
    """Requests of a log: the candidates of one are the events `start .. stop - 1`, its history
    the user's events before `start`."""

    user: Ints
    """[R]"""
    start: Ints
    """[R]"""
    stop: Ints
    """[R]"""
    time: Ints
    """[R]: seconds; the time of the first candidate."""
    scenario: Ints
    """[R]: that of the first candidate."""
    attributes: Ints
    """[R, a]"""
    ids: Ints
    """[R]: a request's number in its data set, whatever the split and the order (its `start`)."""

    def __len__(self) -> int:
        return len(self.user)

    def select(self, rows: npt.NDArray[Any]) -> RequestTable:
        """The requests of `rows` (indices or a mask), in that order."""
        return RequestTable(**{name: column[rows] for name, column in vars(self).items()})


def build_log(
    schema: Schema,
    users: npt.ArrayLike,
    items: npt.ArrayLike,
    actions: npt.ArrayLike,
    scenarios: npt.ArrayLike,
    times: npt.ArrayLike,
    *,
    num_users: int | None = None,
    user_attributes: npt.ArrayLike | None = None,
) -> EventLog:
    """Checks events given in any order and sorts them stably by user and time.

    Args:
        users, items, actions, scenarios, times: [E] whole numbers.
        num_users: U; by default the rows of `user_attributes`, else the largest user plus one.
            A user without events is fine.
        user_attributes: [U, a]; needed if the schema has request attributes.

    Raises:
        ValueError: a length, type or value out of range, naming field, row and valid range.
    """
    check_schema(schema)
    columns = {"users": users, "items": items, "actions": actions, "scenarios": scenarios}
    table = {name: _whole_numbers(name, v) for name, v in (columns | {"times": times}).items()}
    lengths = {name: len(column) for name, column in table.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"columns of a log must have one length, got {lengths}")
    if not lengths["users"]:
        raise ValueError("a log needs at least one event, got none")
    attributes = _attributes(schema, user_attributes)
    if num_users is None:
        num_users = int(table["users"].max()) + 1 if attributes is None else len(attributes)
    if attributes is None:
        attributes = np.zeros((num_users, 0), np.int32)
    if len(attributes) != num_users:
        raise ValueError(f"user_attributes has {len(attributes)} rows for {num_users} users")
    _in_range("users", table["users"], num_users, "number of users")
    _in_range("items", table["items"], schema.num_items, "schema.num_items")
    _in_range("actions", table["actions"], schema.num_actions, "schema.action_labels")
    _in_range("scenarios", table["scenarios"], schema.num_scenarios, "schema.scenarios")
    order = np.lexsort((table["times"], table["users"]))
    counts = np.bincount(table["users"], minlength=num_users)
    return EventLog(
        schema=schema,
        user_offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        items=table["items"][order].astype(np.int32),
        actions=table["actions"][order].astype(np.uint8),
        scenarios=table["scenarios"][order].astype(np.uint8),
        times=table["times"][order],
        user_attributes=attributes,
    )


def _whole_numbers(name: str, values: npt.ArrayLike) -> Ints:
    column = np.asarray(values)
    if column.ndim != 1:
        raise ValueError(f"{name} must be one column, got shape {column.shape}")
    if column.size and column.dtype.kind not in "iub":
        raise ValueError(f"{name} must hold whole numbers, got {column.dtype}")
    return column.astype(np.int64)


def _attributes(schema: Schema, values: npt.ArrayLike | None) -> npt.NDArray[np.int32] | None:
    sizes = schema.request_attributes
    if values is None:
        if sizes:
            raise ValueError(f"user_attributes is missing; the schema declares {', '.join(sizes)}")
        return None
    table = np.asarray(values)
    if table.ndim != 2 or table.shape[1] != len(sizes) or table.dtype.kind not in "iub":
        raise ValueError(
            f"user_attributes must hold whole numbers in {len(sizes)} columns "
            f"({', '.join(sizes) or 'none'}), got {table.dtype} of shape {table.shape}"
        )
    for (name, size), column in zip(sizes.items(), table.T):
        _in_range(f"user_attributes.{name}", column, size, "its number of values")
    return table.astype(np.int32)


def _in_range(name: str, column: npt.NDArray[Any], size: int, limit: str) -> None:
    if not column.size or (column.min() >= 0 and column.max() < size):
        return
    row = int(np.flatnonzero((column < 0) | (column >= size))[0])
    raise ValueError(f"{name}[{row}] is {column[row]}; valid: 0 .. {size - 1} ({limit})")
