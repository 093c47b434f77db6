"""The dictionaries of users and items, in a stream, into Parquet and memory-mapped columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet

from scaling.datasets.conversion_columns import ColumnFile

ROWS = 2**18
"""Of a row group."""


def write_dictionary(
    batches: Iterable[pa.RecordBatch],
    path: Path,
    columns: Mapping[ColumnFile, list[str]],
    offsets: ColumnFile | None = None,
) -> None:
    """Writes a dictionary as Parquet, and some of its columns as npy files.

    Args:
        batches: in ascending order of `number`, from 0 without a gap.
        columns: the columns that each file gets, one beside the other.
        offsets: gets 0 and the running sums of `events`.
    """
    total = done = 0
    if offsets is not None:
        offsets.append(np.zeros(1, np.int64))
    stream = iter(batches)
    first = next(stream)
    with closing(pa_parquet.ParquetWriter(path, first.schema, compression="snappy")) as writer:
        for rows in _regular(first, stream):
            numbers = rows["number"].to_numpy()
            if not np.array_equal(numbers, np.arange(done, done + len(rows))):
                raise RuntimeError(f"the numbers of {path} have a gap after {done}")
            done += len(rows)
            writer.write_table(rows, row_group_size=ROWS)
            for file, names in columns.items():
                found = [rows[name].to_numpy() for name in names]
                file.append(np.stack(found, axis=1) if len(file.shape) > 1 else found[0])
            if offsets is not None:
                sums = total + np.cumsum(rows["events"].to_numpy())
                offsets.append(sums)
                total = int(sums[-1])


def _regular(first: pa.RecordBatch, stream: Iterable[pa.RecordBatch]) -> Iterable[pa.Table]:
    """The same rows in tables of `ROWS`, the last one shorter."""
    kept = pa.Table.from_batches([first])
    for batch in stream:
        kept = pa.concat_tables([kept, pa.Table.from_batches([batch])])
        while len(kept) >= ROWS:
            yield kept.slice(0, ROWS).combine_chunks()
            kept = kept.slice(ROWS)
    while len(kept):
        yield kept.slice(0, ROWS).combine_chunks()
        kept = kept.slice(ROWS)
