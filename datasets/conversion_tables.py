"""Events and dictionaries as tables of a database that outlives a killed run.

Each stage is one transaction, noted in the table `stages`: after a kill it is there whole or not at
all. DuckDB verifies the checksum of every block that it reads back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import duckdb

from scaling.datasets.conversion_engine import Engine

if TYPE_CHECKING:
    from scaling.datasets.source import SourceTables

COLUMNS = {
    "user": ("BIGINT", "VARCHAR"),
    "item": ("BIGINT", "VARCHAR"),
    "time": ("BIGINT",),
    "action": ("UTINYINT",),
    "scenario": ("UTINYINT",),
    "row": ("BIGINT",),
}
"""Of the query of events, with the types that they may have."""

FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999: what a calendar can show."""

Facts = dict[str, Any]


def stage(engine: Engine, name: str, make: Callable[[], Facts]) -> Facts:
    """What `make` found out; it is called only if no earlier run has finished the stage."""
    engine.connection.execute("CREATE TABLE IF NOT EXISTS stages (name VARCHAR, facts VARCHAR)")
    done = engine.connection.execute("SELECT facts FROM stages WHERE name = ?", [name]).fetchone()
    if done is not None:
        return dict(json.loads(done[0]))
    engine.connection.execute("BEGIN TRANSACTION")
    try:
        facts = make()
        note(engine, name, facts)
        engine.connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):  # a commit that failed has rolled back
            engine.connection.execute("ROLLBACK")
        raise
    return facts


def note(engine: Engine, name: str, facts: Facts) -> None:
    """Keeps what a finished stage found out."""
    engine.connection.execute("INSERT INTO stages VALUES (?, ?)", [name, json.dumps(facts)])


def read_events(engine: Engine, tables: SourceTables) -> Facts:
    """Makes the table `events` of the source's query, checked; counts what was left out.

    Raises:
        ValueError: a column of another type, an empty or impossible value, no events at all.
        duckdb.Error: the files can't be read.
    """
    types = _types(engine, tables.events)
    for name, valid in COLUMNS.items():
        if types.get(name) not in valid:
            raise ValueError(
                f"the query of events must have the column {name!r} of type "
                f"{' or '.join(valid)}, got {types.get(name, 'none')}"
            )
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    counted = "copies" in types
    query = f"SELECT {names}{', copies' if counted else ''} FROM ({tables.events})"
    read = None
    if tables.duplicates == "removed":
        counted = True
        same = ", ".join(f'"{name}"' for name in COLUMNS if name != "row")
        query = (
            f'SELECT {same}, min("row") AS "row", count(*) AS copies FROM ({query}) GROUP BY {same}'
        )
    engine.run("read events", f"CREATE TABLE events AS {query}")
    if counted:
        ((read,),) = engine.rows("read events", "SELECT sum(copies) FROM events")
        engine.run("read events", "ALTER TABLE events DROP COLUMN copies")
    ((events, unknown),) = engine.rows(
        "check events", 'SELECT count(*), count(*) - count("time") FROM events'
    )
    if not events:
        raise ValueError("the source holds no events")
    _check_events(engine, tables)
    facts = {"events_read": int(read or events), "events_of_unknown_time": unknown}
    if read is not None:
        facts["duplicates_removed"] = int(read) - events
    return facts


def _check_events(engine: Engine, tables: SourceTables) -> None:
    complaints = {
        '"user" IS NULL': "has no user",
        'item IS NULL': "has no item",
        '"row" IS NULL': "has no place in the files",
        f'"time" NOT BETWEEN {FIRST_SECOND} AND {LAST_SECOND}': (
            "has a time outside of the years 1 to 9999; the unit may be another than seconds"
        ),
        f"action IS NULL OR action >= {len(tables.action_labels)}": (
            f"has an action outside of 0 .. {len(tables.action_labels) - 1}"
        ),
        f"scenario IS NULL OR scenario >= {len(tables.scenarios)}": (
            f"has a scenario outside of 0 .. {len(tables.scenarios) - 1}"
        ),
    }  # fmt: skip
    counts = ", ".join(f"count(*) FILTER ({condition})" for condition in complaints)
    (found,) = engine.rows("check events", f"SELECT {counts} FROM events")
    for (condition, words), count in zip(complaints.items(), found):
        if count:
            ((row, event),) = engine.rows(
                "check events",
                f'SELECT "row", events FROM events WHERE {condition} ORDER BY "row" LIMIT 1',
            )
            raise ValueError(
                f"{count} events of the source are not valid; row {row} {words}: {event}"
            )


