"""The event log keeps every event in order, and its requests cover the events once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scaling.batch import ItemAttribute, Schema
from scaling.datasets.cutting import cut_requests
from scaling.datasets.log import UNKNOWN_TIME, EventLog, build_log

Columns = dict[str, Any]


def test_events_are_sorted_by_user_and_time_and_ties_keep_their_order(
    schema: Schema, random_columns: Callable[[int], Columns]
) -> None:
    columns = random_columns(0)
    log = build_log(schema, **columns)
    rows = sorted(range(400), key=lambda i: (columns["users"][i], columns["times"][i]))
    for field in ("items", "actions", "scenarios", "times"):
        assert getattr(log, field).tolist() == [columns[field][i] for i in rows]
    assert log.users().tolist() == [columns["users"][i] for i in rows]
    assert log.num_users == 15
    assert (np.diff(log.user_offsets) == 0).sum() == 3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("gap", [None, 0, 100])
@pytest.mark.parametrize("same_scenario", [False, True])
@pytest.mark.parametrize("with_parts", [False, True])
def test_requests_are_what_a_plain_loop_cuts(
    seed: int,
    gap: int | None,
    same_scenario: bool,
    with_parts: bool,
    random_log: Callable[[int], EventLog],
) -> None:
    log = random_log(seed)
    rng = np.random.default_rng(seed)
    parts = rng.integers(-1, 3, 400).astype(np.int8) if with_parts else None
    table = cut_requests(
        log, max_candidates=4, max_gap_seconds=gap, same_scenario=same_scenario, parts=parts
    )
    expected = list(plain_cut(log, 4, gap, same_scenario, parts))
    assert list(zip(table.start.tolist(), table.stop.tolist())) == expected
    assert table.ids.tolist() == table.start.tolist()
    assert table.user.tolist() == log.users()[table.start].tolist()
    assert table.time.tolist() == log.times[table.start].tolist()
    assert table.scenario.tolist() == log.scenarios[table.start].tolist()
    assert table.attributes.tolist() == log.user_attributes[table.user].tolist()


def plain_cut(
    log: EventLog, most: int, gap: int | None, same_scenario: bool, parts: Any
) -> list[tuple[int, int]]:
    requests: list[list[int]] = []
    users = log.users()
    for i in range(log.num_events):
        if log.times[i] == UNKNOWN_TIME or (parts is not None and parts[i] < 0):
            continue
        last = requests[-1][-1] if requests else -2
        goes_on = (
            last == i - 1
            and len(requests[-1]) < most
            and users[i] == users[last]
            and (gap is None or int(log.times[i]) - int(log.times[last]) <= gap)
            and (not same_scenario or log.scenarios[i] == log.scenarios[last])
            and (parts is None or parts[i] == parts[last])
        )
        if goes_on:
            requests[-1].append(i)
        else:
            requests.append([i])
    return [(request[0], request[-1] + 1) for request in requests]


def test_a_fingerprint_is_of_the_content_and_of_all_of_it(
    schema: Schema, random_log: Callable[[int], EventLog]
) -> None:
    log = random_log(1)
    assert log.fingerprint() == random_log(1).fingerprint()
    assert log.fingerprint() != random_log(2).fingerprint()
    genre = ItemAttribute(size=4, of_item=np.zeros(20, np.int64))
    for schema in (
        dataclasses.replace(log.schema, scenarios=("home", "search", "tv")),
        dataclasses.replace(log.schema, item_attributes={"genre": genre}),
    ):
        assert dataclasses.replace(log, schema=schema).fingerprint() != log.fingerprint()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"items": np.full(400, 20)}, r"items\[0\] is 20; valid: 0 .. 19"),
        ({"actions": np.full(400, -1)}, r"actions\[0\] is -1; valid: 0 .. 3"),
        ({"users": np.full(400, 99)}, r"users\[0\] is 99; valid: 0 .. 14"),
        ({"scenarios": np.full(400, 3)}, r"scenarios\[0\] is 3"),
        ({"times": np.zeros(399, int)}, r"one length, got .*'times': 399"),
        ({"times": np.zeros(400)}, r"times must hold whole numbers, got float64"),
        ({"items": np.zeros((400, 1), int)}, r"items must be one column"),
        ({"user_attributes": np.full((15, 1), 5)}, r"user_attributes.age\[0\] is 5"),
        ({"user_attributes": np.zeros((15, 2), int)}, r"in 1 columns \(age\)"),
        ({"user_attributes": None}, r"user_attributes is missing; the schema declares age"),
        ({"num_users": 16}, r"user_attributes has 15 rows for 16 users"),
    ],
)
def test_bad_columns_are_refused_by_name_and_row(
    change: dict[str, Any], message: str, schema: Schema, random_columns: Callable[[int], Columns]
) -> None:
    with pytest.raises(ValueError, match=message):
        build_log(schema, **(random_columns(0) | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"behaviours": ("recent", "like")}, "names a view strategy"),
        ({"behaviours": ("like", "like")}, "distinct names"),
        ({"action_labels": ((0, 0), (1,))}, r"action_labels\[1\]"),
        ({"num_items": 0}, "num_items"),
        ({"scenarios": ()}, "num_scenarios must be 1 .. 256, got 0"),
        ({"item_attributes": {"x": ItemAttribute(2, np.full(20, 2))}}, "valid: 0 .. 1"),
        ({"item_attributes": {"x": ItemAttribute(2, np.zeros(3, int))}}, "one value for each"),
    ],
)
def test_a_schema_that_contradicts_itself_is_refused(
    change: dict[str, Any], message: str, schema: Schema, random_columns: Callable[[int], Columns]
) -> None:
    with pytest.raises(ValueError, match=message):
        build_log(dataclasses.replace(schema, **change), **random_columns(0))


def test_a_log_without_events_and_impossible_cuts_are_refused(
    schema: Schema, random_log: Callable[[int], EventLog]
) -> None:
    empty = {name: np.zeros(0, int) for name in ("users", "items", "actions", "scenarios", "times")}
    attributes = np.zeros((3, 1), int)
    with pytest.raises(ValueError, match="at least one event"):
        build_log(schema, **empty, user_attributes=attributes)
    with pytest.raises(ValueError, match="max_candidates"):
        cut_requests(random_log(0), max_candidates=0)
    with pytest.raises(ValueError, match="max_gap_seconds"):
        cut_requests(random_log(0), max_candidates=1, max_gap_seconds=-1)
