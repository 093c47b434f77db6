"""Events of any number, as a source's queries give them, into a prepared log; out of core.

The folder of a prepared log holds what `scaling.datasets.store.load_log` maps into memory, and for
other programs the same as Parquet: `events/part-*.parquet`, sorted by user, time and place in the
files, each user in one part; `users.parquet` and `items.parquet`, which lead from numbers to
official ids. Numbers ascend with the official id, so that nothing depends on threads.

Work goes on in a folder beside it, `.NAME.partial`, which outlives a killed run: its finished
stages (events read, dictionaries made, each part of the users written) are found again and
verified. The result takes its name at the end.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from scaling.batch import ItemAttribute, Schema
from scaling.config import canonical_json
from scaling.datasets.conversion_columns import ColumnFile, column_blocks
from scaling.datasets.conversion_dictionaries import write_dictionary
from scaling.datasets.conversion_engine import Engine, Progress, explained, opened
from scaling.datasets.conversion_leftovers import work_folder
from scaling.datasets.conversion_parts import write_parts
from scaling.datasets.conversion_tables import (
    Facts,
    make_attributes,
    make_dictionaries,
    read_events,
    stage,
)
from scaling.datasets.locks import lock_file, locked
from scaling.datasets.schema import check_schema, schema_facts
from scaling.datasets.store import FORMAT, MANIFEST, is_stored

if TYPE_CHECKING:
    from scaling.datasets.source import SourceTables

VERSION = 1
"""Raised when the same tables make another log."""

DEFAULT_MEMORY = 4 * 10**9
"""Bytes that the process takes at most, unless told otherwise."""


@dataclass(frozen=True)
class Conversion:
    """What is converted and how."""

    tables: Callable[[duckdb.DuckDBPyConnection], SourceTables]
    min_user_events: int
    min_item_events: int
    max_candidates: int
    record: Mapping[str, Any]
    """Plain data for the manifest: source, options, checksums, licence."""


def convert(
    conversion: Conversion, path: Path, *, memory: int, threads: int | None, progress: Progress
) -> None:
    """Writes the prepared log at `path`, whole or not at all; waits where another process does.

    Args:
        memory: bytes that the process may take in all.
        threads: of DuckDB; by default as many as there are cores and memory for.

    Raises:
        ValueError: damaged files, too little memory, a full disk: with the cure.
    """
    work, lock = work_folder(path), lock_file(path)
    source = ", ".join(conversion.record["files"])
    with (
        explained(path, source, memory),
        locked(lock, lambda: progress("wait for another process", 0.0)),
    ):
        if is_stored(path):
            return
        work.mkdir(exist_ok=True)
        shutil.rmtree(work / "spilled", ignore_errors=True)
        _drop_damaged(work)
        result = work / "result"
        result.mkdir(exist_ok=True)
        with opened(
            work / "events.duckdb", memory=memory, threads=threads, progress=progress
        ) as engine:
            manifest = _write(engine, conversion, result)
        progress("fingerprint", 0.0)
        manifest["fingerprint"] = _fingerprint(manifest, result)
        (result / MANIFEST).write_text(json.dumps(manifest, indent=1))
        if path.exists():
            path.rename(work / "replaced")
        result.rename(path)
        shutil.rmtree(work, ignore_errors=True)
        progress("fingerprint", 1.0)


def _drop_damaged(work: Path) -> None:
    """A database that can't be opened, or of another release, is of no use: begin anew."""
    database = work / "events.duckdb"
    if not database.exists():
        return
    try:
        duckdb.connect(str(database)).close()
    except duckdb.Error:
        for file in work.glob("events.duckdb*"):
            file.unlink()


