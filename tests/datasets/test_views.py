"""Views hold what plain loops over each user's past would choose, whatever the strategy."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from scaling.batch import ItemAttribute, Schema, View
from scaling.datasets.cutting import cut_requests
from scaling.datasets.event_sets import Read
from scaling.datasets.log import EventLog, RequestTable, build_log
from scaling.datasets.requests import BatchMaker
from scaling.datasets.view_categories import TOP_VALUES
from scaling.datasets.views import ViewIndex, distinct_events

BEHAVIOURS = ("click", "like", "share")
ITEMS = 60
STRATEGIES = (
    *("recent", "lifetime", "like", "no_click", "like+share", "click+like+share"),
    *("user.artist", "user.genre", "user.item", "request.artist", "request.genre", "request.item"),
)


def view(strategy: str, length: int = 5, *, disjoint: bool = False) -> View:
    return View(strategy=strategy, length=length, disjoint=disjoint)


def merged(*views: View, disjoint: bool = False) -> View:
    length = sum(v.length for v in views)
    return View(strategy="merged", length=length, of=views, disjoint=disjoint)


COMBINATIONS: dict[str, tuple[View, ...]] = {
    "overlapping": (view("recent"), view("recent", 9), view("like"), view("lifetime")),
    "partition": (
        view("recent"),
        view("like", disjoint=True),
        view("user.artist", disjoint=True),
        view("request.genre", disjoint=True),
        view("lifetime", disjoint=True),
        view("recent", disjoint=True),
    ),
    "disjoint after overlapping": (
        view("lifetime", 20),
        view("user.genre", 7),
        view("lifetime", 6, disjoint=True),
        view("no_click", 400, disjoint=True),
        view("recent", disjoint=True),
    ),
    "merged": (merged(view("recent"), view("like", 8), view("lifetime", 3)),),
    "merged partition": (
        merged(view("request.artist"), view("recent", disjoint=True), view("lifetime", 9)),
    ),
    "merged beside others": (
        view("recent", 7),
        merged(view("recent", 3), view("like+share", 4, disjoint=True)),
        merged(view("recent", 3), view("like+share", 4, disjoint=True), disjoint=True),
        merged(merged(view("user.item"), view("like")), view("recent", 2, disjoint=True)),
        view("click", disjoint=True),
    ),
}


@pytest.fixture(scope="module")
def music() -> Schema:
    rng = np.random.default_rng(0)
    return Schema(
        num_items=ITEMS,
        behaviours=BEHAVIOURS,
        action_labels=tuple((a & 1, a >> 1 & 1, a >> 2) for a in range(8)),
        scenarios=("home",),
        item_attributes={
            "artist": ItemAttribute(size=14, of_item=rng.integers(0, 14, ITEMS)),
            "genre": ItemAttribute(size=7, of_item=rng.integers(0, 7, ITEMS)),
            "item": ItemAttribute(size=ITEMS, of_item=np.arange(ITEMS)),
        },
        request_attributes={},
        max_candidates=4,
    )


@pytest.fixture(scope="module")
def log_of(music: Schema) -> Callable[[int], EventLog]:
    """Users with none, one, a few, and 250 events, some of them at the same time."""

    def build(seed: int) -> EventLog:
        rng = np.random.default_rng(seed)
        counts = rng.permutation([0, 0, 1, 1, 2, 3, 10, 30, 60, 250])
        users = np.repeat(np.arange(len(counts)), counts)
        rare = rng.random(len(users)) < 0.5
        return build_log(
            music,
            users=users,
            items=np.where(rare, rng.integers(0, ITEMS, len(users)), users * 5 % ITEMS),
            actions=rng.choice([0, 1, 1, 1, 2, 3, 4, 7], len(users)),
            scenarios=np.zeros(len(users), int),
            times=rng.integers(0, 300, len(users)),
            num_users=len(counts),
        )

    return build


def by_hand(
    log: EventLog, table: RequestTable, row: int, views: Sequence[View], skip: set[int]
) -> list[list[int]]:
    """What `View` says, event by event, for one request."""
    start = int(table.start[row])
    history = range(int(log.user_offsets[table.user[row]]), start)
    slate = range(start, int(table.stop[row]))
    found: list[list[int]] = []
    for v in views:
        unwanted = skip.union(*found) if v.disjoint else skip
        if v.strategy == "merged":
            parts = by_hand(log, table, row, v.of, unwanted)
            found.append(sorted(set().union(*parts)))
            continue
        wanted = wanted_by_hand(log, history, slate, v.strategy)
        chosen = [e for e in history if e in wanted and e not in unwanted]
        if v.strategy == "lifetime":
            last, n = len(chosen) - 1, min(len(chosen), v.length)
            steps = [((n - 1 - j) * last) // (n - 1) if n > 1 else 0 for j in range(n)]
            found.append([chosen[last - step] for step in steps])
        else:
            found.append(chosen[-v.length :])
    return found


def wanted_by_hand(log: EventLog, history: range, slate: range, strategy: str) -> set[int]:
    if strategy in ("recent", "lifetime"):
        return set(history)
    by, _, attribute = strategy.partition(".")
    if attribute:
        value_of = log.schema.item_attributes[attribute].of_item[log.items].tolist()
        count = Counter(value_of[e] for e in history)
        last = {value_of[e]: e for e in history}
        top = sorted(count, key=lambda value: (-count[value], -last[value]))[:TOP_VALUES]
        values = top if by == "user" else [value_of[e] for e in slate]
        return {e for e in history if value_of[e] in values}
    negated = strategy.startswith("no_")
    columns = [BEHAVIOURS.index(name) for name in strategy.removeprefix("no_").split("+")]
    labels = log.schema.action_labels
    return {e for e in history if any(labels[log.actions[e]][c] for c in columns) != negated}


def events_of(read: Read) -> list[list[int]]:
    """The events of each request; what is padded is 0 and stands at the end."""
    events, mask = read
    assert events.shape == mask.shape
    assert mask.shape[1] == max(1, mask.sum(1).max())
    assert not events[~mask].any()
    assert (np.diff(mask.astype(int), axis=1) <= 0).all()
    return [row[chosen].tolist() for row, chosen in zip(events, mask)]


def check_against_loops(log: EventLog, views: tuple[View, ...], seed: int) -> None:
    """Views read at random requests, some of them twice, against the loops."""
    table = cut_requests(log, max_candidates=4)
    rows = np.random.default_rng(seed).integers(0, len(table), 70)
    chosen = table.select(rows)
    index = ViewIndex(log)
    reads = index.read(views, chosen)
    expected = [by_hand(log, table, row, views, set()) for row in rows]
    for column, read in enumerate(reads):
        assert events_of(read) == [e[column] for e in expected], views[column]
        events, mask = read
        assert (events < chosen.start[:, None])[mask].all()
    lengths = index.lengths(views, chosen)
    assert lengths.tolist() == [[len(part) for part in e] for e in expected]
    assert distinct_events(reads).tolist() == [len(set().union(*e)) for e in expected]
    batch = BatchMaker(log).make_batch(table, rows, views)
    assert batch.lengths().tolist() == lengths.tolist()
    assert batch.distinct_events.tolist() == distinct_events(reads).tolist()


@pytest.mark.parametrize("length", [1, 2, 7, 400])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_equals_plain_loops(
    strategy: str, length: int, log_of: Callable[[int], EventLog]
) -> None:
    for seed in range(2):
        views = (view("like", 3), view(strategy, length), view(strategy, length, disjoint=True))
        check_against_loops(log_of(seed), views, seed)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_combinations_equal_plain_loops(name: str, log_of: Callable[[int], EventLog]) -> None:
    for seed in range(3):
        check_against_loops(log_of(seed), COMBINATIONS[name], seed)


@pytest.mark.parametrize("seed", range(25))
def test_random_combinations_equal_plain_loops(
    seed: int, log_of: Callable[[int], EventLog]
) -> None:
    rng = np.random.default_rng(seed)

    def some(count: int) -> tuple[View, ...]:
        return tuple(
            view(str(s), int(rng.integers(1, 40)), disjoint=bool(rng.random() < 0.6))
            for s in rng.choice(STRATEGIES, count)
        )

    views = (*some(2), merged(*some(3), disjoint=bool(seed % 2)), *some(2))
    check_against_loops(log_of(seed), views, seed)


@pytest.mark.parametrize("shuffled", [False, True])
def test_equally_frequent_values_go_by_the_last_time(music: Schema, shuffled: bool) -> None:
    """Users of 1 to 9 values, each met equally often up to one."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(9), 40)
    items = np.tile(np.arange(40), 9) % (users + 1)
    if shuffled:
        items = rng.permuted(items.reshape(9, 40), axis=1).ravel()
    zeros = np.zeros(len(users), int)
    log = build_log(
        music, users=users, items=items, actions=zeros, scenarios=zeros, times=np.arange(360)
    )
    for length in (3, 40):
        check_against_loops(
            log, (view("user.item", length), view("user.item", 4, disjoint=True)), length
        )


