"""The files of a table, text or Parquet, as one checked relation of its wanted columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow.parquet as pa_parquet

from scaling.datasets.parquet_files import check_columns, check_rows, kind_of, scan
from scaling.datasets.sql import name_of
from scaling.datasets.text_files import csv_relation
from scaling.datasets.text_values import Valid

if TYPE_CHECKING:
    import duckdb

SUFFIXES = {
    ".parquet": "",
    ".csv": ",",
    ".csv.gz": ",",
    ".tsv": "\t",
    ".tsv.gz": "\t",
    ".txt": ",",
    ".txt.gz": ",",
}
"""Of file names, with the usual separator."""

T = TypeVar("T")

NUMBER = "-?[0-9]+"
LARGEST = 2**63 - 1

IDS, TIMES, WORDS = ("whole", "text"), ("whole", "time", "text"), ("text", "whole", "truth")
FLAGS, NUMBERS = ("whole", "truth"), ("whole", "real")


@dataclass
class TableFiles:
    """What is read of which files, and as what."""

    paths: list[Path]
    ids: tuple[str, ...]
    """BIGINT where Parquet has whole numbers, else VARCHAR: text keeps leading zeros."""
    time: str
    unit: str
    words: tuple[str, ...]
    flags: tuple[str, ...]
    """0 or 1."""
    ratings: tuple[str, ...]
    separator: str
    numeric_time: bool = False
    """Whether times are whole numbers (else moments); known once `open` was called."""

    def open(self, connection: duckdb.DuckDBPyConnection, valid: Valid | None = None) -> str:
        """SQL of the columns and `row`, the place of a row among those of all files.

        Args:
            valid: by column a further condition on it, and in words what is valid.

        Raises:
            ValueError: names file, row or line, and column.
        """
        if is_parquet(self.paths[0]):
            return self._parquet(connection, valid or {})
        return self._text(connection, valid or {})

    def _parquet(self, connection: duckdb.DuckDBPyConnection, valid: Valid) -> str:
        wanted = self._wanted(
            {"time": TIMES, "id": IDS, "word": WORDS, "flag": FLAGS, "real": NUMBERS}
        )
        kinds: dict[str, str] = {}
        for path in self.paths:
            types = check_columns(path, wanted)
            found = {column: kind_of(types[column]) for column in wanted}
            for column, kind in found.items():
                if kinds.setdefault(column, kind) != kind:
                    raise ValueError(
                        f"{path}, column {column!r} is {kind}, in {self.paths[0]} it is "
                        f"{kinds[column]}"
                    )
        self.numeric_time = kinds[self.time] == "whole"
        parts, before = [], 0
        for path in self.paths:
            read = ", ".join(self._value(column, kinds[column]) for column in wanted)
            wrong = {column: self._wrong(column, kinds[column]) for column in wanted}
            check_rows(connection, path, wrong)
            rows = f"(SELECT {read}, file_row_number FROM {scan(path)})"
            further = {
                c: (f"NOT coalesce({test}, true)", words) for c, (test, words) in valid.items()
            }
            if further:
                check_rows(connection, path, further, rows)
            listed = ", ".join(map(name_of, wanted))
            parts.append(f"SELECT {listed}, {before} + file_row_number AS row FROM {rows}")
            before += pa_parquet.read_metadata(path).num_rows
        if not before:
            listed = ", ".join(map(str, self.paths))
            raise ValueError(f"{listed} holds no rows; get it again")
        return " UNION ALL ".join(parts)

    def _value(self, column: str, kind: str) -> str:
        """A column of Parquet as the table has it."""
        quoted = name_of(column)
        if column in self.ids:
            found = f"CAST({quoted} AS {'BIGINT' if kind == 'whole' else 'VARCHAR'})"
        elif column == self.time:
            found = f"CAST({quoted} AS {'BIGINT' if kind == 'whole' else 'TIMESTAMPTZ'})"
        elif column in self.flags:
            found = f"CAST({quoted} AS UTINYINT)"
        elif column in self.ratings:
            found = f"CAST({quoted} AS DOUBLE)"
        else:
            found = f"CAST({quoted} AS VARCHAR)"
        return f"{found} AS {quoted}"

    def _wrong(self, column: str, kind: str) -> tuple[str, str]:
        """When a value of Parquet is wrong, and what is valid."""
        quoted = name_of(column)
        if column in self.flags:
            return f"{quoted} IS NULL OR CAST({quoted} AS BIGINT) NOT IN (0, 1)", "0, 1"
        if column in self.ratings:
            return f"{quoted} IS NULL OR NOT isfinite(CAST({quoted} AS DOUBLE))", "a number"
        if kind == "whole":
            return f"{quoted} IS NULL OR {quoted} > {LARGEST}", f"a whole number, at most {LARGEST}"
        if column == self.time:
            return f"TRY_CAST({quoted} AS TIMESTAMPTZ) IS NULL", MOMENT
        return f"{quoted} IS NULL", "anything but nothing"

    def _text(self, connection: duckdb.DuckDBPyConnection, valid: Valid) -> str:
        time = "BIGINT" if self.unit else "VARCHAR"
        columns = self._wanted(
            {"time": time, "id": "VARCHAR", "word": "VARCHAR", "flag": "BIGINT", "real": "DOUBLE"}
        )
        flags = {flag: (f"{name_of(flag)} IN (0, 1)", "0, 1") for flag in self.flags}
        separator = self.separator or next(
            found for end, found in SUFFIXES.items() if self.paths[0].name.lower().endswith(end)
        )

        def relation(conditions: Valid) -> str:
            return csv_relation(
                connection,
                self.paths,
                columns,
                separator=separator,
                quoting=True,
                valid={**flags, **conditions},
            ).sql

        if self.unit:
            self.numeric_time = True
            return relation(valid)
        rows = relation({})
        numbers = connection.execute(
            f"SELECT bool_and(regexp_full_match({name_of(self.time)}, '{NUMBER}')) FROM ({rows})"
        ).fetchone()
        self.numeric_time = numbers == (True,)
        kind = "BIGINT" if self.numeric_time else "TIMESTAMPTZ"
        moment = f"TRY_CAST({name_of(self.time)} AS {kind})"
        rows = relation({self.time: (f"{moment} IS NOT NULL", MOMENT)})
        return f"SELECT * REPLACE ({moment} AS {name_of(self.time)}) FROM ({rows})"

    def _wanted(self, kinds: Mapping[str, T]) -> dict[str, T]:
        """What each wanted column may be, by its use."""
        found = dict.fromkeys(self.ids, kinds["id"]) | {self.time: kinds["time"]}
        found |= dict.fromkeys(self.words, kinds["word"])
        found |= dict.fromkeys(self.flags, kinds["flag"])
        return found | dict.fromkeys(self.ratings, kinds["real"])


MOMENT = "a moment such as 2024-05-31T12:00:00 or 2024-05-31 12:00:00+02:00"


def is_parquet(path: Path) -> bool:
    """By the name."""
    return path.name.lower().endswith(".parquet")
