"""The rows of a log by request: every batch holds whole requests, the rows of each beside each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from scaling.datasets.arrow_equal import differ
from scaling.datasets.record_files import TableFile, plain
from scaling.datasets.record_sort import KEY, parted, sorted_rows

ROW = "climber.row"
"""int64 column: the place of a row in its file, from 0."""

Bools = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]

_FILES = 64


@dataclass(frozen=True)
class Log:
    """A log of single items, and what its first reading has found."""

    file: TableFile
    request: tuple[str, ...]
    """Columns that name a request together."""
    rows: int
    adjacent: bool
    """Whether the rows of each request stand beside each other in the file."""
    batch_bytes: int
    files: tuple[Path, ...] = ()
    """The rows by request, where they do not."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Whole requests, in any order; with the column `ROW` where they are not adjacent."""
        if self.adjacent:
            yield from self._neighbours(map(plain, self.file.batches(self.batch_bytes)))
            return
        for path in self.files:
            rows = sorted_rows(path)
            step = max(int(len(rows) * self.batch_bytes / max(rows.nbytes, 1)), 1)
            parts = (rows.slice(at, step) for at in range(0, len(rows), step))
            yield from self._neighbours(parts)

    def _neighbours(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches, cut where a request begins."""
        waiting: list[pa.RecordBatch] = []
        for batch in batches:
            begins = starts(batch, self.request, waiting[-1] if waiting else None)
            places = np.flatnonzero(begins)
            if waiting and places.size:
                yield _joined([*waiting, batch.slice(0, int(places[0]))])
                waiting, batch = [], batch.slice(int(places[0]))
                places = places - places[0]
            if places.size and places[-1]:
                yield batch.slice(0, int(places[-1]))
                batch = batch.slice(int(places[-1]))
            if len(batch):
                waiting.append(batch)
        if waiting:
            yield _joined(waiting)


def read_log(
    file: TableFile, request: Sequence[str], folder: Path, *, batch_bytes: int, sorted_bytes: int
) -> Log:
    """Finds out whether requests are adjacent, and else sorts the rows by request, out of core.

    Args:
        folder: for what does not fit in memory; must exist.
        batch_bytes: of a batch, about.
        sorted_bytes: the most that is sorted in memory.

    Raises:
        ValueError: a request without a name, with file, row and column; a damaged file.
    """
    rows, adjacent = _adjacent(file, request, folder, batch_bytes)
    log = Log(file, tuple(request), rows, adjacent, batch_bytes)
    if adjacent:
        return log
    keyed = _keyed(map(plain, file.batches(batch_bytes)), request)
    found = parted(keyed, folder / "by request", sorted_bytes)
    return Log(file, tuple(request), rows, adjacent, batch_bytes, tuple(found))


def starts(batch: pa.RecordBatch, request: Sequence[str], before: pa.RecordBatch | None) -> Bools:
    """Which rows name another request than the row before them; `before` ends with that of row 0."""
    found = np.zeros(len(batch), np.bool_)
    if not len(batch):
        return found
    found[0] = before is None or _changed(before.slice(len(before) - 1), batch.slice(0, 1), request)
    found[1:] = _changed(batch.slice(0, len(batch) - 1), batch.slice(1), request)
    return found


def _changed(one: pa.RecordBatch, other: pa.RecordBatch, request: Sequence[str]) -> Bools:
    return np.asarray(
        np.logical_or.reduce([differ(one[column], other[column]) for column in request])
    )


def _adjacent(
    file: TableFile, request: Sequence[str], folder: Path, batch_bytes: int
) -> tuple[int, bool]:
    """Number of rows, and whether no request comes again after another one.

    Requests are told apart by 64-bit hashes, kept on disk: if two were equal by chance, the rows would be
    sorted without need, and nothing else.
    """
    rows, last = 0, None
    parts = [folder / f"requests.{number:02}" for number in range(_FILES)]
    files = [part.open("wb") for part in parts]
    try:
        for batch in map(plain, file.batches(batch_bytes, request)):
            _check_named(file, batch, rows)
            hashes = hashed(batch, request)[starts(batch, request, last)]
            number = hashes % np.uint64(_FILES)
            order = np.argsort(number, kind="stable")
            edges = np.searchsorted(number[order], np.arange(_FILES + 1))
            for index in np.unique(number).astype(int).tolist():
                files[index].write(hashes[order[edges[index] : edges[index + 1]]].tobytes())
            rows, last = rows + len(batch), batch if len(batch) else last
    finally:
        for one in files:
            one.close()
    adjacent = True
    for part in parts:
        found = np.fromfile(part, np.uint64)
        adjacent = adjacent and len(np.unique(found)) == len(found)
        part.unlink()
    return rows, adjacent


def _keyed(batches: Iterable[pa.RecordBatch], request: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """With the place of each row, and its request's hash as the key to sort by."""
    done = 0
    for batch in batches:
        row = pa.array(np.arange(done, done + len(batch)))
        done += len(batch)
        key = pa.array(hashed(batch, request))
        yield batch.append_column(ROW, row).append_column(KEY, key)


def hashed(batch: pa.RecordBatch, request: Sequence[str]) -> Hashes:
    """A hash of each row's request [n]."""
    found = np.zeros(len(batch), np.uint64)
    for column in request:
        values = batch[column]
        if pa.types.is_boolean(values.type):
            values = values.cast(pa.uint8())
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            one = pd.util.hash_array(np.asarray(values.to_pylist(), object), categorize=False)
        else:
            bits = {8: pa.uint8(), 16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}
            one = pd.util.hash_array(values.view(bits[values.type.bit_width]).to_numpy())
        found = found * np.uint64(0x9E3779B97F4A7C15) + one
    # The leading bits part the rows: the product mixes them too.
    return pd.util.hash_array(found)


def check_request(file: TableFile, schema: pa.Schema, request: Sequence[str]) -> None:
    """`ValueError` unless the columns are there and of types that can name a request."""
    if not request:
        raise ValueError("no column that names a request is given")
    for column in request:
        if column not in schema.names:
            raise ValueError(
                f"{file.name} has no column {column!r}; it holds {', '.join(schema.names)}"
            )
        kind = schema.field(column).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not any(test(kind) for test in _NAMES):
            raise ValueError(
                f"{file.name}, column {column!r} is of type {kind}, which can't name a request; "
                "valid: whole numbers, text, truth values, times"
            )


_NAMES = (
    pa.types.is_integer,
    pa.types.is_boolean,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_timestamp,
    pa.types.is_date,
    pa.types.is_time,
)


def _check_named(file: TableFile, batch: pa.RecordBatch, before: int) -> None:
    for name, column in zip(batch.schema.names, batch.columns):
        if column.null_count:
            row = before + int(pc.index(column.is_null(), True).as_py())
            raise ValueError(
                f"{file.name}, row {row}, column {name!r} is null; valid: what names a request"
            )


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
