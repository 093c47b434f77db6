"""Official files at a URI: copied to this machine, where DuckDB reads and checks them."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from pathlib import Path

from pyarrow import fs

from scaling.datasets.store import written_aside

_CHUNK = 2**24

Tell = Callable[[str, float], None]


def copied_here(uri: str, target: Path, tell: Tell = lambda stage, share: None) -> Path:
    """The files at a URI, a folder or one file, below `target`; what is there whole stays.

    A file is whole if it has the size that it has there: files that change in place have to be
    deleted here.

    Returns:
        Where the folder, or the file, now stands.

    Raises:
        ValueError: a URI of no known kind, nothing there, or a copy that failed.
    """
    try:
        files, root = fs.FileSystem.from_uri(uri)
        (info,) = files.get_file_info([root])
        alone = info.is_file
        found = [info] if alone else files.get_file_info(fs.FileSelector(root, recursive=True))
        whole = [one for one in found if one.is_file]
        if not whole:
            raise ValueError("there are no files")
        total, done = max(sum(one.size for one in whole), 1), 0
        base = posixpath.dirname(root) if alone else root
        for one in whole:
            place = target / posixpath.relpath(one.path, base)
            if not (place.is_file() and place.stat().st_size == one.size):
                with (
                    written_aside(place) as aside,
                    files.open_input_stream(one.path) as read,
                    aside.open("wb") as write,
                ):
                    while chunk := read.read(_CHUNK):
                        write.write(chunk)
                        tell("copy files", (done + write.tell()) / total)
            done += one.size
            tell("copy files", done / total)
    except (OSError, ValueError, ImportError) as error:
        raise ValueError(
            f"files can't be copied from {uri!r}: {error}. Valid: the URI of a folder or file that "
            "pyarrow knows (s3://bucket/folder, gs://bucket/folder, file:///folder)"
        ) from error
    return target / posixpath.basename(root) if alone else target
