"""Sorted events, in a stream, into memory-mapped columns and Parquet parts.

Whatever batches the events come in, the files are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pa_parquet

from scaling.datasets.log import UNKNOWN_TIME

Ints = npt.NDArray[np.int64]

CHUNK_EVENTS = 2**20
"""Events that are worked on at once; also the most of a row group."""

PART_EVENTS = 2**24
"""A part of the Parquet log ends with the user who makes it reach so many events."""

SCHEMA = pa.schema(
    [
        ("user", pa.int32()),
        ("item", pa.int32()),
        ("time", pa.int64()),
        ("action", pa.uint8()),
        ("scenario", pa.uint8()),
    ]
)
"""Of the parts; a time of NULL is not known."""


class ColumnFile:
    """An npy file that grows; its shape is declared beforehand and held to."""

    def __init__(self, path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> None:
        self.path, self.dtype, self.shape = path, np.dtype(dtype), shape
        self.file: BinaryIO = path.open("wb")
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self.file, header)
        self.missing = int(np.prod(shape))

    def append(self, values: npt.NDArray[Any]) -> None:
        self.file.write(np.ascontiguousarray(values, self.dtype).data)
        self.missing -= values.size

    def close(self) -> None:
        """Raises `OSError` where the last bytes find no room."""
        self.file.close()

    def facts(self) -> list[Any]:
        """As a manifest has it; `RuntimeError` if there are not as many values as declared."""
        if self.missing:
            raise RuntimeError(f"{self.path} lacks {self.missing} of {self.shape} values")
        return [self.dtype.str, list(self.shape)]


def write_events(
    batches: Iterable[pa.RecordBatch], folder: Path, events: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Writes `items`, `actions`, `scenarios` and `times` as npy files and `events/part-*.parquet`.

    Args:
        batches: columns `user`, `item`, `time`, `action`, `scenario`, `row` (NULL: time unknown),
            in ascending order of user, time and row.
        events: how many there are in all.

    Returns:
        The arrays for the manifest; counts: `repeats` (events of known time that are alike in all
        but `row` to an earlier one), `parts` with the users and events of each.

    Raises:
        ValueError: two events of the same place in the files.
    """
    (folder / "events").mkdir()
    repeats = Repeats()
    with ExitStack() as stack:
        kinds = {"items": np.int32, "actions": np.uint8, "scenarios": np.uint8, "times": np.int64}
        columns = {
            name: ColumnFile(folder / f"{name}.npy", kind, (events,))
            for name, kind in kinds.items()
        }
        for column in columns.values():
            stack.callback(column.close)
        # Parquet is encoded beside the sort, which leaves a core idle now and then.
        pool = stack.enter_context(ThreadPoolExecutor(1))
        parts = stack.enter_context(Parts(folder / "events"))
        encoded: Future[None] | None = None
        for chunk in _chunks(batches):
            known = chunk["time"].fill_null(UNKNOWN_TIME) if chunk["time"].null_count else None
            users, rows = _numbers(chunk["user"]), _numbers(chunk["row"])
            times = _numbers(chunk["time"] if known is None else known)
            values = [_numbers(chunk[name]) for name in ("item", "action", "scenario")]
            repeats.count(users, times, rows, *values)
            if encoded is not None:
                encoded.result()
            encoded = pool.submit(parts.write, chunk.select(SCHEMA.names), users)
            for name, column in zip(("items", "actions", "scenarios"), values):
                columns[name].append(column)
            columns["times"].append(times)
        if encoded is not None:
            encoded.result()
    arrays = {name: column.facts() for name, column in columns.items()}
    return arrays, {"repeats": repeats.found, "parts": parts.facts}


