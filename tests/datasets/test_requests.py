"""Batches hold what a plain loop over the user's past would choose, and nothing from later."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from scaling.batch import Batch, Schema, View
from scaling.datasets.cutting import cut_requests
from scaling.datasets.log import UNKNOWN_TIME, EventLog, RequestTable, build_log
from scaling.datasets.requests import BatchMaker, make_batch
from scaling.datasets.view_strategies import strategies

STRATEGIES = ("recent", "click", "like", "no_click", "no_like")
VIEWS = tuple(View(strategy=strategy, length=5) for strategy in STRATEGIES)
Columns = dict[str, Any]


def chosen_by_hand(log: EventLog, user: int, start: int, view: View) -> list[int]:
    behaviour = view.strategy.removeprefix("no_")
    wanted = 0 if view.strategy.startswith("no_") else 1
    events = []
    for event in range(int(log.user_offsets[user]), start):
        labels = dict(zip(log.schema.behaviours, log.schema.action_labels[log.actions[event]]))
        if view.strategy == "recent" or labels[behaviour] == wanted:
            events.append(event)
    return events[-view.length :]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("views", [VIEWS, VIEWS[:1], VIEWS[1:3], (VIEWS[0], VIEWS[0])])
def test_a_batch_equals_a_plain_loop(
    seed: int, views: tuple[View, ...], random_log: Callable[[int], EventLog]
) -> None:
    log = random_log(seed)
    table = cut_requests(log, max_candidates=4)
    rows = np.random.default_rng(seed).permutation(len(table))[:40]
    batch = make_batch(log, table, rows, views)
    assert len(batch) == 40
    for i, row in enumerate(rows):
        user, start, stop = (int(c[row]) for c in (table.user, table.start, table.stop))
        read: set[int] = set()
        for view, got in zip(views, batch.history):
            events = chosen_by_hand(log, user, start, view)
            read.update(events)
            n = len(events)
            assert got.mask[i].tolist() == [True] * n + [False] * (got.mask.shape[1] - n)
            for field in ("items", "actions", "scenarios"):
                column = getattr(got, field)[i].tolist()
                assert column[:n] == getattr(log, field)[events].tolist()
                assert not any(column[n:])
            ages = [
                -1.0 if log.times[e] == UNKNOWN_TIME else float(table.time[row] - log.times[e])
                for e in events
            ]
            assert got.ages[i].tolist() == ages + [0.0] * (got.mask.shape[1] - n)
            assert all(age >= 0 or age == -1 for age in ages)
        assert int(batch.distinct_events[i]) == len(read)
        m = stop - start
        labels = [
            list(map(float, log.schema.action_labels[log.actions[e]])) for e in range(start, stop)
        ]
        assert batch.candidates.mask[i].sum() == m
        assert batch.candidates.items[i].tolist()[:m] == log.items[start:stop].tolist()
        assert batch.labels[i].tolist()[:m] == labels
        assert not batch.labels[i, m:].any()
        assert not batch.candidates.items[i, m:].any()
    assert batch.users.tolist() == table.user[rows].tolist()
    assert batch.requests.tolist() == table.ids[rows].tolist()
    assert batch.context.attributes.tolist() == table.attributes[rows].tolist()
    assert batch.context.time.tolist() == table.time[rows].tolist()


def test_padding_ends_at_the_longest_and_a_first_request_has_one_empty_column(
    random_log: Callable[[int], EventLog],
) -> None:
    log = random_log(0)
    table = cut_requests(log, max_candidates=4)
    first = np.flatnonzero(table.start == log.user_offsets[table.user])[:3]
    batch = make_batch(log, table, first, VIEWS)
    assert all(view.mask.shape == (len(first), 1) for view in batch.history)
    assert not any(view.mask.any() for view in batch.history)
    assert batch.distinct_events.tolist() == [0] * len(first)
    whole = make_batch(log, table, np.arange(len(table)), (View(strategy="recent", length=999),))
    assert whole.history[0].mask.shape[1] == int(whole.lengths().max())


def test_types_and_shapes_are_the_contracts(random_log: Callable[[int], EventLog]) -> None:
    log = random_log(0)
    batch = make_batch(log, cut_requests(log, max_candidates=4), np.arange(7), VIEWS)
    for view in batch.history:
        assert {view.items.dtype, view.actions.dtype, view.scenarios.dtype} == {torch.int64}
        assert (view.ages.dtype, view.mask.dtype) == (torch.float64, torch.bool)
    assert batch.labels.dtype == torch.float32
    assert batch.labels.shape == (*batch.candidates.items.shape, 2)
    for tensor in (batch.users, batch.requests, batch.distinct_events, batch.candidates.items):
        assert tensor.dtype == torch.int64
    assert batch.candidates.mask.dtype == torch.bool
    assert {c.dtype for c in vars(batch.context).values()} == {torch.int64}


def test_what_happens_later_changes_no_earlier_batch(
    schema: Schema, random_columns: Callable[[int], Columns]
) -> None:
    """Events planted at or after each user's last request leave every earlier batch as it was."""
    columns = random_columns(3)
    log = build_log(schema, **columns)
    table = cut_requests(log, max_candidates=4)
    later = {
        name: np.concatenate([columns[name], extra])
        for name, extra in {
            "users": np.arange(15),
            "items": np.arange(15),
            "actions": np.full(15, 3),
            "scenarios": np.zeros(15, int),
            "times": np.full(15, int(log.times.max()) + 1),
        }.items()
    }
    planted = build_log(schema, **(columns | later))
    other = cut_requests(planted, max_candidates=4)
    matched = 0
    for user in range(15):
        mine, theirs = np.flatnonzero(table.user == user), np.flatnonzero(other.user == user)
        # The last request may have grown by the planted candidate; all before it are the same.
        count = max(len(mine) - 1, 0)
        a = make_batch(log, table, mine[:count], VIEWS)
        b = make_batch(planted, other, theirs[:count], VIEWS)
        assert_same_content(a, b)
        matched += count
    assert matched > 50


