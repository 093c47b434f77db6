"""Checksums of files, remembered: a set of many gigabytes is not read again to know it."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from scaling.config import cache_dir
from scaling.datasets.store import written_aside


def file_digest(path: Path) -> str:
    """SHA-256 of a file; read again only when its size or time of change is another.

    Raises:
        ValueError: the file can't be read.
    """
    try:
        stat = path.stat()
        return _file_digest(path.absolute(), stat.st_size, stat.st_mtime_ns, cache_dir())
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror or error}") from error


@lru_cache(maxsize=4096)
def _file_digest(path: Path, size: int, changed: int, cache: Path) -> str:
    """Kept in the cache under the name of the place, for the processes to come."""
    known = {"path": str(path), "size": size, "changed": changed}
    place = hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()[:32]
    kept = cache / "checksums" / f"{place}.json"
    try:
        found = json.loads(kept.read_text())
        if {name: found[name] for name in known} == known:
            return str(found["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not kept yet, or damaged: it is only a note
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if size >= WORTH_KEEPING:
        with written_aside(kept) as aside:
            aside.write_text(json.dumps({**known, "sha256": digest}))
    return digest


WORTH_KEEPING = 2**24
"""Bytes: smaller files are read again faster than a note is worth."""
