"""A lease in a file: for stores that are files themselves."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from scaling.config import digest_of
from scaling.lease import Holder, Seen
from scaling.units import file_name, write_text


class LeaseFile:
    """Written as a whole and renamed; a lock beside it keeps drivers of a file system apart."""

    settle = 0.0

    def __init__(self, path: Path, lock: Path) -> None:
        self._path, self._lock = path, lock

    @classmethod
    def beside(cls, store: Path, title: str) -> Self:
        """A sweep's lease beside the store's file, wherever the path to that leads through."""
        store = store.resolve()
        # Titles that differ only in what a file's name can't hold differ in the digest.
        name = f"{store.name}.{file_name(title)}-{digest_of(title)[:8]}.lease"
        return cls(store.with_name(name), store.with_name(f"{store.name}.lock"))

    def __str__(self) -> str:
        return str(self._path)

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with open(self._lock, "a") as file:
            # Some network file systems have no locks; there, two that start within the same
            # milliseconds find out at the first heartbeat.
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def read(self) -> Seen | None:
        """The lease; its age by the file system's clock, which all machines share.

        Raises:
            ValueError: the file holds something else.
        """
        try:
            text, written = self._path.read_text(), self._path.stat().st_mtime
        except FileNotFoundError:
            return None
        try:
            holder = Holder.from_dict(json.loads(text))
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{self._path} is no lease ({error}). Cure: delete it if nobody runs the sweep"
            ) from error
        return Seen(holder, self._now() - written)

    def write(self, holder: Holder) -> None:
        write_text(self._path, json.dumps(holder.to_dict()))

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def _now(self) -> float:
        try:
            with tempfile.TemporaryFile(dir=self._path.parent) as file:
                return os.fstat(file.fileno()).st_mtime
        except OSError:  # a folder that we may only read
            return time.time()
