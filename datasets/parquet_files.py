"""Parquet files of a source: are they whole, do they hold what is read, and where is it wrong?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pa_parquet

from scaling.datasets.sql import file_of, name_of


def parquet_types(path: Path) -> dict[str, pa.DataType]:
    """The types of a file's columns; `ValueError` for one that is not whole."""
    try:
        schema = pa_parquet.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{path} is no whole Parquet file ({_first_line(error)}); get it again"
        ) from error
    return dict(zip(schema.names, schema.types))


def check_columns(path: Path, wanted: Mapping[str, Sequence[str]]) -> dict[str, pa.DataType]:
    """The types of a file's columns.

    Args:
        wanted: columns that must be there, with the kinds that each may be: `whole`, `real`,
            `text`, `truth`; behind `list of ` for a column of lists.

    Raises:
        ValueError: names the file, the column and what there is.
    """
    types = parquet_types(path)
    for name, kinds in wanted.items():
        if name not in types:
            raise ValueError(
                f"{path} has no column {name!r}; it holds {', '.join(types) or 'none'}"
            )
        if kind_of(types[name]) not in kinds:
            raise ValueError(
                f"{path}, column {name!r} is of type {types[name]}; it must be {' or '.join(kinds)}"
            )
    return types


def kind_of(kind: pa.DataType) -> str:
    """`whole`, `real`, `text`, `truth`, `time`, `list of ...`, else the name of the type."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    for name, tests in _KINDS.items():
        if any(test(kind) for test in tests):
            return name
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list of {kind_of(kind.value_type)}"
    return str(kind)


_KINDS = {
    "whole": (pa.types.is_integer,),
    "real": (pa.types.is_floating, pa.types.is_decimal),
    "text": (pa.types.is_string, pa.types.is_large_string),
    "truth": (pa.types.is_boolean,),
    "time": (pa.types.is_timestamp, pa.types.is_date),
}


def scan(path: Path) -> str:
    """A table expression of a file's rows, with the number of each as `file_row_number`."""
    # Else a folder named user_id=5 would stand in for the column user_id.
    options = "file_row_number = true, hive_partitioning = false"
    return f"read_parquet({file_of(path)}, {options})"


def check_rows(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    wrong: Mapping[str, tuple[str, str]],
    table: str | None = None,
) -> None:
    """Reads a file to find the first row with a wrong value.

    Args:
        wrong: by column the condition under which a value is wrong (never NULL itself), and what is
            valid.
        table: what is read instead of `scan(path)`.

    Raises:
        ValueError: names the file, the row (from 0), the column and the value; or a page that is
            damaged.
    """
    table = table or scan(path)
    tests = ", ".join(
        f"min(file_row_number) FILTER ({condition})" for condition, _ in wrong.values()
    )
    try:
        found = connection.execute(f"SELECT {tests} FROM {table}").fetchone() or ()
        first = [(row, column) for row, column in zip(found, wrong) if row is not None]
        if not first:
            return
        row, column = min(first, key=lambda fault: fault[0])
        condition, valid = wrong[column]
        value = connection.execute(
            f"SELECT {name_of(column)} FROM {table} WHERE file_row_number = {row} AND ({condition}) "
            "LIMIT 1"
        ).fetchone()
    except duckdb.Error as error:
        raise ValueError(f"{path} is damaged ({_first_line(error)}); get it again") from error
    raise ValueError(
        f"{path}, row {row}, column {column!r}: {None if value is None else value[0]!r} is not "
        f"valid; valid: {valid}"
    )


def _first_line(error: Exception) -> str:
    return next(_lines(error), type(error).__name__)


def _lines(error: Exception) -> Iterator[str]:
    return (line for line in str(error).splitlines() if line.strip())
