"""What is wrong with a text file and where: a slow reading, made only when the fast one failed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scaling.datasets.text_scan import open_binary

LONGEST_LINE = 2_000_000
"""Bytes; DuckDB reads no longer ones."""

SHOWN = 60
"""Characters of a value that an error shows."""


@dataclass(frozen=True)
class Dialect:
    """How the rows of a file are written."""

    separator: str
    quoting: bool
    headed: bool
    """Whether the first line names the columns."""
    columns: Sequence[str]
    """In the file's order."""


def header_names(path: Path, line: str, separator: str, quoting: bool) -> list[str]:
    """The columns that a file's first line names; `ValueError` where one is named twice."""
    try:
        rows = (
            list(csv.reader([line], delimiter=separator, strict=True))
            if quoting
            else [line.split(separator)]
        )
    except csv.Error as error:
        raise ValueError(f"{path}, line 1 names no columns: {error}") from error
    names = [name.strip() for name in rows[0]] if line else []
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path}, line 1 names the column {twice[0]!r} twice")
    return names


def parse_failure(paths: Sequence[Path], dialect: Dialect, reason: str) -> ValueError:
    """The first row that does not have its columns; `reason` where none is found."""
    wanted = len(dialect.columns)
    for path in paths:
        try:
            for line, values, size in _records(path, dialect):
                where = f"{path}, line {line}"
                if size > LONGEST_LINE:
                    return ValueError(f"{where} is longer than {LONGEST_LINE:,} bytes")
                if len(values) != wanted:
                    state = "cut off" if len(values) < wanted else "too long"
                    return ValueError(
                        f"{where} is {state}: it holds {len(values)} of {wanted} columns; "
                        "the file may be truncated: get it again"
                    )
                for name, value in zip(dialect.columns, values):
                    if dialect.quoting and '"' in value:
                        return ValueError(
                            f"{where}, column {name!r}: {shown(value)} holds a quote, which must "
                            "be doubled and the value stand in quotes"
                        )
        except ValueError as error:
            return error
    names = ", ".join(str(path) for path in paths[:3]) + (", ..." if len(paths) > 3 else "")
    return ValueError(f"{names} can't be read: {reason}")


def place_of(paths: Sequence[Path], counts: Sequence[int], row: int, dialect: Dialect) -> str:
    """File and line of a row of all files together; `counts` are the rows of each."""
    for path, count in zip(paths, counts, strict=True):
        if row < count:
            target = row + dialect.headed
            for number, (line, _, _) in enumerate(_records(path, dialect)):
                if number == target:
                    return f"{path}, line {line}"
        row -= count
    raise AssertionError(f"there is no row {row}")


def shown(value: str) -> str:
    """A value as errors show it."""
    return repr(value if len(value) <= SHOWN else value[:SHOWN] + "...")


def _records(path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str], int]]:
    """First line, values and size of every row that is not blank, the header among them."""
    with open_binary(path) as binary:
        file = io.TextIOWrapper(binary, encoding="utf-8-sig", newline="\n")
        if not dialect.quoting:
            for line, text in enumerate(file, 1):
                row = text.rstrip("\r\n")
                if row:
                    yield line, row.split(dialect.separator), len(row.encode())
            return
        reader = csv.reader(file, delimiter=dialect.separator, strict=True)
        line = 1
        try:
            for values in reader:
                if values:
                    yield line, values, sum(len(value.encode()) + 1 for value in values)
                line = reader.line_num + 1
        except csv.Error as error:
            raise ValueError(f"{path}, line {line}: {error}") from error
