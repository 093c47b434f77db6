"""Arrays that are computed once and then memory-mapped by every process that needs them."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]
Blocks = Iterable[Mapping[str, npt.NDArray[Any]]]
"""Arrays in pieces: those of one name follow each other along the first axis."""

_LIST = "arrays.json"

logger = logging.getLogger(__name__)


def cached_arrays(folder: Path, make: Callable[[], Mapping[str, npt.NDArray[Any]]]) -> Arrays:
    """As `cached_blocks`, of arrays that are made in one piece."""
    return cached_blocks(folder, lambda: [make()])


def cached_blocks(folder: Path, make: Callable[[], Blocks]) -> Arrays:
    """The arrays kept in `folder`, read-only and memory-mapped; made and kept if it is absent.

    They are written beside `folder`, piece by piece, and renamed as a whole, so that a process which
    is killed leaves nothing under that name. Of processes that make the same arrays at once, one is
    kept.

    Raises:
        ValueError: the folder is there but damaged.
        OSError: it cannot be written (full or read-only disk); nothing is left behind.
    """
    if not folder.exists():
        _keep(folder, make())
    try:
        facts = json.loads((folder / _LIST).read_text())
        arrays: Arrays = {name: _loaded(folder / f"{name}.npy", facts[name][1]) for name in facts}
        for name, (kind, shape) in facts.items():
            if arrays[name].dtype.str != kind or list(arrays[name].shape) != shape:
                raise ValueError(f"{name} is {arrays[name].dtype.str} {arrays[name].shape}")
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(
            f"{folder} is damaged ({error}): delete it, and it will be made again"
        ) from error
    return arrays


def kept_or_made(folder: Path | None, make: Callable[[], Blocks]) -> Arrays:
    """As `cached_blocks`; in memory without a folder.

    A folder that can't be written is told about, and the arrays are made in memory.
    """
    if folder is None:
        return gathered(make())
    try:
        return cached_blocks(folder, make)
    except OSError as error:
        logger.warning("%s; until then every process makes its own", error)
        return gathered(make())


def gathered(blocks: Blocks) -> Arrays:
    """The arrays of some blocks in memory."""
    pieces: dict[str, list[npt.NDArray[Any]]] = {}
    for block in blocks:
        for name, piece in block.items():
            pieces.setdefault(name, []).append(piece)
    return {name: np.concatenate(parts) for name, parts in pieces.items()}


class _GrowingFile:
    """An npy file that grows along its first axis; its header is written again at the end."""

    def __init__(self, file: BinaryIO, first: npt.NDArray[Any]) -> None:
        self._file = file
        self._dtype, self._rest, self._length = first.dtype, first.shape[1:], 0
        self._write_header()
        self._begin = self._file.tell()

    def append(self, piece: npt.NDArray[Any]) -> None:
        if piece.dtype != self._dtype or piece.shape[1:] != self._rest:
            raise TypeError(f"pieces of {self._dtype} {self._rest} can't go on with {piece!r}")
        self._file.write(np.ascontiguousarray(piece).data)
        self._length += len(piece)

    def finish(self) -> tuple[str, tuple[int, ...]]:
        """The dtype and the shape of what was written."""
        self._file.seek(0)
        self._write_header()
        # numpy leaves room in a header for any length of the first axis.
        assert self._file.tell() == self._begin, "the header has grown into the data"
        return self._dtype.str, (self._length, *self._rest)

    def _write_header(self) -> None:
        facts = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._length, *self._rest),
        }
        np.lib.format.write_array_header_1_0(self._file, facts)


def _keep(folder: Path, blocks: Blocks) -> None:
    aside: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        facts = _write(aside, blocks)
        (aside / _LIST).write_text(json.dumps(facts))
        aside.chmod(0o755)
        try:
            aside.rename(folder)
        except OSError:
            if not folder.exists():  # otherwise another process was first: its arrays are the same
                raise
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot keep generated data in {folder.parent} ({error.strerror}): free some space, "
            "or set CLIMBER_CACHE to a folder that can be written",
        ) from error
    finally:
        if aside is not None and aside.exists():
            shutil.rmtree(aside, ignore_errors=True)


def _write(folder: Path, blocks: Blocks) -> dict[str, tuple[str, tuple[int, ...]]]:
    files: dict[str, _GrowingFile] = {}
    with ExitStack() as opened:
        for block in blocks:
            for name, piece in block.items():
                if name not in files:
                    file = opened.enter_context((folder / f"{name}.npy").open("wb"))
                    files[name] = _GrowingFile(file, piece)
                files[name].append(piece)
        return {name: file.finish() for name, file in files.items()}


def _loaded(path: Path, shape: list[int]) -> npt.NDArray[Any]:
    # An array without elements can't be mapped.
    mode: Any = "r" if 0 not in shape else None
    array: npt.NDArray[Any] = np.load(path, mmap_mode=mode, allow_pickle=False)
    return array
