"""Arrays that are computed once and then memory-mapped by every process that needs them."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]

_LIST = "arrays.json"


def cached_arrays(folder: Path, make: Callable[[], Mapping[str, npt.NDArray[Any]]]) -> Arrays:
    """The arrays kept in `folder`, read-only and memory-mapped; made and kept if it is absent.

    They are written beside `folder` and renamed as a whole, so that a process which is killed
    leaves nothing under that name. Of processes that make the same arrays at once, one is kept.

    Raises:
        ValueError: the folder is there but damaged.
        OSError: it cannot be written (full or read-only disk); nothing is left behind.
    """
    if not folder.exists():
        _keep(folder, make())
    try:
        facts = json.loads((folder / _LIST).read_text())
        arrays: Arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in facts
        }
        for name, (kind, shape) in facts.items():
            if arrays[name].dtype.str != kind or list(arrays[name].shape) != shape:
                raise ValueError(f"{name} is {arrays[name].dtype.str} {arrays[name].shape}")
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(
            f"{folder} is damaged ({error}): delete it, and it will be made again"
        ) from error
    return arrays


def _keep(folder: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    aside: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        for name, array in arrays.items():
            np.save(aside / f"{name}.npy", array, allow_pickle=False)
        facts = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
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
