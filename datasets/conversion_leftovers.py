"""What conversions that were interrupted have left behind, and still go on from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scaling.datasets.locks import is_held, lock_file

PARTIAL = ".partial"


def work_folder(path: Path) -> Path:
    """Where the unfinished work on a prepared log stands."""
    return path.with_name(f".{path.name}{PARTIAL}")


def interrupted(path: Path) -> list[Path]:
    """Unfinished work of other logs beside `path`, on which no process works now.

    It is not removed: a conversion of the same files and options goes on from there.
    """
    found = []
    for work in sorted(path.parent.glob(f".*{PARTIAL}")):
        log = work.with_name(work.name.removeprefix(".").removesuffix(PARTIAL))
        if log != path and not is_held(lock_file(log)):
            found.append(work)
    return found


def described(works: Sequence[Path]) -> str:
    """The folders and what they take of the disk."""
    return ", ".join(f"{work} ({_size(work) / 1e9:.3g} GB)" for work in works)


def _size(folder: Path) -> int:
    """Bytes of the files; one that vanishes meanwhile counts as none."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.lstat().st_size
        except FileNotFoundError:
            continue
    return total