def test_a_history_without_events_and_one_with_a_single_event_are_fine(
    log_of: Callable[[int], EventLog],
) -> None:
    log = log_of(0)
    table = cut_requests(log, max_candidates=1)
    before = table.start - log.user_offsets[table.user]
    views = tuple(view(s, 3) for s in STRATEGIES) + COMBINATIONS["partition"]
    empty, single = (table.select(before == n) for n in (0, 1))
    assert len(empty)
    assert len(single)
    for events, mask in ViewIndex(log).read(views, empty):
        assert not mask.any()
        assert not events.any()
    for events, mask in ViewIndex(log).read((view("recent"), view("user.item")), single):
        assert events.tolist() == (single.start[:, None] - 1).tolist()
        assert mask.all()
    none = table.select(np.zeros(0, int))
    for events, mask in ViewIndex(log).read(views, none):
        assert events.shape == mask.shape == (0, 1)
    assert ViewIndex(log).lengths(views, none).shape == (0, len(views))


def test_a_strategy_that_no_event_fits_is_empty_also_where_views_are_disjoint(
    log_of: Callable[[int], EventLog],
) -> None:
    log = log_of(0)
    log = dataclasses.replace(log, actions=np.zeros_like(log.actions))
    views = (view("recent"), view("like+share", disjoint=True), merged(view("like"), view("share")))
    recent, joined, both = ViewIndex(log).read(views, cut_requests(log, max_candidates=4))
    assert recent[1].any()
    assert not joined[1].any()
    assert not both[1].any()


