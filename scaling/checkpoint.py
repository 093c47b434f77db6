"""Checkpoint files of trials: written whole or not at all, checked when read, the last two kept.

A file is a line of JSON (format, digest, code, step), a state as `torch.save` writes it, and the
SHA-256 of both. It stands at `PLACE/DIGEST/CODE/STEP.checkpoint`, where PLACE is a folder or any URI
that pyarrow's file systems know.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import posixpath
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pyarrow import fs

FORMAT = 1
"""Raised when the same files begin to mean something else."""

KEPT = 2
"""Checkpoints of a trial: should the last be damaged, the one before it serves."""

_SUFFIX = ".checkpoint"
_CHECK = hashlib.sha256().digest_size


def full_place(place: str) -> str:
    """A folder as an absolute path, a URI as it is: the same place for every process.

    Raises:
        ValueError: a URI of no known kind, or a place where no folder can be made.
    """
    place = place if "://" in place else str(Path(place).expanduser().absolute())
    try:
        files, root = _opened(place)
        files.create_dir(root, recursive=True)
    except (OSError, ValueError, ImportError) as error:
        raise ValueError(
            f"checkpoints can't be kept at {place!r}: {error}. Valid: a folder, or a URI of a file "
            "system that pyarrow knows (file:///folder, s3://bucket/folder, gs://bucket/folder)"
        ) from error
    return place


@dataclass(frozen=True)
class TrialCheckpoints:
    """The checkpoints of one trial, made by one code."""

    place: str
    """A folder, or a URI; see `full_place`."""
    digest: str
    """The trial's identity."""
    code: str
    """`scaling.code.code_digest` of the trial: other code may end elsewhere from the same state."""

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Write a state aside, rename it, and delete all but the last two.

        Raises:
            OSError: it can't be written; nothing is left of it.
        """
        files, root = _opened(self.place)
        folder = posixpath.join(root, self.digest, self.code)
        files.create_dir(folder, recursive=True)
        aside = posixpath.join(folder, f"{uuid.uuid4().hex}.partial")
        try:
            with files.open_output_stream(aside) as stream:
                checked = _Checked(stream)
                checked.write(json.dumps(self._header(step)).encode() + b"\n")
                torch.save(dict(state), checked)  # type: ignore[arg-type]
                checked.close()
            files.move(aside, posixpath.join(folder, f"{step:012d}{_SUFFIX}"))
        except BaseException:
            _delete(files, aside)
            raise
        for old in self._own(files, root)[KEPT:]:
            _delete(files, old)

    def newest_first(self, problems: list[str]) -> Iterator[dict[str, Any]]:
        """The states that can be gone on from; what is wrong with the others is added to `problems`.

        A damaged file is deleted. Those of other code are left where they are.
        """
        try:
            files, root = _opened(self.place)
            found = self._own(files, root)
            others = [] if found else _files(files, posixpath.join(root, self.digest))
        except OSError as error:
            problems.append(f"checkpoints at {self.place} can't be read: {error}")
            return
        if others:
            problems.append(f"{others[0]} was made by other code, and is not used")
        for path in found:
            try:
                with files.open_input_stream(path) as stream:
                    content = stream.read()
            except OSError as error:
                problems.append(f"{path} can't be read: {error}")
                continue
            wrong = self._complaint(content)
            if wrong:
                problems.append(f"{path} {wrong}")
                _delete(files, path)
                continue
            payload = io.BytesIO(memoryview(content)[content.index(b"\n") + 1 : -_CHECK])
            try:
                state = torch.load(payload, map_location="cpu", weights_only=True)
            except (RuntimeError, pickle.UnpicklingError) as error:
                # A model's own state that is neither tensors nor plain data, or another torch.
                problems.append(f"{path} can't be loaded: {error}")
                continue
            yield state

    def _own(self, files: fs.FileSystem, root: str) -> list[str]:
        """The newest first."""
        found = _files(files, posixpath.join(root, self.digest, self.code))
        return sorted((path for path in found if path.endswith(_SUFFIX)), reverse=True)

    def _header(self, step: int) -> dict[str, Any]:
        return {"format": FORMAT, "digest": self.digest, "code": self.code, "step": step}

    def _complaint(self, content: bytes) -> str:
        """What is wrong with a file's content; empty where nothing is."""
        if hashlib.sha256(memoryview(content)[:-_CHECK]).digest() != content[-_CHECK:]:
            return "is damaged or truncated (its checksum does not match)"
        header = json.loads(content[: content.index(b"\n")])
        for name, mine in self._header(header["step"]).items():
            if header[name] != mine:
                return f"is of another {name} ({header[name]}; needed: {mine})"
        return ""


def discard(place: str, digests: Iterable[str]) -> None:
    """Delete the checkpoints of some trials, as far as there are any.

    Raises:
        OSError: they can't be deleted.
    """
    files, root = _opened(place)
    selector = fs.FileSelector(root, allow_not_found=True)
    present = {info.base_name for info in files.get_file_info(selector)}
    for digest in present.intersection(digests):
        files.delete_dir(posixpath.join(root, digest))


class _Checked:
    """A stream that writes on to another and sums up what passes, with little in memory."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._sum = stream, hashlib.sha256()
        self._error: OSError | None = None

    def write(self, data: Any) -> int:
        # torch's writer is C++: an exception on its way through it ends in a fault or a riddle.
        if self._error is None:
            try:
                self._stream.write(data)
                self._sum.update(data)
            except OSError as error:
                self._error = error
        return memoryview(data).nbytes

    def flush(self) -> None: ...

    def close(self) -> None:
        """Write the sum; raises what went wrong before."""
        self.write(self._sum.digest())
        if self._error is not None:
            raise self._error


def _opened(place: str) -> tuple[fs.FileSystem, str]:
    if "://" in place:
        files, root = fs.FileSystem.from_uri(place)
        return files, str(root)
    return fs.LocalFileSystem(), os.fspath(place)


def _files(files: fs.FileSystem, folder: str) -> list[str]:
    selector = fs.FileSelector(folder, allow_not_found=True, recursive=True)
    return [info.path for info in files.get_file_info(selector) if info.is_file]


def _delete(files: fs.FileSystem, path: str) -> None:
    """As far as it goes: another process may have been faster, and a full disk is told elsewhere."""
    try:
        files.delete_file(path)
    except OSError:
        return
