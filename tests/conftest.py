"""What every test gets: the shared folder, and an environment without the user's settings."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    import pandas as pd

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


ONE = {"astro": (30.0, 0.2)}
COPIES = {"astro": (30.0, 0.2), "transformer": (30.0, 0.2)}
CLEAR = {"astro": (26.0, 0.2), "transformer": (30.0, 0.2)}
"""Amplitude and exponent by architecture; astro of CLEAR needs (26/30)^5 = 0.49 of the compute."""
FLOOR = 0.45


class Simulate(Protocol):
    def __call__(
        self,
        truth: Mapping[str, tuple[float, float]] = ...,
        *,
        noise: float = ...,
        seed: int = ...,
        sizes: int = ...,
        seeds: int = ...,
        lengths: Sequence[int] = ...,
        valley: float = ...,
    ) -> pd.DataFrame: ...


def simulated(
    truth: Mapping[str, tuple[float, float]] = CLEAR,
    *,
    noise: float = 0.001,
    seed: int = 0,
    sizes: int = 3,
    seeds: int = 2,
    lengths: Sequence[int] = (64,),
    valley: float = 0.01,
) -> pd.DataFrame:
    """Loss = (0.45 + A C^-alpha) (1 + valley (ln N/N*)^2) e^noise at 5 budgets over 1.5 decades."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    rows = []
    for name, (amplitude, alpha) in truth.items():
        for budget in np.logspace(11.5, 13, 5):
            for size in range(sizes):
                off = (size - (sizes - 1) / 2) * np.log(2)
                width = 16 * 2**size
                for length in lengths:
                    mean = (FLOOR + amplitude * budget**-alpha) * (1 + valley * off**2)
                    for repeat in range(seeds):
                        loss = mean * np.exp(noise * rng.normal())
                        rows.append(
                            {
                                "architecture": name,
                                "depth": 2,
                                "width": width,
                                "seq_len": length,
                                "blocks": 1,
                                "params": 24 * width**2,
                                "budget": budget,
                                "compute": budget * (1 + 0.003 * rng.random()),
                                "examples": np.round(budget / (7200 * width**2)),
                                "dataset": "synthetic",
                                "candidates_per_request": 8.0,
                                "configuration": f"{name}-{width}-{length}-{budget:.3e}",
                                "seed": repeat,
                                "loss": loss,
                                "validation_loss": loss * np.exp(noise / 4 * rng.normal()),
                                "loss_floor": FLOOR,
                                "status": "finished",
                                "reason": "",
                            }
                        )
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def simulate() -> Simulate:
    """Makes run tables."""
    return simulated
