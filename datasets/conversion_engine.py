"""DuckDB as the converter uses it: within a memory limit, with progress, and errors with a cure."""

from __future__ import annotations

import errno
import os
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from scaling.datasets.conversion_leftovers import described, interrupted

Progress = Callable[[str, float], None]
"""Told the stage and its finished share, 0 to 1."""

OWN_BYTES = 300 * 10**6
"""What the converter takes beside DuckDB: chunks on their way to the disk, and what its allocator
holds back."""

LEAST_BYTES = 200 * 10**6
"""With less, DuckDB gives up on its own."""

BYTES_PER_THREAD = 10**9

TICK_SECONDS = 0.2


def quiet(stage: str, share: float) -> None:
    """Tells nobody."""


class Engine:
    """One connection; queries are named by the stage that they belong to."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, progress: Progress) -> None:
        self.connection = connection
        self.progress = progress

    def run(self, stage: str, query: str) -> None:
        """A query without a result."""
        with self._watched(stage):
            self.connection.execute(query)

    def rows(self, stage: str, query: str) -> list[tuple[Any, ...]]:
        """The rows of a small result."""
        with self._watched(stage):
            return self.connection.execute(query).fetchall()

    def batches(self, stage: str, query: str, rows: int) -> Iterator[pa.RecordBatch]:
        """A large result of `rows` rows, batch by batch; only a few are in memory at once."""
        with self._watched(f"sort {stage}"):
            reader = self.connection.sql(query).to_arrow_reader(2**17)
            batch = next(reader, None)
        done = 0
        while batch is not None:
            yield batch
            done += len(batch)
            self.progress(f"write {stage}", done / rows)
            batch = next(reader, None)

    @contextmanager
    def _watched(self, stage: str) -> Iterator[None]:
        """Tells how far the query is while it runs."""
        self.progress(stage, 0.0)
        ended = threading.Event()

        def tell() -> None:
            while not ended.wait(TICK_SECONDS):
                percent = self.connection.query_progress()
                if 0 <= percent <= 100:
                    self.progress(stage, percent / 100)

        watcher = threading.Thread(target=tell, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
        self.progress(stage, 1.0)


@contextmanager
def opened(
    database: Path, *, memory: int, threads: int | None, progress: Progress
) -> Iterator[Engine]:
    """DuckDB over `database`, made if need be; spills to a folder beside it.

    Args:
        memory: bytes that the process may take in all, what it has already included.
        threads: by default as many as there are cores and memory for.

    Raises:
        ValueError: too little memory.
        duckdb.Error: the database is damaged, or of another release.
    """
    limit = memory - resident_bytes() - OWN_BYTES
    if limit < LEAST_BYTES:
        least = memory - limit + LEAST_BYTES
        raise ValueError(
            f"{memory / 1e9:.2f} GB of memory are too little: at least {least / 1e9:.2f} GB are "
            "needed (--memory)"
        )
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    chosen = threads or max(1, min(cores, limit // BYTES_PER_THREAD))
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{limit}B",
        "threads": chosen,
        "temp_directory": str(database.parent / "spilled"),
        # Rows carry their place, so that no query needs the order in which they are read.
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
    }
    connection = duckdb.connect(str(database), config=settings)
    try:
        connection.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
        connection.execute("SET TimeZone = 'UTC'")
        yield Engine(connection, progress)
    finally:
        connection.close()


@contextmanager
def explained(path: Path, source: str, memory: int) -> Iterator[None]:
    """Turns what DuckDB and the disk complain about into a `ValueError` with the cure.

    Args:
        path: what is written.
        source: the names of the files that are read.
        memory: the limit that was given.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        if "max_temp_directory_size" in str(error) and "memory_limit" not in str(error):
            raise _no_room(path, str(error)) from error
        raise ValueError(
            f"{memory / 1e9:.2f} GB of memory (--memory) or the disk of {path.parent} are too "
            f"little: {_first_line(error)}"
        ) from error
    except duckdb.Error as error:
        if any(word in str(error) for word in _FULL):
            raise _no_room(path, _first_line(error)) from error
        raise ValueError(f"{source}: can't be read: {_first_line(error)}") from error
    except OSError as error:
        raise _no_room(path, error.strerror or str(error)) from error


def resident_bytes() -> int:
    """What the process has in memory now; where that can't be known, the most it ever had."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # no Linux
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if sys.platform == "darwin" else 1024)


_FULL = (
    os.strerror(errno.ENOSPC),
    os.strerror(errno.EFBIG),
    os.strerror(errno.EDQUOT),
    os.strerror(errno.EROFS),
    "Could not write",
)


def _no_room(path: Path, reason: str) -> ValueError:
    others = interrupted(path)
    room = f"; interrupted conversions that may be deleted: {described(others)}" if others else ""
    return ValueError(
        f"cannot write {path}: {reason}; make room there (the finished stages are kept), or choose "
        f"another folder with the environment variable CLIMBER_CACHE{room}"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
