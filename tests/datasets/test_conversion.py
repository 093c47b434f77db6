"""What the converter writes is what a few lines of plain Python say, whatever it was given."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from scaling.datasets import conversion_columns, conversion_parts
from scaling.datasets.conversion import Conversion, convert
from scaling.datasets.conversion_engine import quiet, resident_bytes
from scaling.datasets.log import UNKNOWN_TIME, EventLog
from scaling.datasets.source import SourceTables
from scaling.datasets.store import is_stored, load_log

GB = 10**9
Event = tuple[Any, Any, int | None, int, int, int]
"""User, item, time, action, scenario, row."""

TABLES = SourceTables(
    events="",
    behaviours=("click", "like"),
    action_labels=((0, 0), (1, 0), (1, 1)),
    scenarios=("home", "search"),
)


def random_events(seed: int, count: int = 900, *, text: bool = False) -> list[Event]:
    """Many ties, repeats and unknown times; rows in no order."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(3 * count)[:count].tolist()
    events: list[Event] = []
    for row in rows:
        user, item = int(rng.integers(1, 30)) * 7, int(rng.integers(0, 60)) - 20
        if events and rng.random() < 0.05:
            events.append((*events[-1][:5], row))
            continue
        time = None if rng.random() < 0.05 else int(rng.integers(0, 40)) * 1000
        ids = (f"u{user}", f"it'em {item}") if text else (user, item)
        events.append((*ids, time, int(rng.integers(0, 3)), int(rng.integers(0, 2)), row))
    return events


def relation(tmp_path: Path, events: list[Event]) -> str:
    names = ("user", "item", "time", "action", "scenario", "row")
    text = isinstance(events[0][0], str)
    ids = pa.string() if text else pa.int64()
    kinds = (ids, ids, pa.int64(), pa.uint8(), pa.uint8(), pa.int64())
    columns = {
        name: pa.array([event[place] for event in events], kind)
        for place, (name, kind) in enumerate(zip(names, kinds))
    }
    path = tmp_path / f"events-{len(list(tmp_path.iterdir()))}.parquet"
    pa_parquet.write_table(pa.table(columns), path, row_group_size=100)
    return f"SELECT * FROM read_parquet('{path}')"


def run(
    tables: SourceTables,
    path: Path,
    *,
    user_core: int = 1,
    item_core: int = 1,
    memory: int | None = None,
    threads: int | None = 2,
) -> tuple[EventLog, dict[str, Any]]:
    conversion = Conversion(
        tables=lambda connection: tables,
        min_user_events=user_core,
        min_item_events=item_core,
        max_candidates=16,
        record={"files": {"made": "up"}},
    )
    limit = memory or resident_bytes() + GB  # whatever other tests have loaded
    convert(conversion, path, memory=limit, threads=threads, progress=quiet)
    return load_log(path)


def expected(events: list[Event], user_core: int = 1, item_core: int = 1) -> list[Event]:
    """The events that are left, sorted; by the definition of a core."""
    kept = events
    while True:
        users, items = Counter(e[0] for e in kept), Counter(e[1] for e in kept)
        smaller = [e for e in kept if users[e[0]] >= user_core and items[e[1]] >= item_core]
        if len(smaller) == len(kept):
            return sorted(kept, key=lambda e: (e[0], UNKNOWN_TIME if e[2] is None else e[2], e[5]))
        kept = smaller


def ids_of(path: Path, name: str) -> list[Any]:
    table = pa_parquet.read_table(path / f"{name}.parquet")
    assert table["number"].to_pylist() == list(range(len(table)))
    return list(table["id"].to_pylist())


def check_log(log: EventLog, path: Path, wanted: list[Event]) -> None:
    users, items = ids_of(path, "users"), ids_of(path, "items")
    assert users == sorted({e[0] for e in wanted})
    assert items == sorted({e[1] for e in wanted})
    assert [users[u] for u in log.users()] == [e[0] for e in wanted]
    assert [items[i] for i in log.items] == [e[1] for e in wanted]
    times = [UNKNOWN_TIME if e[2] is None else e[2] for e in wanted]
    assert log.times.tolist() == times
    assert log.actions.tolist() == [e[3] for e in wanted]
    assert log.scenarios.tolist() == [e[4] for e in wanted]
    assert pa_parquet.read_table(path / "users.parquet")["events"].to_pylist() == [
        Counter(e[0] for e in wanted)[user] for user in users
    ]


