"""The events, sorted, part by part of the users: memory-mapped columns and Parquet.

A part is one sort, which fits in memory, and one file `events/part-00000.parquet`. Each finished
one is noted with the checksums of what it wrote; a run that goes on verifies them and begins behind
the last good one. Parts depend on the events alone: whatever batches, threads or memory they come
from, the files are the same to the last bit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pa_parquet

from scaling.datasets.conversion_columns import (
    CHUNK_EVENTS,
    STREAM,
    ColumnFile,
    blocks_digest,
    chunks,
    column_blocks,
    values_bytes,
)
from scaling.datasets.conversion_engine import Engine
from scaling.datasets.conversion_repeats import Columns, Repeats
from scaling.datasets.conversion_tables import Facts, note
from scaling.datasets.log import UNKNOWN_TIME

PART_EVENTS = 2**24
"""A part holds about so many events, all those of a user together."""

MOST_PARTS = 64
"""Each part reads the table of events once: where there are more events, parts are larger."""

ARRAYS = {"items": "item", "actions": "action", "scenarios": "scenario", "times": "time"}
"""The columns of a log, by the name of the file."""

SCHEMA = pa.schema(
    [(name, pa.from_numpy_dtype(kind)) for name, kind in STREAM.items() if name != "row"]
)
"""Of the Parquet files; a time that is not known is NULL there."""


def write_parts(engine: Engine, result: Path, events: int) -> tuple[dict[str, Any], list[Facts]]:
    """Writes `items`, `actions`, `scenarios` and `times` as npy files, and `events/`.

    Args:
        events: how many there are in all.

    Returns:
        The arrays for the manifest; of each part the file, first and last user, events, `repeats`
        and checksums.

    Raises:
        ValueError: two events of one user and time of the same place in the files.
    """
    folder = result / "events"
    folder.mkdir(parents=True, exist_ok=True)
    size = max(PART_EVENTS, -(-events // MOST_PARTS))
    ranges = engine.rows(
        "make dictionaries",
        "SELECT min(number), max(number), sum(events)::BIGINT, min(id), max(id) FROM (SELECT *, "
        f"(sum(events) OVER (ORDER BY number) - 1) // {size} AS part FROM users) GROUP BY part "
        "ORDER BY 1",
    )
    good = _verified(engine, result, len(ranges))
    done = sum(facts["events"] for facts in good)
    files = {
        name: ColumnFile(result / f"{name}.npy", STREAM[column], (events,), done)
        for name, column in ARRAYS.items()
    }
    with ExitStack() as stack:
        for file in files.values():
            stack.callback(file.file.close)
        for number in range(len(good), len(ranges)):
            first, last, count, first_id, last_id = ranges[number]
            path = folder / f"part-{number:05d}.parquet"
            head = {
                "file": path.name,
                "first_user": first,
                "last_user": last,
                "events": count,
            }
            batches = engine.batches(
                f"part {number + 1} of {len(ranges)}",
                _query(first_id, last_id),
                count,
            )
            facts = head | _write_part(batches, path, files)
            note(engine, f"part {number}", facts)
            good.append(facts)
    return {name: file.close() for name, file in files.items()}, good


def _query(first_id: int | str, last_id: int | str) -> str:
    """The events of the users from one official id to another, sorted."""
    between = " AND ".join(
        f'events."user" {sign} {_literal(bound)}'
        for sign, bound in ((">=", first_id), ("<=", last_id))
    )
    return (
        'SELECT users.number AS "user", items.number AS item, '
        f'coalesce("time", {UNKNOWN_TIME + 1} - 1) AS "time", action, scenario, "row" '
        'FROM events JOIN users ON events."user" = users.id JOIN items ON events.item = items.id '
        f"WHERE {between} ORDER BY 1, 3, 6"
    )


def _literal(value: int | str) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def _write_part(
    batches: Iterable[pa.RecordBatch], path: Path, files: Mapping[str, ColumnFile]
) -> Facts:
    """Appends a part to the columns and writes its Parquet file; counts and checksums."""
    repeats = Repeats()
    digests = {name: hashlib.sha256() for name in files}
    # Differences of neighbours are small: a third of the bytes, and quicker than a dictionary.
    writer = pa_parquet.ParquetWriter(
        path,
        SCHEMA,
        compression="snappy",
        use_dictionary=False,
        column_encoding=dict.fromkeys(SCHEMA.names, "DELTA_BINARY_PACKED"),
    )

    def encode(chunk: Columns) -> None:
        writer.write_batch(_batch(chunk), row_group_size=CHUNK_EVENTS)
        for name, column in ARRAYS.items():
            digests[name].update(values_bytes(chunk[column], files[name].dtype))

    with ExitStack() as stack:
        stack.callback(writer.close)
        # Encoding goes on beside the sort, which leaves a core idle now and then.
        pool = stack.enter_context(ThreadPoolExecutor(1))
        encoded: Future[None] | None = None
        for chunk in chunks(batches):
            repeats.count(chunk)
            if encoded is not None:
                encoded.result()
            encoded = pool.submit(encode, chunk)
            for name, column in ARRAYS.items():
                files[name].append(chunk[column])
        if encoded is not None:
            encoded.result()
    checksums = {name: digest.hexdigest() for name, digest in digests.items()}
    return {"repeats": repeats.found, "checksums": checksums | {"parquet": _file_digest(path)}}


def _batch(chunk: Columns) -> pa.RecordBatch:
    arrays = [
        pa.array(chunk[name], mask=_unknown(chunk[name]) if name == "time" else None)
        for name in SCHEMA.names
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _unknown(times: npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
    unknown: npt.NDArray[np.bool_] = times == UNKNOWN_TIME
    return unknown if unknown.any() else None


def _verified(engine: Engine, result: Path, parts: int) -> list[Facts]:
    """The parts of an earlier run that stand there as they were written, from the first on.

    What comes behind them is thrown away.
    """
    noted = dict(
        engine.rows("verify parts", "SELECT name, facts FROM stages WHERE name LIKE 'part %'")
    )
    good: list[Facts] = []
    done = 0
    while len(good) < parts and f"part {len(good)}" in noted:
        facts = dict(json.loads(noted[f"part {len(good)}"]))
        stop = done + facts["events"]
        if _checksums(result, facts["file"], done, stop) != facts["checksums"]:
            break
        good.append(facts)
        done = stop
    for number in range(len(good), parts):
        engine.run("verify parts", f"DELETE FROM stages WHERE name = 'part {number}'")
    kept = {facts["file"] for facts in good}
    for path in (result / "events").iterdir():
        if path.name not in kept:
            path.unlink()
    return good


def _checksums(result: Path, name: str, start: int, stop: int) -> dict[str, str]:
    """Of a part as it stands on the disk; empty where a file is missing or damaged."""
    try:
        found = {
            column: blocks_digest(column_blocks(result / f"{column}.npy", start, stop))
            for column in ARRAYS
        }
        return found | {"parquet": _file_digest(result / "events" / name)}
    except (OSError, ValueError):
        return {}


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
