"""Prepared logs at a shared place, for the nodes of a cluster that lack the source files.

The place is a folder or any URI that pyarrow's file systems know. A log stands there as it does in
the cache (what trials read of it), its manifest written last: without that it isn't whole. A node
copies it once; all its trials map that one copy into memory.
"""

from __future__ import annotations

import posixpath
from pathlib import Path

from pyarrow import fs

from scaling.config import cache_dir
from scaling.datasets.locks import lock_file, locked
from scaling.datasets.store import MANIFEST, files_of, is_stored, written_aside

_CHUNK = 2**24


def publish(prepared: Path, place: str) -> bool:
    """Copy a prepared log to the shared place; False where a whole one stands there already.

    Raises:
        ValueError: a place of no known kind, or one that can't be written.
    """
    try:
        files, folder = _at(place, prepared)
        manifest = posixpath.join(folder, MANIFEST)
        if files.get_file_info(manifest).is_file:
            return False
        files.create_dir(folder, recursive=True)
        local = fs.LocalFileSystem()
        for name in files_of((prepared / MANIFEST).read_bytes()):
            _copy(local, str(prepared / name), files, posixpath.join(folder, name))
    except (OSError, ValueError, ImportError) as error:
        raise ValueError(
            f"data can't be put at {place!r}: {error}. Valid: a folder, or a URI of a file system "
            "that pyarrow knows (file:///folder, s3://bucket/folder, gs://bucket/folder)"
        ) from error
    return True


def obtain(prepared: Path, place: str) -> None:
    """See to it that the prepared log stands in this node's cache; copied from the place if not.

    Raises:
        ValueError: it stands at neither, or can't be copied.
    """
    if is_stored(prepared):
        return
    with locked(lock_file(prepared), lambda: None):
        if is_stored(prepared):  # another process of this node was first
            return
        try:
            files, folder = _at(place, prepared)
            manifest = posixpath.join(folder, MANIFEST)
            if not files.get_file_info(manifest).is_file:
                raise ValueError(f"{place} holds no whole {_name(prepared)}")
            with files.open_input_stream(manifest) as stream:
                names = files_of(stream.read())
            with written_aside(prepared) as aside:
                aside.mkdir()
                for name in names:
                    source = posixpath.join(folder, name)
                    _copy(files, source, fs.LocalFileSystem(), str(aside / name))
        except OSError as error:
            raise ValueError(f"{_name(prepared)} can't be copied from {place}: {error}") from error


def _name(prepared: Path) -> str:
    """A log's place below the cache, and below any shared place."""
    return prepared.relative_to(cache_dir()).as_posix()


def _at(place: str, prepared: Path) -> tuple[fs.FileSystem, str]:
    if "://" in place:
        files, root = fs.FileSystem.from_uri(place)
    else:
        files, root = fs.LocalFileSystem(), str(Path(place).expanduser().absolute())
    return files, posixpath.join(root, _name(prepared))


def _copy(source: fs.FileSystem, path: str, target: fs.FileSystem, to: str) -> None:
    with source.open_input_stream(path) as read, target.open_output_stream(to) as write:
        while chunk := read.read(_CHUNK):
            write.write(chunk)
