"""Columns that grow on the disk, and the chunks that events come in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scaling.datasets.conversion_repeats import Columns

CHUNK_EVENTS = 2**20
"""Events that are worked on at once; also the most of a row group."""

STREAM = {
    "user": np.int32,
    "item": np.int32,
    "time": np.int64,
    "action": np.uint8,
    "scenario": np.uint8,
    "row": np.int64,
}
"""The columns that sorted events come in."""

BLOCK_BYTES = 2**22


class ColumnFile:
    """An npy file that grows; its shape is declared beforehand and held to."""

    def __init__(
        self, path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...], done: int = 0
    ) -> None:
        """Begins the file, or goes on with one behind its first `done` values."""
        self.path, self.dtype, self.shape = path, np.dtype(dtype), shape
        self.missing = int(np.prod(shape)) - done
        # Without a buffer, so that no byte waits for a close to find the disk full.
        self.file: BinaryIO = path.open("r+b" if done else "wb", buffering=0)
        if done:
            _pass_header(self.file)
            self.file.seek(done * self.dtype.itemsize, 1)
            self.file.truncate()
        else:
            header = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(self.file, header)

    def append(self, values: npt.NDArray[Any]) -> None:
        rest = values_bytes(values, self.dtype)
        while rest:
            rest = rest[self.file.write(rest) :]
        self.missing -= values.size

    def close(self) -> list[Any]:
        """Type and shape, as a manifest has them."""
        self.file.close()
        if self.missing:
            raise RuntimeError(f"{self.path} lacks {self.missing} of {self.shape} values")
        return [self.dtype.str, list(self.shape)]


def values_bytes(values: npt.NDArray[Any], dtype: npt.DTypeLike) -> memoryview:
    """As they stand in the file."""
    return np.ascontiguousarray(values, dtype).reshape(-1).view(np.uint8).data


def column_blocks(path: Path, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """The bytes of an npy file's values, or of those from `start` to `stop`, block by block."""
    with path.open("rb") as file:
        size = _pass_header(file)
        file.seek(start * size, 1)
        left = -1 if stop is None else (stop - start) * size
        while left and (block := file.read(BLOCK_BYTES if left < 0 else min(BLOCK_BYTES, left))):
            yield block
            left -= len(block) if left > 0 else 0


def blocks_digest(blocks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


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


def _pass_header(file: BinaryIO) -> int:
    """Goes to the first value; the bytes of each."""
    np.lib.format.read_magic(file)
    _, _, dtype = np.lib.format.read_array_header_1_0(file)
    return int(dtype.itemsize)
