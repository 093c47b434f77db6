"""What `climber data` does with a data set: get it, prepare it, say on what terms it stands."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from scaling.datasets.base import DATASETS, DatasetConfig
from scaling.datasets.conversion import DEFAULT_MEMORY
from scaling.datasets.conversion_engine import Progress, quiet
from scaling.datasets.logged import LoggedConfig
from scaling.datasets.source import SourceConfig


def default_config(name: str) -> DatasetConfig:
    """The data set with its default options; `ValueError` lists the valid names."""
    return DATASETS.get(name)()


def licence(config: DatasetConfig) -> str:
    """The terms of the source; empty where the data are generated."""
    return config.terms() if isinstance(config, LoggedConfig) else ""


def fetch(name: str) -> list[Path]:
    """Gets a data set's source files and prepares them; empty where the data are generated.

    Returns:
        The files and folders that are now there.

    Raises:
        ValueError: an unknown name, or files that can't be got: says how to get them by hand.
    """
    config = default_config(name)
    return config.fetch() if isinstance(config, LoggedConfig) else []


def prepare(
    config: DatasetConfig, memory: int | None = None, progress: Progress = quiet
) -> Path | None:
    """The folder of the prepared log, written if need be; None where the data are generated.

    Args:
        memory: bytes that the process may take in all; by default as the data set likes it.
        progress: told of every stage and how far it is, where the data set is converted out of
            core.

    Raises:
        ValueError: a limit for a data set that is read into memory as a whole; as the data set's
            own `prepare`.
    """
    if isinstance(config, SourceConfig):
        return config.prepare(memory=memory or DEFAULT_MEMORY, progress=progress)
    if memory is not None:
        raise ValueError(
            f"{config.name} is small, and read as a whole: a limit of memory (--memory) does "
            "nothing there"
        )
    return config.prepare() if isinstance(config, LoggedConfig) else None


def placed(name: str, place: str) -> dict[str, str]:
    """The options that say where a data set's official files are.

    Raises:
        ValueError: an unknown name, or a data set that has no such files.
    """
    kind = DATASETS.get(name)
    if "path" not in {field.name for field in fields(kind)}:
        raise ValueError(f"{name} has no files to be read from (--from)")
    return {"path": place}