class Parts:
    """`part-00000.parquet` and so on; every user's events stand in one of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts: list[dict[str, Any]] = []
        self.writer: pa_parquet.ParquetWriter | None = None

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, *error: object) -> None:
        if self.writer is not None:
            self.writer.close()

    def write(self, chunk: pa.Table, users: npt.NDArray[Any]) -> None:
        """Appends events; begins a new part with the first user after one is full."""
        start = 0
        while start < len(users):
            stop = len(users)
            if self.writer is not None and self.facts[-1]["events"] >= PART_EVENTS:
                stop = start + int(
                    np.searchsorted(users[start:], self.facts[-1]["last_user"], side="right")
                )
                if stop == start:
                    self.writer.close()
                    self.writer = None
                    continue
            elif self.writer is not None:
                stop = min(stop, start + PART_EVENTS - self.facts[-1]["events"])
            if self.writer is None:
                path = self.folder / f"part-{len(self.facts):05d}.parquet"
                self.writer = pa_parquet.ParquetWriter(
                    path,
                    SCHEMA,
                    compression="lz4",
                    use_dictionary=["user", "action", "scenario"],
                    column_encoding={"time": "DELTA_BINARY_PACKED", "item": "PLAIN"},
                )
                self.facts.append({"file": path.name, "first_user": int(users[start]), "events": 0})
            self.writer.write_table(chunk.slice(start, stop - start), row_group_size=CHUNK_EVENTS)
            self.facts[-1]["events"] += stop - start
            self.facts[-1]["last_user"] = int(users[stop - 1])
            start = stop


class Repeats:
    """Counts events that are alike, and makes sure that the order is the one that was asked for."""

    def __init__(self) -> None:
        self.found = 0
        self.last: tuple[int, int, int] | None = None
        """User, time and row of the event before."""
        self.open: Ints = np.zeros(0, np.int64)
        """Of the last user and time, the distinct events so far."""

    def count(
        self,
        users: npt.NDArray[Any],
        times: Ints,
        rows: Ints,
        items: npt.NDArray[Any],
        actions: npt.NDArray[Any],
        scenarios: npt.NDArray[Any],
    ) -> None:
        """Goes on with the next events.

        Raises:
            ValueError: two events of one place in the files.
        """
        first = (int(users[0]), int(times[0]), int(rows[0]))
        tied = (users[1:] == users[:-1]) & (times[1:] == times[:-1])
        continues = self.last is not None and self.last[:2] == first[:2]
        wrong = tied & (rows[1:] <= rows[:-1])
        if wrong.any():
            raise _same_place(int(rows[1:][wrong][0]))
        if continues and self.last is not None and first[2] <= self.last[2]:
            raise _same_place(first[2])
        later = (users[1:] > users[:-1]) | ((users[1:] == users[:-1]) & (times[1:] >= times[:-1]))
        if not later.all() or (self.last is not None and first[:2] < self.last[:2]):
            raise RuntimeError("the events are not sorted by user and time")
        keys = items.astype(np.int64) << 16 | actions.astype(np.int64) << 8 | scenarios
        # The events of one user and second are a run; of most there is one event, so alone.
        run = np.concatenate([[0], np.cumsum(~tied)])
        carried = self.open if continues else np.zeros(0, np.int64)
        in_run = np.concatenate([tied, [False]]) | np.concatenate([[len(carried) > 0], tied])
        in_run &= times != UNKNOWN_TIME
        keys_tied = np.concatenate([carried, keys[in_run]])
        runs_tied = np.concatenate([np.zeros(len(carried), np.int64), run[in_run]])
        order = np.lexsort((keys_tied, runs_tied))
        keys_tied, runs_tied = keys_tied[order], runs_tied[order]
        alike = (keys_tied[1:] == keys_tied[:-1]) & (runs_tied[1:] == runs_tied[:-1])
        self.found += int(alike.sum())
        last = run == run[-1]
        self.open = np.unique(
            np.concatenate([carried if run[-1] == 0 else carried[:0], keys[last]])
        )
        if times[-1] == UNKNOWN_TIME:
            self.open = self.open[:0]
        self.last = (int(users[-1]), int(times[-1]), int(rows[-1]))


def write_dictionary(
    batches: Iterable[pa.RecordBatch],
    path: Path,
    columns: dict[str, ColumnFile],
    offsets: ColumnFile | None = None,
) -> None:
    """Writes a dictionary as Parquet, and some of its columns as npy files.

    Args:
        batches: in ascending order of `number`, from 0 without a gap.
        columns: by the column's name; `a,b` stands for the rows of the columns a and b.
        offsets: gets the sums of `events` so far, beginning with 0.
    """
    total, done = 0, 0
    if offsets is not None:
        offsets.append(np.zeros(1, np.int64))
    writer = None
    try:
        for chunk in _chunks(batches):
            numbers = _numbers(chunk["number"])
            if not np.array_equal(numbers, np.arange(done, done + len(numbers))):
                raise RuntimeError(f"the numbers of {path} have a gap after {done}")
            done += len(numbers)
            if writer is None:
                writer = pa_parquet.ParquetWriter(path, chunk.schema, compression="lz4")
            writer.write_table(chunk, row_group_size=CHUNK_EVENTS)
            for names, file in columns.items():
                found = [_numbers(chunk[name]) for name in names.split(",") if name]
                file.append(np.stack(found, axis=1) if len(file.shape) > 1 else found[0])
            if offsets is not None:
                sums = total + np.cumsum(_numbers(chunk["events"]))
                offsets.append(sums)
                total = int(sums[-1])
    finally:
        if writer is not None:
            writer.close()


def _chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows as tables of `CHUNK_EVENTS` rows, the last one shorter, each of one piece."""
    kept: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        while rows + len(batch) >= CHUNK_EVENTS:
            cut = CHUNK_EVENTS - rows
            yield pa.Table.from_batches([*kept, batch.slice(0, cut)]).combine_chunks()
            kept, rows, batch = [], 0, batch.slice(cut)
        if len(batch):
            kept.append(batch)
            rows += len(batch)
    if kept:
        yield pa.Table.from_batches(kept).combine_chunks()


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    (piece,) = column.chunks
    found: npt.NDArray[Any] = piece.to_numpy()
    return found


def _same_place(row: int) -> ValueError:
    return ValueError(
        f"two events of one user and time stand at the same place {row} of the files: their order "
        "is not known"
    )
