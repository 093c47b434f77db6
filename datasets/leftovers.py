"""What conversions that were killed have left behind, and nobody goes on with."""

from __future__ import annotations

import fcntl
from pathlib import Path


def leftovers(folder: Path) -> dict[Path, int]:
    """Work of conversions that no process is busy with, and its bytes on the disk.

    A conversion goes on with its own (see `scaling.datasets.conversion`); with other options, or other
    files, it is another one, and the work remains.

    Args:
        folder: of a data set's prepared logs; it need not exist.
    """
    return {
        work: sum(file.stat().st_size for file in work.rglob("*") if file.is_file())
        for work in sorted(folder.glob(".*.partial"))
        if work.is_dir() and not _busy(work.with_suffix(".lock"))
    }


def _busy(lock: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
