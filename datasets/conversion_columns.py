"""Sorted events, in a stream, into memory-mapped columns and Parquet parts.

Whatever batches the events come in, the files are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pa_parquet

from scaling.datasets.conversion_repeats import Columns, Repeats
from scaling.datasets.log import UNKNOWN_TIME

CHUNK_EVENTS = 2**20
"""Events that are worked on at once; also the most of a row group."""

PART_EVENTS = 2**24
"""A part of the Parquet log ends with the user who makes it reach so many events."""

STREAM = {
    "user": np.int32,
    "item": np.int32,
    "time": np.int64,
    "action": np.uint8,
    "scenario": np.uint8,
    "row": np.int64,
}
"""The columns that the events come in."""

ARRAYS = {"items": "item", "actions": "action", "scenarios": "scenario", "times": "time"}
"""The columns of a log, by the name of the file."""

SCHEMA = pa.schema(
    [(name, pa.from_numpy_dtype(kind)) for name, kind in STREAM.items() if name != "row"]
)
"""Of the parts; a time that is not known is NULL there."""


class ColumnFile:
    """An npy file that grows; its shape is declared beforehand and held to."""

    def __init__(self, path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> None:
        self.path, self.dtype, self.shape = path, np.dtype(dtype), shape
        # Without a buffer, so that no byte waits for a close to find the disk full.
        self.file: BinaryIO = path.open("wb", buffering=0)
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self.file, header)
        self.missing = int(np.prod(shape))

    def append(self, values: npt.NDArray[Any]) -> None:
        rest = (
            memoryview(np.ascontiguousarray(values, self.dtype)).cast("B") if values.size else b""
        )
        while rest:
            rest = rest[self.file.write(rest) :]
        self.missing -= values.size

    def close(self) -> list[Any]:
        """Type and shape, as a manifest has them."""
        self.file.close()
        if self.missing:
            raise RuntimeError(f"{self.path} lacks {self.missing} of {self.shape} values")
        return [self.dtype.str, list(self.shape)]


def write_events(
    batches: Iterable[pa.RecordBatch], folder: Path, events: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Writes `items`, `actions`, `scenarios` and `times` as npy files and `events/part-*.parquet`.

    Args:
        batches: the columns of `STREAM` in ascending order of user, time (`UNKNOWN_TIME` where it
            is not known) and row.
        events: how many there are in all.

    Returns:
        The arrays for the manifest; `repeats`, and of each part file, users and events.

    Raises:
        ValueError: two events of the same place in the files.
    """
    (folder / "events").mkdir()
    repeats = Repeats()
    files = {
        name: ColumnFile(folder / f"{name}.npy", STREAM[column], (events,))
        for name, column in ARRAYS.items()
    }
    with ExitStack() as stack:
        for file in files.values():
            stack.callback(file.file.close)
        parts = stack.enter_context(Parts(folder / "events"))
        # Parquet is encoded beside the sort, which leaves a core idle now and then.
        pool = stack.enter_context(ThreadPoolExecutor(1))
        encoded: Future[None] | None = None
        for chunk in chunks(batches):
            repeats.count(chunk)
            if encoded is not None:
                encoded.result()
            encoded = pool.submit(parts.write, chunk)
            for name, column in ARRAYS.items():
                files[name].append(chunk[column])
        if encoded is not None:
            encoded.result()
    arrays = {name: file.close() for name, file in files.items()}
    return arrays, {"repeats": repeats.found, "parts": parts.facts}


def chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[Columns]:
    """The same events in chunks of `CHUNK_EVENTS`, the last one shorter.

    Two sets of arrays take turns: a chunk is overwritten when the next but one is asked for. (New
    memory for each would cost more than all the copying.)
    """
    turns = [
        {name: np.empty(CHUNK_EVENTS, kind) for name, kind in STREAM.items()} for _ in range(2)
    ]
    filled, turn = 0, 0
    for batch in batches:
        columns = {name: batch.column(name).to_numpy() for name in STREAM}
        start = 0
        while start < len(batch):
            count = min(len(batch) - start, CHUNK_EVENTS - filled)
            for name, column in columns.items():
                turns[turn][name][filled : filled + count] = column[start : start + count]
            start, filled = start + count, filled + count
            if filled == CHUNK_EVENTS:
                yield turns[turn]
                filled, turn = 0, 1 - turn
    if filled:
        yield {name: column[:filled] for name, column in turns[turn].items()}


class Parts:
    """`part-00000.parquet` and so on; every user's events stand in one of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts: list[dict[str, Any]] = []
        self.writer: pa_parquet.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.writer is not None:
            self.writer.close()

    def write(self, chunk: Columns) -> None:
        """Appends events; begins a new part with the first user after one is full."""
        users = chunk["user"]
        arrays = [
            pa.array(chunk[name], mask=_unknown(chunk[name]) if name == "time" else None)
            for name in SCHEMA.names
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
        start = 0
        while start < len(users):
            stop = self._room(users, start)
            if stop == start:
                self._begin(int(users[start]))
                continue
            assert self.writer is not None
            self.writer.write_batch(batch.slice(start, stop - start), row_group_size=CHUNK_EVENTS)
            self.facts[-1]["events"] += stop - start
            self.facts[-1]["last_user"] = int(users[stop - 1])
            start = stop

    def _room(self, users: npt.NDArray[Any], start: int) -> int:
        """Where the events end that still belong into this part."""
        if self.writer is None:
            return start
        missing = PART_EVENTS - self.facts[-1]["events"]
        if missing > 0:
            return min(len(users), start + missing)
        same = np.searchsorted(users[start:], self.facts[-1]["last_user"], side="right")
        return start + int(same)

    def _begin(self, user: int) -> None:
        if self.writer is not None:
            self.writer.close()
        path = self.folder / f"part-{len(self.facts):05d}.parquet"
        self.facts.append({"file": path.name, "first_user": user, "last_user": user, "events": 0})
        # Differences of neighbours are small: a third of the bytes, and quicker than a dictionary.
        self.writer = pa_parquet.ParquetWriter(
            path,
            SCHEMA,
            compression="snappy",
            use_dictionary=False,
            column_encoding=dict.fromkeys(SCHEMA.names, "DELTA_BINARY_PACKED"),
        )


def _unknown(times: npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
    unknown = times == UNKNOWN_TIME
    return unknown if unknown.any() else None