def make_dictionaries(engine: Engine, min_user_events: int, min_item_events: int) -> Facts:
    """Makes `users` and `items` (number, id, events): those kept, by ascending official id.

    The filter is repeated until every user that is left has `min_user_events` events on items that
    are left, and every item `min_item_events` of them.

    Raises:
        ValueError: no event is left.
    """
    for kept, column, least in (
        ("users", '"user"', min_user_events),
        ("items", "item", min_item_events),
    ):
        engine.run(
            "make dictionaries",
            f"CREATE TEMP TABLE kept_{kept} AS SELECT {column} AS id, count(*) AS events "
            f"FROM events GROUP BY 1 HAVING count(*) >= {least}",
        )
    rounds = 0
    while min_user_events > 1 or min_item_events > 1:
        before = _sizes(engine)
        rounds += 1
        for kept, column, least in (
            ("kept_users", '"user"', min_user_events),
            ("kept_items", "item", min_item_events),
        ):
            engine.run(
                f"filter, round {rounds}",
                f"CREATE TEMP TABLE still_kept AS SELECT {column} AS id, count(*) AS events "
                'FROM events SEMI JOIN kept_users ON events."user" = kept_users.id '
                "SEMI JOIN kept_items ON events.item = kept_items.id "
                f"GROUP BY 1 HAVING count(*) >= {least}",
            )
            engine.run(f"filter, round {rounds}", f"DROP TABLE {kept}")
            engine.run(f"filter, round {rounds}", f"ALTER TABLE still_kept RENAME TO {kept}")
        if _sizes(engine) == before:
            break
    for name in ("users", "items"):
        engine.run(
            "make dictionaries",
            f"CREATE TABLE {name} AS SELECT (row_number() OVER (ORDER BY id) - 1)::INTEGER "
            f"AS number, id, events FROM kept_{name}",
        )
        engine.run("make dictionaries", f"DROP TABLE kept_{name}")
    ((num_users, events),) = engine.rows(
        "make dictionaries", "SELECT count(*), sum(events) FROM users"
    )
    ((num_items,),) = engine.rows("make dictionaries", "SELECT count(*) FROM items")
    if not events:
        raise ValueError(
            f"no event is left with min_user_events = {min_user_events} and min_item_events = "
            f"{min_item_events}; choose smaller ones"
        )
    return {"users": num_users, "items": num_items, "events": int(events), "filter_rounds": rounds}


def _sizes(engine: Engine) -> tuple[Any, ...]:
    (sizes,) = engine.rows(
        "make dictionaries", "SELECT (SELECT (count(*), sum(events)) FROM kept_users), "
        "(SELECT (count(*), sum(events)) FROM kept_items)"
    )  # fmt: skip
    return sizes


def make_attributes(engine: Engine, kind: str, query: str) -> Facts:
    """Makes `users_described` or `items_described` (`kind` is `user` or `item`).

    That is the dictionary with the attributes of `query`, and of each the code `NAME_code`: 0 is
    unknown, the others ascend with the value.

    Returns:
        By attribute the number of codes, and how many listed users or items have no event.

    Raises:
        ValueError: an id is missing or there twice, or is of another type than in the events.
    """
    dictionary = f"{kind}s"
    if not query:
        engine.run("read attributes", f"CREATE VIEW {dictionary}_described AS FROM {dictionary}")
        return {"sizes": {}}
    types = _types(engine, query)
    wanted = _types(engine, f"SELECT id FROM {dictionary}")["id"]
    if types.get(kind) != wanted:
        raise ValueError(
            f"the query of {dictionary} must have the column {kind!r} of type {wanted} as the "
            f"events have, got {types.get(kind, 'none')}"
        )
    names = [name for name in types if name != kind]
    for name in names:
        if not name.isidentifier() or name in ("number", "id", "events"):
            raise ValueError(f"{name!r} can't be the name of an attribute of the {dictionary}")
    engine.run("read attributes", f"CREATE TEMP TABLE listed AS {query}")
    twice = engine.rows(
        "read attributes",
        f'SELECT "{kind}", count(*) FROM listed GROUP BY 1 HAVING count(*) > 1 OR "{kind}" IS NULL '
        "ORDER BY 1 LIMIT 1",
    )
    if twice:
        raise ValueError(
            f"the {kind} {twice[0][0]!r} is listed {twice[0][1]} times among the {dictionary}; "
            "each needs to be there once"
        )
    codes = "".join(
        f', "{name}", CASE WHEN "{name}" IS NULL THEN 0 ELSE '
        f'dense_rank() OVER (ORDER BY "{name}" NULLS LAST) END AS "{name}_code"'
        for name in names
    )
    engine.run(
        "read attributes",
        f"CREATE TABLE {dictionary}_described AS SELECT number, id, events{codes} "
        f'FROM {dictionary} LEFT JOIN listed ON id = "{kind}"',
    )
    sizes = "".join(f', max("{name}_code") + 1' for name in names)
    ((known, *found),) = engine.rows(
        "read attributes",
        f'SELECT (SELECT count(*) FROM listed SEMI JOIN {dictionary} ON id = "{kind}"){sizes} '
        f"FROM {dictionary}_described",
    )
    ((listed,),) = engine.rows("read attributes", "SELECT count(*) FROM listed")
    ((there,),) = engine.rows("read attributes", f"SELECT count(*) FROM {dictionary}")
    engine.run("read attributes", "DROP TABLE listed")
    return {
        "sizes": dict(zip(names, found)),
        f"{dictionary}_listed_without_events": listed - known,
        f"{dictionary}_without_attributes": there - known,
    }


def _types(engine: Engine, query: str) -> dict[str, str]:
    """The types of a query's columns, by name."""
    return {row[0]: row[1] for row in engine.connection.execute(f"DESCRIBE {query}").fetchall()}
