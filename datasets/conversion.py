"""Events of any number, as a source's queries give them, into a prepared log; out of core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

    from scaling.datasets.source import SourceTables

DEFAULT_MEMORY = 4 * 10**9
"""Bytes that the process takes at most, unless told otherwise."""

Progress = Callable[[str, float], None]
"""Told the stage and its finished share, 0 to 1."""


def quiet(stage: str, share: float) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Conversion:
    """What is converted and how."""

    tables: Callable[[duckdb.DuckDBPyConnection], SourceTables]
    min_user_events: int
    min_item_events: int
    record: Mapping[str, Any]
    """Plain data for the manifest: source, options, checksums, licence."""


def convert(
    conversion: Conversion, path: Path, *, memory: int, threads: int | None, progress: Progress
) -> None:
    """Writes the prepared log at `path`; whole, or not at all.

    Raises:
        ValueError: damaged files, too little memory, a full disk.
    """
    raise NotImplementedError
