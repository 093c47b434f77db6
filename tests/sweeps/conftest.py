"""Ray once for all tests, a trained sweep, and a user's file to sweep with."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scaling.sweeps.sources import load_file
from scaling.sweeps.state import SweepState

TINY = Path(__file__).with_name("tiny.py")
CopyStore = Callable[[Path, Path], None]


@pytest.fixture(scope="session")
def tiny() -> Any:
    """The module `tests/sweeps/tiny.py`, loaded as `path.py:function` is."""
    return load_file(TINY)


@pytest.fixture(scope="session")
def ray_running() -> Iterator[None]:
    """One Ray session for all tests that run trials; one slot, since every launch starts as many
    processes as there are slots, each of which imports torch."""
    from scaling.sweeps.runner_session import ray_session

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ray_session(cpus=1):
            yield


@pytest.fixture(scope="session")
def bags_once(
    tiny: Any,
    ray_running: None,
    migrated: Path,
    copy_store: CopyStore,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Any, list[SweepState]]:
    """The sweep `bags`, trained once for all tests: the store, the outcome, the states told."""
    from scaling.sweeps.runner import run_sweep

    path = tmp_path_factory.mktemp("bags") / "mlflow.db"
    copy_store(migrated, path)
    states: list[SweepState] = []
    outcome = run_sweep(
        tiny.bags(),
        tracking_uri=f"sqlite:///{path}",
        on_progress=lambda state: states.append(copy.deepcopy(state)),
    )
    return path, outcome, states


@pytest.fixture
def bags_done(
    bags_once: tuple[Path, Any, list[SweepState]], copy_store: CopyStore, tmp_path: Path
) -> str:
    """The URI of a store in which the sweep `bags` is finished."""
    copy_store(bags_once[0], tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def launch(tiny: Any, ray_running: None) -> Callable[..., Any]:
    """`run_sweep` without training, on a store."""
    from scaling.sweeps.runner import run_sweep

    def run(sweep: Any, store: str, **options: Any) -> Any:
        return run_sweep(sweep, **({"tracking_uri": store, "make_run": tiny.InstantRun} | options))

    return run