def test_no_history_event_is_later_than_the_request_or_at_its_first_candidate(
    random_log: Callable[[int], EventLog],
) -> None:
    log = random_log(5)
    table = cut_requests(log, max_candidates=4)
    order = dataclasses.replace(log, items=np.arange(log.num_events, dtype=np.int32))
    views = (View(strategy="recent", length=999), View(strategy="no_like", length=999))
    batch = make_batch(order, table, np.arange(len(table)), views)
    for view in batch.history:
        owner = torch.from_numpy(table.start)[:, None].expand_as(view.items)[view.mask]
        events = view.items[view.mask]
        assert (events < owner).all()
        times = torch.from_numpy(log.times)
        assert (times[events] <= times[owner]).all()
        users = torch.from_numpy(log.users())
        assert (users[events] == users[owner]).all()


def assert_same_content(a: Batch, b: Batch) -> None:
    for left, right in zip(a.history, b.history):
        for field, value in vars(left).items():
            assert torch.equal(value, getattr(right, field)), field
    for name in ("labels", "users", "distinct_events"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name
    for name, value in vars(a.candidates).items():
        assert torch.equal(value, getattr(b.candidates, name)), name


@pytest.mark.parametrize("strategy", ["liked", "no_", "no_recent", ""])
def test_an_unknown_strategy_is_refused_with_the_valid_ones(
    strategy: str, random_log: Callable[[int], EventLog]
) -> None:
    log = random_log(0)
    valid = strategies(log.schema)
    assert set(STRATEGIES) < set(valid)
    table = cut_requests(log, max_candidates=4)
    with pytest.raises(ValueError, match=f"{strategy!r}; valid: {re.escape(', '.join(valid))}"):
        make_batch(log, table, np.arange(2), (View(strategy=strategy, length=3),))
    with pytest.raises(ValueError, match="at least one view"):
        make_batch(log, table, np.arange(2), ())


def test_a_strategy_that_no_event_fits_gives_empty_views(
    schema: Schema, random_columns: Callable[[int], Columns]
) -> None:
    columns = random_columns(0) | {"actions": np.zeros(400, int)}
    log = build_log(schema, **columns)
    table: RequestTable = cut_requests(log, max_candidates=4)
    batch = make_batch(log, table, np.arange(9), (View(strategy="like", length=3),))
    assert not batch.history[0].mask.any()


@pytest.mark.slow
def test_a_batch_is_made_within_half_a_millisecond(schema: Schema) -> None:
    """64 requests, 2 views of 64 events, out of a million: the best of many, one thread."""
    rng = np.random.default_rng(0)
    count = 1_000_000
    log = build_log(
        schema,
        users=rng.integers(0, 6000, count),
        items=rng.integers(0, 20, count),
        actions=rng.integers(0, 4, count),
        scenarios=rng.integers(0, 3, count),
        times=rng.integers(0, 10**8, count),
        user_attributes=np.zeros((6000, 1), int),
    )
    table = cut_requests(log, max_candidates=16)
    late = np.flatnonzero(table.start - log.user_offsets[table.user] > 130)
    views = (View(strategy="recent", length=64), View(strategy="like", length=64))
    maker = BatchMaker(log)
    seconds = []
    for _ in range(500):
        rows = rng.choice(late, 64)
        before = time.perf_counter()
        maker.make_batch(table, rows, views)
        seconds.append(time.perf_counter() - before)
    assert min(seconds) <= 0.5e-3
