"""Names, texts and files as DuckDB's SQL."""

from __future__ import annotations

import re
from pathlib import Path


def literal(text: str) -> str:
    """A text."""
    return "'" + text.replace("'", "''") + "'"


def name_of(column: str) -> str:
    """The name of a column."""
    return '"' + column.replace('"', '""') + '"'


def file_of(path: Path) -> str:
    """A file where a pattern is expected: one that matches this path alone."""
    return literal(re.sub(r"[*?\[]", r"[\g<0>]", str(path)))
