"""What `climber data compress` and `climber data expand` do and tell."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from scaling.cli.output import closing, print_table, progress_bar

if TYPE_CHECKING:
    from scaling.datasets.records import Counts


def compress_file(single: str, output: Path, request: str, items: str | None, memory: str) -> None:
    """Rows to records."""
    from scaling.datasets.records import compress
    from scaling.units import parse_bytes

    declared = None if items is None else _columns(items)
    with progress_bar() as tell:
        found = compress(single, output, _columns(request), declared, parse_bytes(memory), tell)
    _show(found, "compressed")
    closing([output], f"climber data expand {shlex.quote(str(output))} -o single.parquet")


def expand_file(records: str, output: Path, memory: str) -> None:
    """Records to rows."""
    from scaling.datasets.records import expand
    from scaling.units import parse_bytes

    with progress_bar() as tell:
        found = expand(records, output, parse_bytes(memory), tell)
    _show(found, "expanded")
    closing([output], "climber data list")


def _columns(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _show(found: Counts, title: str) -> None:
    from scaling.units import format_si

    rows = [
        ("rows", f"{found.rows:,}"),
        ("records", f"{found.records:,}"),
        ("mean items per record", f"{found.rows / max(found.records, 1):.2f}"),
        ("columns of the items", ", ".join(found.items) or "none"),
        ("bytes before", format_si(found.bytes_before, "B", 3)),
        ("bytes after", format_si(found.bytes_after, "B", 3)),
    ]
    print_table(title, ("what", "value"), rows)
