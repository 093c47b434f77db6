"""Text tables and JSON lines of any size as checked relations of DuckDB.

Every byte is read twice before a query may use it: once to count the rows and to see that they are
text (`text_scan`), once by DuckDB to see that every value parses. So what the query gives later is
whole, and what is wrong is named by file, line and column (`text_diagnosis`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from scaling.datasets.sql import file_of, literal, name_of
from scaling.datasets.text_diagnosis import Dialect, header_names, parse_failure, place_of, shown
from scaling.datasets.text_scan import Scan, is_compressed, scan
from scaling.datasets.text_values import KINDS, Valid

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Relation:
    """Checked rows of text files; in an f-string the SQL."""

    sql: str
    """A SELECT of the wanted columns and `row` (BIGINT): the rows of all files together, numbered
    from 0 in their order, without headers and blank lines. It streams, and it keeps the order
    whatever `preserve_insertion_order` says."""
    rows: int
    counts: Mapping[str, int]
    """Rows that fulfil each condition of `counted`."""

    def __str__(self) -> str:
        return self.sql


LINE = Dialect(separator="\x01", quoting=False, headed=False, columns=("line",))
"""A file of JSON lines as a table of one column: JSON may not hold that character."""


def csv_relation(
    connection: duckdb.DuckDBPyConnection,
    paths: Sequence[Path],
    columns: Mapping[str, str],
    *,
    separator: str = ",",
    header: Sequence[str] | None = None,
    quoting: bool = False,
    optional: Collection[str] = (),
    valid: Valid | None = None,
    counted: Mapping[str, str] | None = None,
    unique: str = "",
) -> Relation:
    """The wanted columns of text tables.

    Args:
        paths: UTF-8 files of the same columns, plain or gzip (`.gz`), one behind the other.
        columns: the type of each wanted column, one of `KINDS`.
        header: the columns of files without a header line; None: the first line names them.
        quoting: whether a value may stand in double quotes, those within it doubled.
        optional: columns whose value may be empty (NULL); elsewhere that is an error.
        valid: conditions on the values.
        counted: conditions in SQL whose rows are counted, by name.
        unique: a column that may hold each value once.

    Raises:
        ValueError: what is wrong, with file, line and column.
    """
    scans = [scan(path, quoting=quoting) for path in paths]
    names = header or _common_header(paths, scans, separator, quoting)
    if missing := [name for name in columns if name not in names]:
        raise ValueError(
            f"{paths[0]} has no column {missing[0]!r}; it holds {', '.join(names) or 'nothing'}"
        )
    dialect = Dialect(separator, quoting, header is None, names)
    files = _Files(paths, scans, dialect)
    wanted = [
        _Column(name, kind, f"c{names.index(name)}", name in optional)
        for name, kind in columns.items()
    ]
    relation = _checked(connection, files, files.read(), wanted, valid or {}, counted or {})
    if unique:
        _check_unique(connection, files, relation, unique)
    return relation


def json_relation(
    connection: duckdb.DuckDBPyConnection,
    paths: Sequence[Path],
    columns: Mapping[str, str],
    *,
    optional: Collection[str] = (),
    valid: Valid | None = None,
    counted: Mapping[str, str] | None = None,
) -> Relation:
    """The same of files with one JSON object in each line.

    Args:
        columns: the type of each wanted key, one of `KINDS`; other keys are passed over.
        optional: keys that may be absent or null.
    """
    files = _Files(paths, [scan(path, quoting=False) for path in paths], LINE)
    keys = ", ".join(literal(f'$."{name}"') for name in columns)
    objects = (
        f"SELECT *, CASE WHEN _types[1] = 'OBJECT' THEN json_extract_string(line, [{keys}]) END AS "
        f"_texts FROM (SELECT c0 AS line, CASE WHEN json_valid(c0) THEN "
        f"json_type(c0, ['$', {keys}]) END AS _types FROM ({files.read()}) WHERE c0 IS NOT NULL)"
    )
    wanted = [
        _Column(name, kind, f"_texts[{place}]", name in optional, f"_types[{place + 1}]")
        for place, (name, kind) in enumerate(columns.items(), 1)
    ]
    whole = "_types[1] = 'OBJECT'"
    return _checked(connection, files, objects, wanted, valid or {}, counted or {}, whole)


@dataclass(frozen=True)
class _Column:
    name: str
    kind: str
    raw: str
    """SQL of its text."""
    optional: bool
    json: str = ""
    """SQL of its JSON type."""

    @property
    def parsed(self) -> str:
        return KINDS[self.kind].parsed.format(self.raw)

    @property
    def cast(self) -> str:
        """Of a text that is known to parse."""
        return self.raw if self.kind == "VARCHAR" else f"CAST({self.raw} AS {self.kind})"

    @property
    def bad(self) -> str:
        wrong = f"({self.parsed}) IS NULL"
        if self.json:
            kinds = ", ".join(map(literal, KINDS[self.kind].json))
            wrong = f"({wrong} OR {self.json} NOT IN ({kinds}))"
        return f"({self.raw} IS NOT NULL AND {wrong})" if self.optional else wrong


@dataclass(frozen=True)
class _Files:
    """Files that are read as one table."""

    paths: Sequence[Path]
    scans: Sequence[Scan]
    dialect: Dialect

    @cached_property
    def counts(self) -> list[int]:
        """Rows of each file, without its header."""
        return [max(found.rows - self.dialect.headed, 0) for found in self.scans]

    def read(self) -> str:
        """SQL of all columns as text, named c0, c1, ..."""
        kinds = [(is_compressed(p), s.newline) for p, s in zip(self.paths, self.scans, strict=True)]
        groups = groupby(zip(kinds, self.paths, strict=True), key=lambda pair: pair[0])
        return " UNION ALL ".join(
            self._read([path for _, path in group], *kind) for kind, group in groups
        )

    def _read(self, paths: Sequence[Path], compressed: bool, newline: str) -> str:
        quote = '"' if self.dialect.quoting else ""
        columns = ", ".join(f"c{place}: 'VARCHAR'" for place in range(len(self.dialect.columns)))
        options = {
            "auto_detect": "false",
            "header": str(self.dialect.headed).lower(),
            "delim": literal(self.dialect.separator),
            "quote": literal(quote),
            "escape": literal(quote),
            "comment": "''",
            "compression": "'gzip'" if compressed else "'none'",
            "strict_mode": "true",
            "null_padding": "false",
            "ignore_errors": "false",
            # Else a folder named c0=5 would stand in for the first column.
            "hive_partitioning": "false",
            "columns": f"{{{columns}}}",
        }
        if newline == "\n":
            # DuckDB 2.0 misreads CR LF when it is told of it, and finds it when it is not.
            options["new_line"] = "'\\n'"
        listed = ", ".join(map(file_of, paths))
        chosen = ", ".join(f"{name} = {value}" for name, value in options.items())
        return f"SELECT * FROM read_csv([{listed}], {chosen})"


def _checked(
    connection: duckdb.DuckDBPyConnection,
    files: _Files,
    table: str,
    columns: Sequence[_Column],
    valid: Valid,
    counted: Mapping[str, str],
    whole: str = "true",
) -> Relation:
    """The relation, after every row was parsed once; `whole` says whether a row is one at all."""
    import duckdb  # here, since the list of data sets imports every source

    for path, count in zip(files.paths, files.counts, strict=True):
        if not count:
            raise ValueError(f"{path} holds no rows; it may be truncated: get it again")
    # A row that is none, then each column's text, then each condition: the first one counts.
    flags = [f"NOT coalesce({whole}, false)", *(column.bad for column in columns)]
    rules = [f"NOT coalesce({condition}, true)" for condition, _ in valid.values()]
    fault = f"CASE {' '.join(f'WHEN _flag{i} THEN {i}' for i in range(len(flags)))} "
    fault += " ".join(f"WHEN {rule} THEN {len(flags) + i}" for i, rule in enumerate(rules)) + " END"
    inner = [f"{column.parsed} AS {name_of(column.name)}" for column in columns]
    inner += [f"{flag} AS _flag{place}" for place, flag in enumerate(flags)]
    inner += [f"{column.raw} AS _text{place}" for place, column in enumerate(columns)]
    every = f"SELECT {', '.join(inner)} FROM ({table})"
    try:
        totals = ["count(*)", f"count({fault})", *(f"count_if({c})" for c in counted.values())]
        query = f"SELECT {', '.join(totals)} FROM ({every})"
        ((found, bad, *counts),) = connection.execute(query).fetchall()
        if bad:
            texts = ", ".join(f"_text{place}" for place in range(len(columns)))
            numbered = f"row_number() OVER () - 1 AS _row, {fault} AS _fault, {texts}"
            ((row, flag, *values),) = connection.execute(
                f"SELECT * FROM (SELECT {numbered} FROM ({every})) "
                "WHERE _fault IS NOT NULL ORDER BY _row LIMIT 1"
            ).fetchall()
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        reason = str(error).split("\n", 1)[0]
        raise parse_failure(files.paths, files.dialect, reason) from error
    if bad:
        where = place_of(files.paths, files.counts, row, files.dialect)
        raise ValueError(f"{where}{_fault(flag, columns, values, valid)}")
    if found != (expected := sum(files.counts)):
        reason = f"its lines are {expected} rows, of which {found} can be told apart"
        raise parse_failure(files.paths, files.dialect, reason)
    wanted = ", ".join(f"{column.cast} AS {name_of(column.name)}" for column in columns)
    sql = f"SELECT {wanted}, row_number() OVER () - 1 AS row FROM ({table})"
    return Relation(sql, found, dict(zip(counted, counts, strict=True)))


def _check_unique(
    connection: duckdb.DuckDBPyConnection, files: _Files, relation: Relation, column: str
) -> None:
    again = connection.execute(
        f"SELECT {name_of(column)}, max(row) FROM ({relation}) GROUP BY 1 HAVING count(*) > 1 "
        "ORDER BY 2 LIMIT 1"
    ).fetchall()
    for value, row in again:
        where = place_of(files.paths, files.counts, row, files.dialect)
        raise ValueError(f"{where}, column {column!r}: {shown(str(value))} is there before")


def _fault(flag: int, columns: Sequence[_Column], texts: Sequence[str | None], valid: Valid) -> str:
    """What is wrong with a row, by the number that `_checked` gave it."""
    names = [column.name for column in columns]
    if flag == 0:
        return " is no JSON object"
    if flag <= len(columns):
        column, text = columns[flag - 1], texts[flag - 1]
        wrong = "is missing" if text is None else f"{shown(text)} {KINDS[column.kind].wrong}"
        return f", column {column.name!r}: {wrong}"
    name, (_, choices) = list(valid.items())[flag - 1 - len(columns)]
    return (
        f", column {name!r}: {shown(str(texts[names.index(name)]))} is not valid; valid: {choices}"
    )


def _common_header(
    paths: Sequence[Path], scans: Sequence[Scan], separator: str, quoting: bool
) -> list[str]:
    """The columns that the first lines name; `ValueError` where they differ."""
    headers = [
        header_names(path, found.first, separator, quoting)
        for path, found in zip(paths, scans, strict=True)
    ]
    for path, names in zip(paths, headers, strict=True):
        if names != headers[0]:
            raise ValueError(
                f"{path} holds the columns {', '.join(names) or 'none'}; {paths[0]} holds "
                f"{', '.join(headers[0]) or 'none'}"
            )
    return headers[0]
