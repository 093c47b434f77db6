"""What was read of a sweep, kept in the cache, so that the next reader begins where one ended."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd

from scaling.config import cache_dir
from scaling.runs import write_runs

logger = logging.getLogger(__name__)

FORMAT = 1
"""Raised when the same file begins to mean something else."""
ORIGIN = "origin"


def snapshot_path(uri: str, title: str) -> Path:
    """Of the runs of one sweep of one store."""
    name = hashlib.sha256(f"{uri}\n{title}".encode()).hexdigest()[:24]
    return cache_dir() / "runs" / f"{name}.parquet"


def load_rows(path: Path, origin: object) -> list[dict[str, Any]]:
    """The rows that were kept of that origin; none if there are none, or of another one.

    Args:
        path: from `snapshot_path`.
        origin: what the rows were read from: the same text then and now, or they don't count.
    """
    try:
        table = pd.read_parquet(path)
        if table.attrs.get(ORIGIN) != _words(origin):
            return []
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        return [{str(k): v for k, v in row.items() if v is not None} for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError) as error:  # a damaged file: everything is read again
        logger.warning("%s can't be read (%s): the runs are read from the store again", path, error)
        return []


def keep_rows(path: Path, origin: object, rows: list[dict[str, Any]]) -> None:
    """Write the rows in place of what was kept; a cache that can't be written is told, once a call."""
    table = pd.DataFrame(rows)
    table.attrs[ORIGIN] = _words(origin)
    try:
        write_runs(table, path)
    except OSError as error:
        logger.warning("what was read is not kept for the next start: %s", error)


def _words(origin: object) -> str:
    return json.dumps([FORMAT, origin], default=str)