def check_parts(log: EventLog, path: Path) -> int:
    """The Parquet log holds the same events; each user is in one part. How many parts there are."""
    parts = [pa_parquet.read_table(p) for p in sorted((path / "events").iterdir())]
    seen = [set(part["user"].to_pylist()) for part in parts]
    assert sum(map(len, seen)) == len(set().union(*seen))
    table = pa.concat_tables(parts)
    assert table["user"].to_pylist() == log.users().tolist()
    for name, column in (("item", log.items), ("action", log.actions), ("scenario", log.scenarios)):
        assert table[name].to_pylist() == column.tolist()
    assert table["time"].fill_null(UNKNOWN_TIME).to_pylist() == log.times.tolist()
    return len(parts)


@pytest.mark.parametrize("text", [False, True])
def test_events_are_sorted_numbered_and_whole(
    text: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion_columns, "CHUNK_EVENTS", 64)
    monkeypatch.setattr(conversion_parts, "PART_EVENTS", 200)
    events = random_events(0, text=text)
    path = tmp_path / "log"
    log, facts = run(dataclasses.replace(TABLES, events=relation(tmp_path, events)), path)
    check_log(log, path, expected(events))
    assert check_parts(log, path) > 2
    assert log.fingerprint() == facts["log_fingerprint"]
    assert facts["events_read"] == len(events)
    assert facts["events_of_unknown_time"] == sum(e[2] is None for e in events)
    alike = Counter(e[:5] for e in events if e[2] is not None)
    assert facts["repeats"] == sum(count - 1 for count in alike.values()) > 10
    assert sorted(p.name for p in tmp_path.iterdir()) == ["events-0.parquet", "log"]


@pytest.mark.parametrize(("user_core", "item_core"), [(26, 1), (1, 12), (24, 10)])
def test_a_core_is_what_its_definition_says(user_core: int, item_core: int, tmp_path: Path) -> None:
    events = random_events(1)
    wanted = expected(events, user_core, item_core)
    assert 0 < len(wanted) < len(events)
    tables = dataclasses.replace(TABLES, events=relation(tmp_path, events))
    log, facts = run(tables, tmp_path / "log", user_core=user_core, item_core=item_core)
    check_log(log, tmp_path / "log", wanted)
    assert facts["events_left_out"] == len(events) - len(wanted)


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    tables = dataclasses.replace(TABLES, events=relation(tmp_path, random_events(1)))
    with pytest.raises(ValueError, match="no event is left with min_user_events = 1000"):
        run(tables, tmp_path / "log", user_core=1000)
    assert not is_stored(tmp_path / "log")


def test_duplicates_are_removed_where_asked_and_counted(tmp_path: Path) -> None:
    events = random_events(2)
    copies = [(*e[:5], 10_000 + place) for place, e in enumerate(events[:50])]
    first: dict[Any, Event] = {}
    for event in sorted(events + copies, key=lambda e: e[5]):
        first.setdefault(event[:5], event)
    tables = dataclasses.replace(
        TABLES, events=relation(tmp_path, events + copies), duplicates="removed"
    )
    log, facts = run(tables, tmp_path / "log")
    check_log(log, tmp_path / "log", expected(list(first.values())))
    assert facts["duplicates_removed"] == len(events) + 50 - len(first) >= 50
    assert (facts["repeats"], facts["events_left_out"]) == (0, 0)


def test_attributes_become_codes(tmp_path: Path) -> None:
    events = random_events(3)
    items = sorted({e[1] for e in events})
    listed = "SELECT * FROM (VALUES ({}, 'b', NULL), ({}, 'a', 5), ({}, 'a', 7), (999, 'c', 1)) t(item, maker, year)"
    tables = dataclasses.replace(
        TABLES,
        events=relation(tmp_path, events),
        items=f"SELECT item::BIGINT AS item, maker, year FROM ({listed.format(*items[:3])})",
        users="SELECT 7::BIGINT AS \"user\", 'old' AS age UNION ALL SELECT 14, 'young'",
    )
    log, facts = run(tables, tmp_path / "log")
    maker, year = (log.schema.item_attributes[name] for name in ("maker", "year"))
    assert (maker.size, year.size) == (3, 3)
    assert maker.of_item.tolist()[:4] == [2, 1, 1, 0]
    assert year.of_item.tolist()[:4] == [0, 1, 2, 0]
    assert dict(log.schema.request_attributes) == {"age": 3}
    assert log.user_attributes[:3, 0].tolist() == [1, 2, 0]
    assert facts["items_listed_without_events"] == 1
    assert facts["items_without_attributes"] == len(items) - 3
    told = pa_parquet.read_table(tmp_path / "log" / "items.parquet").slice(0, 2).to_pydict()
    assert (told["maker"], told["maker_code"]) == (["b", "a"], [2, 1])