def test_lifetime_reaches_from_the_oldest_to_the_newest_in_even_steps(
    log_of: Callable[[int], EventLog],
) -> None:
    log = log_of(0)
    table = cut_requests(log, max_candidates=4)
    first = log.user_offsets[table.user]
    for length in (2, 3, 16, 64):
        read = ViewIndex(log).read((view("lifetime", length),), table)[0]
        for events, oldest, start in zip(events_of(read), first, table.start):
            if start == oldest:
                continue
            assert events[-1] == start - 1
            assert len(events) == min(length, start - oldest)
            assert len(events) == 1 or events[0] == oldest
            steps = np.diff(events)
            assert len(events) < 3 or np.ptp(steps) <= 1


def test_disjoint_views_partition_the_history(log_of: Callable[[int], EventLog]) -> None:
    """Nothing is read twice, and what a strategy allows is not given up before it is used up."""
    log = log_of(3)
    table = cut_requests(log, max_candidates=4)
    names = ("recent", "like", "user.artist", "request.genre", "lifetime")
    views = tuple(view(name, 8, disjoint=True) for name in names)
    index = ViewIndex(log)
    reads = index.read(views, table)
    lengths = index.lengths(views, table)
    assert distinct_events(reads).tolist() == lengths.sum(1).tolist()
    whole = [index.lengths((view(name, 9999),), table)[:, 0] for name in names]
    before = np.zeros(len(table), int)
    for column, available in enumerate(whole):
        assert (lengths[:, column] >= np.minimum(8, available - before)).all()
        before += lengths[:, column]


def test_consecutive_disjoint_windows_are_one_long_window(
    log_of: Callable[[int], EventLog],
) -> None:
    log = log_of(1)
    table = cut_requests(log, max_candidates=4)
    for name in ("recent", "like", "user.artist", "request.genre"):
        parts = (view(name, 6), view(name, 5, disjoint=True), view(name, 9, disjoint=True))
        both = ViewIndex(log).read((merged(*parts), view(name, 20)), table)
        assert events_of(both[0]) == events_of(both[1])


def test_a_merged_view_is_the_sorted_union(log_of: Callable[[int], EventLog]) -> None:
    log = log_of(2)
    table = cut_requests(log, max_candidates=4)
    of = COMBINATIONS["partition"]
    index = ViewIndex(log)
    parts = [events_of(read) for read in index.read(of, table)]
    (together,) = index.read((merged(*of),), table)
    for i, events in enumerate(events_of(together)):
        assert events == sorted(set().union(*(part[i] for part in parts)))
        assert (np.diff(log.times[events]) >= 0).all()
    assert distinct_events([together]).tolist() == index.lengths(of, table).sum(1).tolist()
