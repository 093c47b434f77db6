"""Reading text tables with errors that name the file, the row and the column."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv

Kind = Literal["int", "str"]
Table = dict[str, npt.NDArray[Any]]
"""Columns by name, of one length: int64, or objects for text."""


def read_table(
    text: bytes,
    place: str,
    columns: Mapping[str, Kind],
    *,
    separator: str,
    names: Sequence[str] | None = None,
    quoting: bool = False,
) -> Table:
    """The wanted columns of a text table.

    Args:
        text: the file's content, UTF-8.
        place: what errors call the file.
        columns: the wanted ones; `int` are whole numbers.
        names: the columns of a file without a header line.
        quoting: whether a value may stand in double quotes.

    Raises:
        ValueError: a missing column, a row that is cut off or too long, a value of another kind,
            bytes that are not UTF-8.
    """
    header = list(names) if names is not None else _header(text, separator)
    missing = [name for name in columns if name not in header]
    if missing:
        raise ValueError(
            f"{place} has no column {missing[0]!r}; it holds {', '.join(header) or 'nothing'}"
        )
    if names is not None and not text.strip():
        raise _no_rows(place)
    types = {name: pa.int64() if kind == "int" else pa.string() for name, kind in columns.items()}
    try:
        table = pa_csv.read_csv(
            io.BytesIO(text),
            read_options=pa_csv.ReadOptions(column_names=header, skip_rows=names is None),
            parse_options=pa_csv.ParseOptions(
                delimiter=separator, quote_char='"' if quoting else False
            ),
            convert_options=pa_csv.ConvertOptions(
                include_columns=list(columns), column_types=types, null_values=[]
            ),
        )
    except pa.ArrowInvalid as error:
        raise _diagnosis(text, place, columns, header, separator, names, quoting, error) from error
    if not len(table):
        raise _no_rows(place)
    return {name: table[name].to_numpy() for name in columns}


def check_values(
    place: str,
    column: str,
    values: npt.NDArray[Any],
    valid: npt.NDArray[np.bool_],
    choices: str,
    first_line: int = 2,
) -> None:
    """`ValueError` naming the first row whose value is not valid; the first is at `first_line`."""
    if not valid.all():
        row = int(np.flatnonzero(~valid)[0])
        raise ValueError(
            f"{place}, line {first_line + row}, column {column!r}: {values[row]} is not valid; "
            f"valid: {choices}"
        )


_NO_TEXT = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as `surrogateescape` decodes it."""


def _no_rows(place: str) -> ValueError:
    return ValueError(f"{place} holds no rows; it may be truncated: get it again")


def _header(text: bytes, separator: str) -> list[str]:
    line = text.split(b"\n", 1)[0].decode("utf-8-sig", errors="replace")
    return [name.strip().strip('"') for name in line.split(separator)] if line.strip() else []


def _diagnosis(
    text: bytes,
    place: str,
    columns: Mapping[str, Kind],
    header: Sequence[str],
    separator: str,
    names: Sequence[str] | None,
    quoting: bool,
    error: Exception,
) -> ValueError:
    """What is wrong and where, found by reading line by line: slow, but only once."""
    lines = io.StringIO(text.decode("utf-8", errors="surrogateescape"), newline="")
    rows = csv.reader(
        lines,
        delimiter=separator,
        quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE,
    )
    for row in rows:
        if (rows.line_num == 1 and names is None) or not row:
            continue
        where = f"{place}, line {rows.line_num}"
        if len(row) != len(header):
            state = "cut off" if len(row) < len(header) else "too long"
            return ValueError(
                f"{where} is {state}: it holds {len(row)} of {len(header)} columns; "
                "the file may be truncated: get it again"
            )
        for name, value in zip(header, row):
            if name in columns and (bad := _NO_TEXT.search(value)):
                return ValueError(
                    f"{where}, column {name!r}: byte 0x{ord(bad[0]) - 0xDC00:02x} is not UTF-8"
                )
            if columns.get(name) == "int" and not _is_int(value):
                return ValueError(f"{where}, column {name!r}: {value!r} is not a whole number")
    return ValueError(f"{place} can't be read: {error}")


def _is_int(value: str) -> bool:
    try:
        return -(2**63) <= int(value) < 2**63
    except ValueError:
        return False