def test_an_item_listed_twice_is_an_error(tmp_path: Path) -> None:
    tables = dataclasses.replace(
        TABLES,
        events=relation(tmp_path, random_events(3)),
        items="SELECT 5::BIGINT AS item, 1 AS maker UNION ALL SELECT 5, 2",
    )
    with pytest.raises(ValueError, match="the item 5 is listed 2 times among the items"):
        run(tables, tmp_path / "log")


def test_the_same_events_make_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For any threads, memory and order of the rows; another event changes the fingerprint."""
    monkeypatch.setattr(conversion_parts, "PART_EVENTS", 3000)
    events = random_events(4, 20_000)
    found = []
    for number, (threads, gigabytes, order) in enumerate(
        [(1, 1, events), (2, 1, events), (3, 3, events), (2, 1, events[::-1])]
    ):
        path = tmp_path / f"log-{number}"
        tables = dataclasses.replace(TABLES, events=relation(tmp_path, order))
        run(tables, path, threads=threads, memory=resident_bytes() + gigabytes * GB)
        found.append({p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()})
    assert all(files == found[0] for files in found[1:])
    other = [*events[1:], (*events[0][:3], (events[0][3] + 1) % 3, *events[0][4:])]
    tables = dataclasses.replace(TABLES, events=relation(tmp_path, other))
    log, _ = run(tables, tmp_path / "other")
    assert log.fingerprint() != load_log(tmp_path / "log-0")[0].fingerprint()


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ((None, 1, 5, 0, 0, 77), "row 77 has no user"),
        ((1, None, 5, 0, 0, 77), "row 77 has no item"),
        ((1, 1, 10**15, 0, 0, 77), "row 77 has a time outside of the years 1 to 9999"),
        ((1, 1, -(10**15), 0, 0, 77), "row 77 has a time outside"),
        ((1, 1, 5, 3, 0, 77), r"row 77 has an action outside of 0 \.\. 2"),
        ((1, 1, 5, 0, 2, 77), r"row 77 has a scenario outside of 0 \.\. 1"),
        ((1, 1, 5, 0, 0, None), "None has no place"),
    ],
)
def test_impossible_events_are_named(event: Event, words: str, tmp_path: Path) -> None:
    tables = dataclasses.replace(TABLES, events=relation(tmp_path, [(1, 1, 5, 0, 0, 1), event]))
    with pytest.raises(ValueError, match=words):
        run(tables, tmp_path / "log")
    assert not is_stored(tmp_path / "log")


def test_events_of_one_place_and_time_have_no_order(tmp_path: Path) -> None:
    tables = dataclasses.replace(
        TABLES, events=relation(tmp_path, [(1, 1, 5, 0, 0, 8), (1, 2, 5, 0, 0, 8)])
    )
    with pytest.raises(ValueError, match="stand at the same place 8"):
        run(tables, tmp_path / "log")


def test_too_little_memory_says_how_much_is_needed(tmp_path: Path) -> None:
    tables = dataclasses.replace(TABLES, events=relation(tmp_path, random_events(0)))
    with pytest.raises(
        ValueError, match=r"0\.10 GB of memory are too little: at least \d\.\d\d GB"
    ):
        run(tables, tmp_path / "log", memory=10**8)


def test_a_query_of_other_types_is_refused(tmp_path: Path) -> None:
    tables = dataclasses.replace(
        TABLES, events='SELECT 1 AS "user", 2 AS item, 3 AS "time", 4 AS action, 5 AS scenario'
    )
    with pytest.raises(ValueError, match="'user' of type BIGINT or VARCHAR, got INTEGER"):
        run(tables, tmp_path / "log")
