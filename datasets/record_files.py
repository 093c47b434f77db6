"""The files of `climber data compress` and `expand`: tables read batch by batch, in bounded memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
from pyarrow import fs

MOST_ROWS = 2**16
"""Of a batch."""

_CSV_BLOCK = 2**22
_READ_AHEAD = 2**20
_PROBED = 64


@dataclass(frozen=True)
class TableFile:
    """A Parquet or CSV file at a path or a URI that pyarrow knows; columns of a CSV file are text."""

    name: str

    def __post_init__(self) -> None:
        if not self.name.lower().endswith((".parquet", ".csv", ".csv.gz")):
            raise ValueError(f"{self.name!r} is no table; valid: .parquet, .csv or .csv.gz")

    def schema(self) -> pa.Schema:
        """The columns; `ValueError` for a file that is not whole or names a column twice."""
        found = self._parquet().schema_arrow if self._is_parquet else self._header()
        twice = [name for name in found.names if found.names.count(name) > 1]
        if twice:
            raise ValueError(f"{self.name}: two columns are called {twice[0]!r}")
        return found

    def metadata(self) -> dict[bytes, bytes]:
        """Of a Parquet file."""
        with self._parquet() as file:
            return dict(file.metadata.metadata or {})

    def size(self) -> int:
        """Bytes of the file."""
        files, path = self._place()
        return int(files.get_file_info(path).size)

    def batches(
        self, bytes_per_batch: int, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows in their order.

        Args:
            bytes_per_batch: about.
            columns: by default all.

        Raises:
            ValueError: names the file, and the row of a CSV file, where it is damaged.
        """
        try:
            for batch in self._read(bytes_per_batch, columns):
                yield batch if columns is None else batch.select(list(columns))
        except (pa.ArrowException, OSError, UnicodeError) as error:
            raise ValueError(f"{self.name} is damaged: {_line(error)}") from error

    @property
    def _is_parquet(self) -> bool:
        return self.name.lower().endswith(".parquet")

    def _place(self) -> tuple[fs.FileSystem, str]:
        try:
            if "://" not in self.name:
                files, path = fs.LocalFileSystem(), self.name
            else:
                files, path = fs.FileSystem.from_uri(self.name)
            if not files.get_file_info(path).is_file:
                raise ValueError("there is no such file")
        except (pa.ArrowException, OSError, ValueError) as error:
            raise ValueError(f"{self.name} can't be read: {_line(error)}") from error
        return files, path

    def _parquet(self) -> pa_parquet.ParquetFile:
        files, path = self._place()
        try:
            return pa_parquet.ParquetFile(files.open_input_file(path), buffer_size=_READ_AHEAD)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{self.name} is no whole Parquet file ({_line(error)})") from error

    def _header(self) -> pa.Schema:
        files, path = self._place()
        with files.open_input_stream(path) as stream, io.TextIOWrapper(stream, "utf-8-sig") as text:
            names = next(csv.reader(text), [])
        if not names:
            raise ValueError(f"{self.name} is empty: its first line must name the columns")
        return pa.schema([(name, pa.string()) for name in names])

    def _read(self, size: int, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        if self._is_parquet:
            with self._parquet() as file:
                chosen = None if columns is None else list(columns)
                for group in range(file.num_row_groups):
                    yield from _row_group(file, group, chosen, size)
            return
        schema = self.schema()
        files, path = self._place()
        with files.open_input_stream(path) as stream:
            reader = pa_csv.open_csv(
                stream,
                # Without threads an error names its row.
                read_options=pa_csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK),
                parse_options=pa_csv.ParseOptions(newlines_in_values=True),
                convert_options=pa_csv.ConvertOptions(
                    column_types=schema, strings_can_be_null=False
                ),
            )
            yield from reader


def _row_group(
    file: pa_parquet.ParquetFile, group: int, columns: list[str] | None, size: int
) -> Iterator[pa.RecordBatch]:
    """Rows in memory can be far larger than in the file, where repeated values cost little."""

    def batches(rows: int) -> Iterator[pa.RecordBatch]:
        options: Any = {"row_groups": [group], "columns": columns, "use_threads": False}
        return file.iter_batches(rows, **options)  # type: ignore[no-any-return]

    first = next(batches(_PROBED), None)
    if first is not None and len(first):
        yield from batches(int(min(max(size * len(first) / first.nbytes, 1), MOST_ROWS)))


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of a column's values, however they are encoded."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same values; those of a dictionary stand in the column itself."""
    columns = [
        column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        for column in batch.columns
    ]
    fields = [field.with_type(column.type) for field, column in zip(batch.schema, columns)]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