def _write(engine: Engine, conversion: Conversion, result: Path) -> dict[str, Any]:
    """Everything but the manifest, which is given back without its fingerprint."""
    tables = conversion.tables(engine.connection)
    try:
        read = stage(engine, "events", lambda: read_events(engine, tables))
    except (ValueError, duckdb.Error) as error:
        if tables.diagnose is not None and not isinstance(error, duckdb.OutOfMemoryException):
            tables.diagnose()
        raise
    counts = stage(
        engine,
        "dictionaries",
        lambda: make_dictionaries(engine, conversion.min_user_events, conversion.min_item_events),
    )
    attributes = {
        kind: stage(engine, f"{kind}s", partial(make_attributes, engine, kind, query))
        for kind, query in (("user", tables.users), ("item", tables.items))
    }
    schema = _schema(conversion, tables, counts["items"], attributes)
    check_schema(schema)
    arrays, parts = write_parts(engine, result, counts["events"])
    arrays |= _write_dictionaries(engine, schema, counts, result)
    left_out = {"events_left_out": read["events_read"] - counts["events"]}
    if "duplicates_removed" in read:
        left_out["events_left_out"] -= read["duplicates_removed"]
    more = {
        key: value
        for facts in attributes.values()
        for key, value in facts.items()
        if key != "sizes"
    }
    return {
        "format": FORMAT,
        "fingerprint": "",
        "schema": schema_facts(schema),
        "arrays": arrays,
        "facts": {
            "source": ", ".join(conversion.record["files"]),
            **tables.facts,
            **read,
            **left_out,
            "repeats": sum(part["repeats"] for part in parts),
            **more,
        },
        **conversion.record,
        "conversion": VERSION,
        "counts": counts,
        "parts": parts,
    }


def _schema(
    conversion: Conversion, tables: SourceTables, num_items: int, attributes: Mapping[str, Facts]
) -> Schema:
    """The items' values of attributes are not read here: they stand on the disk."""
    unread = np.broadcast_to(np.int64(0), (num_items,))
    return Schema(
        num_items=num_items,
        behaviours=tables.behaviours,
        action_labels=tables.action_labels,
        scenarios=tables.scenarios,
        item_attributes={
            name: ItemAttribute(size=size, of_item=unread)
            for name, size in attributes["item"]["sizes"].items()
        },
        request_attributes=attributes["user"]["sizes"],
        max_candidates=conversion.max_candidates,
    )


def _write_dictionaries(
    engine: Engine, schema: Schema, counts: Facts, result: Path
) -> dict[str, list[Any]]:
    """`users.parquet`, `items.parquet`, and the arrays made of them; what the manifest needs."""
    users, items = counts["users"], counts["items"]
    of_user = [f"{name}_code" for name in schema.request_attributes]
    offsets = ColumnFile(result / "user_offsets.npy", np.int64, (users + 1,))
    of_users = ColumnFile(result / "user_attributes.npy", np.int32, (users, len(of_user)))
    write_dictionary(
        engine.batches("users", "FROM users_described ORDER BY number", users),
        result / "users.parquet",
        {of_users: of_user} if of_user else {},
        offsets,
    )
    of_items = {
        ColumnFile(result / f"item_attribute.{name}.npy", np.int64, (items,)): [f"{name}_code"]
        for name in schema.item_attributes
    }
    write_dictionary(
        engine.batches("items", "FROM items_described ORDER BY number", items),
        result / "items.parquet",
        of_items,
    )
    return {file.path.stem: file.close() for file in (offsets, of_users, *of_items)}


def _fingerprint(manifest: Mapping[str, Any], folder: Path) -> str:
    """As `EventLog.fingerprint`, read from the files: what is mapped would count as memory."""
    digest = hashlib.sha256(canonical_json(manifest["schema"]).encode())
    first = ("user_offsets", "items", "actions", "scenarios", "times", "user_attributes")
    arrays = manifest["arrays"]
    for name in (*first, *(name for name in arrays if name not in first)):
        dtype, shape = arrays[name]
        digest.update(f"{name} {dtype} {tuple(shape)}".encode())
        for block in column_blocks(folder / f"{name}.npy"):
            digest.update(block)
    return digest.hexdigest()[:16]
