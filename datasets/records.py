"""Logs of single items as records, one per request, and back: nothing is lost.

A production log has one row per user, request and item, with the history snapshot in every row. A record
is one row per request: its own columns (user, time, scenario, history) once, and a list for each column
that differs between its items, in the order of the rows. Types, nulls and the order of all rows come
back (Climber, arXiv 2502.09888, section 3.3: compression of single-item samples).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet

from scaling.datasets.arrow_equal import comparable, differ
from scaling.datasets.record_files import TableFile, plain_type
from scaling.datasets.record_requests import ROW, Log, check_request, read_log, starts
from scaling.datasets.record_sort import KEY, parted, sorted_rows
from scaling.datasets.store import written_aside

FORMAT = 1
COUNT, PLACES = "climber.rows", "climber.places"
"""Columns of a record file: how many rows a record stands for, and which, where they are not in order."""

MEMORY = 10**9
LEAST_MEMORY = 32 * 10**6

_FACTS, _SCHEMA = b"climber.records", b"climber.schema"

Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class Counts:
    """What was written."""

    rows: int
    records: int
    bytes_before: int
    """Of the file that was read."""
    bytes_after: int
    items: tuple[str, ...]
    """Columns that are lists in the records."""


def compress(
    source: str,
    target: Path,
    request: Sequence[str],
    items: Sequence[str] | None = None,
    memory: int = MEMORY,
    tell: Tell = lambda stage, share: None,
) -> Counts:
    """Writes the rows of each request as one record.

    Args:
        source: Parquet or CSV, a path or a URI.
        target: a Parquet file; one that stands there is replaced.
        request: columns that name a request together.
        items: the columns of the items; by default those that differ within any request.
        memory: bytes for what is read and sorted at once, about.

    Raises:
        ValueError: names the file, and where known row and column.
    """
    file = TableFile(source)
    _check(source, target, memory)
    schema = file.schema()
    check_request(file, schema, request)
    _check_columns(file, schema, request, items)
    with written_aside(target) as aside:
        folder = aside.parent / "sorted"
        folder.mkdir()
        tell("find requests", 0.0)
        log = read_log(file, request, folder, batch_bytes=memory // 32, sorted_bytes=memory // 8)
        if items is None:
            tell("find the items' columns", 0.0)
            items = _item_columns(log, schema)
        tell("write records", 0.0)
        records = _write(log, schema, list(items), aside, tell)
        after = aside.stat().st_size
    kept = tuple(name for name in schema.names if name in items)
    return Counts(log.rows, records, file.size(), after, kept)


def expand(
    source: str,
    target: Path,
    memory: int = MEMORY,
    tell: Tell = lambda stage, share: None,
) -> Counts:
    """Writes the rows that `compress` has read, to a Parquet file with their types and their order.

    Raises:
        ValueError: a file that `compress` has not written, or that is damaged.
    """
    file = TableFile(source)
    _check(source, target, memory)
    facts, schema = _facts(file)
    rows = 0
    with (
        written_aside(target) as aside,
        pa_parquet.ParquetWriter(str(aside), schema, compression="zstd") as writer,
    ):
        batches = _expanded(file, facts, schema, memory // 32)
        if not facts["adjacent"]:
            folder = aside.parent / "sorted"
            shift = np.uint64(64 - max(int(facts["rows"]), 1).bit_length())
            keyed = (
                b.append_column(KEY, pa.array(b[ROW].to_numpy().astype(np.uint64) << shift))
                for b in batches
            )
            paths = parted(keyed, folder, memory // 8)
            batches = (sorted_rows(path) for path in paths)
        for batch in batches:
            writer.write_batch(_restored(batch, schema))
            rows += len(batch)
            tell("write rows", rows / max(facts["rows"], 1))
        if rows != facts["rows"]:
            raise ValueError(f"{source} is damaged: {rows} rows instead of {facts['rows']}")
        writer.close()
        after = aside.stat().st_size
    return Counts(rows, int(facts["records"]), file.size(), after, tuple(facts["items"]))


def _check(source: str, target: Path, memory: int) -> None:
    if not target.name.lower().endswith(".parquet") or target.is_dir():
        raise ValueError(f"{target} can't be written: valid is the name of a .parquet file")
    if target.exists() and Path(source).exists() and target.samefile(source):
        raise ValueError(f"{target} is what is read: choose another file to write")
    if memory < LEAST_MEMORY:
        raise ValueError(f"--memory must be at least {LEAST_MEMORY} bytes, got {memory}")


def _check_columns(
    file: TableFile, schema: pa.Schema, request: Sequence[str], items: Sequence[str] | None
) -> None:
    for name in items or ():
        if name not in schema.names:
            raise ValueError(
                f"{file.name} has no column {name!r}; it holds {', '.join(schema.names)}"
            )
        if name in request:
            raise ValueError(f"column {name!r} can't name the request and belong to its items")
    for field in schema:
        if field.name in (ROW, KEY, COUNT, PLACES):
            raise ValueError(f"{file.name}: a column can't be called {field.name!r}; rename it")
        if not comparable(plain_type(field.type)):
            raise ValueError(
                f"{file.name}, column {field.name!r}: values of type {field.type} can't be compared"
            )


def _item_columns(log: Log, schema: pa.Schema) -> list[str]:
    """Columns that differ within a request."""
    open_columns = [name for name in schema.names if name not in log.request]
    found: set[str] = set()
    for batch in log.batches():
        first = _first_rows(batch, log.request)[1]
        for name in open_columns:
            if differ(batch[name].take(first), batch[name]).any():
                found.add(name)
        open_columns = [name for name in open_columns if name not in found]
        if not open_columns:
            break
    return [name for name in schema.names if name in found]


def _first_rows(batch: pa.RecordBatch, request: Sequence[str]) -> tuple[Any, pa.Array]:
    """The first row of every request, and for every row the first one of its request."""
    begins = starts(batch, request, None)
    places = np.flatnonzero(begins)
    return places, pa.array(places[np.cumsum(begins) - 1])


def _write(log: Log, schema: pa.Schema, items: list[str], aside: Path, tell: Tell) -> int:
    fields = [pa.field(COUNT, pa.int64(), nullable=False)]
    if not log.adjacent:
        fields.append(pa.field(PLACES, pa.list_(pa.field("item", pa.int64(), False)), False))
    for field in schema:
        kind = plain_type(field.type)
        if field.name in items:
            kind = pa.list_(pa.field("item", kind, field.nullable))
        fields.append(pa.field(field.name, kind, field.nullable and field.name not in items))
    shape = pa.schema(fields)
    done = records = 0
    waiting: list[pa.RecordBatch] = []
    with pa_parquet.ParquetWriter(str(aside), shape, compression="zstd") as writer:
        for batch in log.batches():
            made = _records(log, batch, items, shape, done)
            waiting.append(made)
            # Small row groups would repeat what columns have in common.
            if sum(one.nbytes for one in waiting) >= log.batch_bytes:
                writer.write_table(pa.Table.from_batches(waiting))
                waiting.clear()
            done, records = done + len(batch), records + len(made)
            tell("write records", done / log.rows)
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting))
        facts = {
            "format": FORMAT,
            "request": list(log.request),
            "items": items,
            "rows": log.rows,
            "records": records,
            "adjacent": log.adjacent,
        }
        told = {_FACTS: json.dumps(facts), _SCHEMA: base64.b64encode(schema.serialize())}
        writer.add_key_value_metadata(told)
    return records


def _records(
    log: Log, batch: pa.RecordBatch, items: list[str], shape: pa.Schema, done: int
) -> pa.RecordBatch:
    begins, first = _first_rows(batch, log.request)
    offsets = pa.array(np.append(begins, len(batch)).astype(np.int32))
    columns = []
    for field in shape:
        if field.name == COUNT:
            columns.append(pa.array(np.diff(np.append(begins, len(batch)))))
        elif field.name == PLACES:
            columns.append(pa.ListArray.from_arrays(offsets, batch[ROW], type=field.type))
        elif field.name in items:
            columns.append(pa.ListArray.from_arrays(offsets, batch[field.name], type=field.type))
        else:
            column = batch[field.name]
            wrong = np.flatnonzero(differ(column.take(first), column))
            if wrong.size:
                row = int(wrong[0])
                place = done + row if log.adjacent else batch[ROW][row].as_py()
                named = ", ".join(f"{name}={batch[name][row].as_py()!r}" for name in log.request)
                raise ValueError(
                    f"{log.file.name}, row {place}, column {field.name!r} differs from an earlier row "
                    f"of the request {named}: it belongs to the items (--items)"
                )
            columns.append(column.take(pa.array(begins)))
    return pa.RecordBatch.from_arrays(columns, schema=shape)


def _facts(file: TableFile) -> tuple[dict[str, Any], pa.Schema]:
    try:
        found = file.metadata()
        facts = json.loads(found[_FACTS])
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(found[_SCHEMA])))
    except KeyError:
        raise ValueError(
            f"{file.name} holds no records: `climber data compress` has not written it"
        ) from None
    if facts["format"] != FORMAT:
        raise ValueError(f"{file.name} is of format {facts['format']}, this release reads {FORMAT}")
    return facts, schema


def _expanded(
    file: TableFile, facts: dict[str, Any], schema: pa.Schema, size: int
) -> Iterator[pa.RecordBatch]:
    """The rows of the records, in batches of about `size` bytes."""
    items = set(facts["items"])
    for batch in file.batches(size):
        counts = batch[COUNT].to_numpy()
        ends = np.cumsum(counts)
        repeated = sum(batch[name].nbytes for name in schema.names if name not in items)
        mean = repeated / max(len(batch), 1) + batch.nbytes / max(int(ends[-1:].sum()), 1)
        most = max(int(size / max(mean, 1.0)), 1)
        begin = 0
        while begin < len(batch):
            before = int(ends[begin - 1]) if begin else 0
            end = max(int(np.searchsorted(ends, before + most, "right")), begin + 1)
            yield _rows(file, batch.slice(begin, end - begin), schema, items)
            begin = end


def _rows(
    file: TableFile, batch: pa.RecordBatch, schema: pa.Schema, items: set[str]
) -> pa.RecordBatch:
    counts = batch[COUNT].to_numpy()
    record = pa.array(np.repeat(np.arange(len(batch)), counts))
    names = [name for name in (*schema.names, PLACES) if name in batch.schema.names]
    columns = []
    for name in names:
        column = batch[name]
        listed = name in items or name == PLACES
        columns.append(column.flatten() if listed else column.take(record))
        if len(columns[-1]) != len(record):
            raise ValueError(f"{file.name}, column {name!r} is damaged: lists of another length")
    return pa.RecordBatch.from_arrays(
        columns, names=[ROW if name == PLACES else name for name in names]
    )


def _restored(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The columns of the log, dictionaries again where it had them."""
    columns = [
        column.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else column.cast(kind)
        for column, kind in ((batch[field.name], field.type) for field in schema)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
