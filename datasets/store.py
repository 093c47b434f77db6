"""Where prepared data live, and how a log is written there whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scaling.datasets.locks import lock_file, locked
from scaling.datasets.log import EventLog
from scaling.datasets.schema import schema_facts, schema_from_facts

FORMAT = 1
"""Raised when the same files begin to mean something else."""

MANIFEST = "manifest.json"
_INSIDE = ("arrays", "parts", "schema")
"""Of a manifest: how the files are laid out."""


def save_log(log: EventLog, path: Path, facts: Mapping[str, Any] | None = None) -> Path:
    """Writes a log as a folder of npy files with a manifest; one that stands there is replaced.

    Args:
        facts: plain data about where the log comes from, given back by `load_log`.

    Raises:
        ValueError: it cannot be written (a full disk, no permission); nothing is left behind.
    """
    arrays = log.arrays()
    manifest = {
        "format": FORMAT,
        "fingerprint": log.fingerprint(),
        "schema": schema_facts(log.schema),
        "arrays": {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()},
        "facts": dict(facts or {}),
    }
    with written_aside(path) as aside:
        aside.mkdir()
        for name, array in arrays.items():
            _save_array(aside / f"{name}.npy", array)
        (aside / MANIFEST).write_text(json.dumps(manifest, indent=1))
    return path


def keep_log(path: Path, read: Callable[[], tuple[EventLog, Mapping[str, Any]]]) -> None:
    """Writes the log and facts that `read` gives, unless a log stands there.

    Of processes that begin at once one reads; the others wait for what it writes. None replaces a
    log that another may have begun to read.

    Raises:
        ValueError: as `save_log`, and what `read` raises.
    """
    if is_stored(path):
        return
    with ExitStack() as held:
        try:
            held.enter_context(locked(lock_file(path), lambda: None))
        except OSError as error:
            raise _cannot_write(path, error) from error
        if not is_stored(path):
            log, facts = read()
            save_log(log, path, facts)


def load_log(path: Path) -> tuple[EventLog, dict[str, Any]]:
    """A log that `save_log` wrote, memory-mapped, and its facts with the `log_fingerprint`.

    Raises:
        ValueError: a file is missing, truncated or of another format; names it and the cure.
    """
    cure = f"delete {path} and prepare it again"
    try:
        manifest = json.loads((path / MANIFEST).read_text())
        found = manifest["format"]
    except FileNotFoundError:
        raise ValueError(f"{path} holds no prepared log: {MANIFEST} is missing; {cure}") from None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path / MANIFEST} is damaged ({error}); {cure}") from error
    if found != FORMAT:
        raise ValueError(f"{path} is of format {found!r}, this release reads {FORMAT}; {cure}")
    arrays = {
        name: _load_array(path / f"{name}.npy", dtype, tuple(shape), cure)
        for name, (dtype, shape) in manifest["arrays"].items()
    }
    prefix = "item_attribute."
    # Copied: models make tensors of these, and torch warns of arrays that can't be written to.
    of_item = {
        name.removeprefix(prefix): a.copy() for name, a in arrays.items() if name.startswith(prefix)
    }
    columns = {name: array for name, array in arrays.items() if not name.startswith(prefix)}
    log = EventLog(schema=schema_from_facts(manifest["schema"], of_item), **columns)
    return log, manifest["facts"] | {"log_fingerprint": manifest["fingerprint"]}


def manifest_of(path: Path) -> dict[str, Any]:
    """Where a stored log comes from: its manifest without what only `load_log` needs.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    try:
        whole = json.loads((path / MANIFEST).read_text())
        return {name: value for name, value in whole.items() if name not in _INSIDE}
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"{path / MANIFEST} can't be read: {error}") from error


def files_of(manifest: bytes) -> list[str]:
    """Names of the files that `load_log` reads, the manifest last; given its content."""
    return [*(f"{name}.npy" for name in json.loads(manifest)["arrays"]), MANIFEST]


def is_stored(path: Path) -> bool:
    """Whether a log stands there (whole: it is renamed into place when it is finished)."""
    return (path / MANIFEST).is_file()


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file or folder to; takes its place when all went well.

    Raises:
        ValueError: an `OSError` while writing, with the place and the cure.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        room = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        yield room / path.name
        if path.is_dir():
            # A folder that holds something can't be renamed over; readers keep their open files.
            path.rename(room / "replaced")
        (room / path.name).replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _cannot_write(path: Path, error: OSError) -> ValueError:
    return ValueError(
        f"cannot write {path}: {error.strerror or error}; make room there, or choose another "
        "folder with the environment variable CLIMBER_CACHE"
    )


def _save_array(path: Path, array: npt.NDArray[Any]) -> None:
    """As `np.save`, which keeps silent when the disk fills up within its last buffer."""
    header = np.lib.format.header_data_from_array_1_0(array)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(np.ascontiguousarray(array).data)


def _load_array(path: Path, dtype: str, shape: tuple[int, ...], cure: str) -> npt.NDArray[Any]:
    try:
        # An array without elements can't be mapped. Plain views index faster than memmap objects.
        array = np.asarray(np.load(path, mmap_mode="r" if np.prod(shape) else None))
    except FileNotFoundError:
        raise ValueError(f"{path} is missing; {cure}") from None
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path} is truncated or damaged ({error}); {cure}") from error
    if (array.dtype.str, array.shape) != (dtype, shape):
        raise ValueError(
            f"{path} holds {array.dtype.str} of shape {array.shape}, the manifest says {dtype} of "
            f"shape {shape}; {cure}"
        )
    return array
