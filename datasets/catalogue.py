"""What `climber data` does with a data set: get it, prepare it, say on what terms it stands."""

from __future__ import annotations

from pathlib import Path

from scaling.datasets.base import DATASETS, DatasetConfig
from scaling.datasets.logged import LoggedConfig


def default_config(name: str) -> DatasetConfig:
    """The data set with its default options; `ValueError` lists the valid names."""
    return DATASETS.get(name)()


def licence(config: DatasetConfig) -> str:
    """The terms of the source; empty where the data are generated."""
    return config.licence if isinstance(config, LoggedConfig) else ""


def fetch(name: str) -> list[Path]:
    """Gets a data set's source files and prepares them; empty where the data are generated.

    Returns:
        The files and folders that are now there.

    Raises:
        ValueError: an unknown name, or files that can't be got: says how to get them by hand.
    """
    config = default_config(name)
    return config.fetch() if isinstance(config, LoggedConfig) else []


def prepare(config: DatasetConfig) -> Path | None:
    """The folder of the prepared log, written if need be; None where the data are generated."""
    return config.prepare() if isinstance(config, LoggedConfig) else None
