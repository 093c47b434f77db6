"""A migrated MLflow store for each test that wants one."""

from __future__ import annotations

import sqlite3
import warnings
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store with MLflow's tables: making one takes two seconds."""
    from scaling.tracking_store import open_client

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        open_client(f"sqlite:///{path}", create=True)
    return path


@pytest.fixture
def store(migrated: Path, tmp_path: Path) -> str:
    """The URI of a fresh store."""
    path = tmp_path / "mlflow.db"
    old, new = sqlite3.connect(migrated), sqlite3.connect(path)
    old.backup(new)  # consistent, whatever still stands in the write-ahead log
    old.close()
    new.close()
    return f"sqlite:///{path}"
