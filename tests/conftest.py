"""What every test gets: the shared folder, and an environment without the user's settings."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Set before anything imports torch, ray or mlflow, and inherited by what tests start.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["MPLBACKEND"] = "agg"
for _name in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS", "CLIMBER_KUAIRAND"):
    os.environ.pop(_name, None)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `shared` beside the checkout; tests that need it are skipped without it."""
    path = Path(__file__).parents[2] / "shared"
    if not path.is_dir():
        pytest.skip("needs the folder `shared` beside the checkout")
    return path


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLIMBER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


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
def store(migrated: Path, copy_store: Callable[[Path, Path], None], tmp_path: Path) -> str:
    """The URI of a fresh store."""
    path = tmp_path / "mlflow.db"
    copy_store(migrated, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def copy_store() -> Callable[[Path, Path], None]:
    """Copies a store consistently, whatever still stands in its write-ahead log."""

    def copy(source: Path, target: Path) -> None:
        old, new = sqlite3.connect(source), sqlite3.connect(target)
        old.backup(new)
        old.close()
        new.close()

    return copy
