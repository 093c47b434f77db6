"""Moments of a table: numbers whose unit must be told, text, or moments already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaling.datasets.sql import name_of
from scaling.datasets.table_files import TableFiles

if TYPE_CHECKING:
    import duckdb

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""How many make a second."""

PLAUSIBLE = (315_532_800, 4_102_444_800)
"""Seconds: 1980 to 2100."""


def seconds(column: str, unit: str) -> str:
    """Whole seconds since the epoch, UTC, rounded down, as SQL of a column (quoted already).

    Without a unit the column is of the type TIMESTAMPTZ.
    """
    if not unit:
        return f"CAST(floor(epoch({column})) AS BIGINT)"
    size = UNITS[unit]
    if size == 1:
        return column
    # Division rounds towards zero, which before 1970 would be up.
    return f"({column} - (({column} % {size}) + {size}) % {size}) // {size}"


def time_check(
    connection: duckdb.DuckDBPyConnection, files: TableFiles, rows: str, column: str, unit: str
) -> None:
    """Makes sure that the unit is known and fits.

    Times that are not of this age in any unit pass: they count from some other moment.

    Raises:
        ValueError: no unit for numbers, or one that does not fit: names the one that does; some
            times are plausible and others are not: names the first of those.
    """
    first = files.paths[0]
    if files.numeric_time and not unit:
        looks = [one for one in UNITS if _plausible(connection, rows, column, one)[0]]
        seems = f"its values look like {looks[0]}" if looks else "its values tell nothing"
        raise ValueError(
            f"{first}: the column {column!r} holds numbers, and their unit must be known: {seems}; set "
            f"time_unit to one of {', '.join(UNITS)} (climber data prepare table --set "
            f"time_unit={looks[0] if looks else 's'})"
        )
    if not files.numeric_time and unit:
        raise ValueError(
            f"{first}: table.time_unit is {unit!r}, but the column {column!r} holds moments; leave "
            "it empty"
        )
    some, every = _plausible(connection, rows, column, unit)
    if every:
        return
    if some:
        words = "a moment between 1980 and 2100, as other rows have"
        files.open(connection, {column: (_is_plausible(column, unit), words)})
    looks = [
        one for one in UNITS if files.numeric_time and _plausible(connection, rows, column, one)[1]
    ]
    if looks:
        raise ValueError(
            f"{first}: table.time_unit is {unit!r}, but the values of the column {column!r} look "
            f"like {looks[0]}: set time_unit={looks[0]}"
        )


def _is_plausible(column: str, unit: str) -> str:
    return f"{seconds(name_of(column), unit)} BETWEEN {PLAUSIBLE[0]} AND {PLAUSIBLE[1]}"


def _plausible(
    connection: duckdb.DuckDBPyConnection, rows: str, column: str, unit: str
) -> tuple[bool, bool]:
    """Whether some moments are of this age, and whether all are."""
    condition = _is_plausible(column, unit)
    found = connection.execute(
        f"SELECT bool_or({condition}), bool_and({condition}) FROM ({rows})"
    ).fetchone()
    assert found is not None
    return bool(found[0]), bool(found[1])
