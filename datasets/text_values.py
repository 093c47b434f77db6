"""What the columns of text files may hold, as SQL over their text."""

from __future__ import annotations

from dataclasses import dataclass

from scaling.datasets.sql import name_of

Valid = dict[str, tuple[str, str]]
"""By column: a condition in SQL over the columns, and in words what is valid."""


@dataclass(frozen=True)
class Kind:
    """A type that a column may have."""

    parsed: str
    """SQL of the value that the text `{0}` stands for; NULL where it stands for none."""
    json: tuple[str, ...]
    """The types of JSON that hold it."""
    wrong: str
    """What an error says of another value."""


KINDS = {
    "BIGINT": Kind(
        # A cast alone would round '1.5' and take '0x1f'.
        "CASE WHEN regexp_full_match({0}, '-?[0-9]+') THEN TRY_CAST({0} AS BIGINT) END",
        ("BIGINT", "UBIGINT"),
        "is not a whole number of 64 bits",
    ),
    "DOUBLE": Kind(
        "CASE WHEN regexp_full_match({0}, '[-+0-9.eE]+') AND isfinite(TRY_CAST({0} AS DOUBLE))"
        " THEN TRY_CAST({0} AS DOUBLE) END",
        ("BIGINT", "UBIGINT", "DOUBLE"),
        "is not a number",
    ),
    "BOOLEAN": Kind(
        "CASE lower({0}) WHEN 'true' THEN true WHEN 'false' THEN false END",
        ("BOOLEAN",),
        "is neither true nor false",
    ),
    "VARCHAR": Kind("{0}", ("VARCHAR",), "is not text"),
}
"""By DuckDB's name."""


def not_negative(*columns: str) -> Valid:
    """Conditions on numbers that may not be below 0."""
    return {name: (f"{name_of(name)} >= 0", "0 or more") for name in columns}


def seconds(column: str) -> Valid:
    """The condition that a column holds seconds since 1970 (UTC), before the year 2100."""
    return _times(column, "seconds", 1)


def milliseconds(column: str) -> Valid:
    """The condition that a column holds milliseconds since 1970 (UTC), before the year 2100."""
    return _times(column, "milliseconds", 1000)


def _times(column: str, unit: str, per_second: int) -> Valid:
    # No public log of this kind begins before 1990; a time that early has another unit.
    first, last = 631_152_000 * per_second, 4_102_444_800 * per_second
    words = f"{unit} since 1970, {first} (1990) to {last} (2100)"
    return {column: (f"{name_of(column)} BETWEEN {first} AND {last}", words)}
