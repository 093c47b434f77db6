"""Rows sorted out of core by a 64-bit key: parted by its leading bits into files that fit in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa

KEY = "climber.key"
"""uint64 column that rows are sorted by."""

_BITS = 5
_FILES = 2**_BITS


def parted(batches: Iterable[pa.RecordBatch], folder: Path, most: int) -> list[Path]:
    """The rows in files of at most `most` bytes each, if their keys differ enough.

    All rows of a file have smaller keys than those of the next file, rows of one key are in one file,
    and in a file they stand in the order of the batches.
    """
    return _parted(batches, folder, most, 0)


def sorted_rows(path: Path) -> pa.RecordBatch:
    """The rows of a file by key, those of one key in their order; without the key."""
    whole = _table(path)
    order = np.argsort(whole[KEY].to_numpy(), kind="stable")
    table = whole.drop_columns([KEY]).take(pa.array(order)).combine_chunks()
    return table.to_batches()[0]


def _parted(batches: Iterable[pa.RecordBatch], folder: Path, most: int, level: int) -> list[Path]:
    folder.mkdir()
    paths: dict[int, Path] = {}
    sizes = dict.fromkeys(range(_FILES), 0)
    shift = np.uint64(64 - _BITS * (level + 1))
    with ExitStack() as stack:
        writers: dict[int, pa.ipc.RecordBatchFileWriter] = {}
        for batch in batches:
            digit = (batch[KEY].to_numpy() >> shift) & np.uint64(_FILES - 1)
            order = np.argsort(digit, kind="stable")
            rows, digit = batch.take(pa.array(order)), digit[order]
            edges = [0, *(np.flatnonzero(np.diff(digit)) + 1).tolist(), len(digit)]
            for begin, end in itertools.pairwise(edges):
                if begin == end:
                    continue
                number = int(digit[begin])
                if number not in writers:
                    paths[number] = folder / f"{number:02}.arrow"
                    writer = pa.ipc.new_file(str(paths[number]), batch.schema)
                    writers[number] = stack.enter_context(writer)
                part = rows.slice(begin, end - begin)
                sizes[number] += part.nbytes
                writers[number].write_batch(part)
    found: list[Path] = []
    for number, path in sorted(paths.items()):
        if sizes[number] <= most or _BITS * (level + 2) > 64:
            found.append(path)
            continue
        found += _parted(_batches(path), folder / f"{number:02}", most, level + 1)
        path.unlink()
    return found


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.ipc.open_file(str(path)) as reader:
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)


def _table(path: Path) -> pa.Table:
    with pa.ipc.open_file(str(path)) as reader:
        return reader.read_all()
