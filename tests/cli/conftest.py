"""The command line as a user has it: a folder of their own, a process per command."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Climber = Callable[..., "subprocess.CompletedProcess[str]"]


def climber_in(folder: Path) -> Climber:
    def climber(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "scaling.cli", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done

    return climber


@pytest.fixture
def climber(tmp_path: Path) -> Climber:
    """Runs a command in an empty folder; fails unless it exits with `code`."""
    return climber_in(tmp_path)


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Climber, str]:
    """A folder in which the sweep `my_sweeps.py:tiny` was run, and what that printed."""
    folder = tmp_path_factory.mktemp("study")
    shutil.copy(Path(__file__).with_name("my_sweeps.py"), folder)
    climber = climber_in(folder)
    return folder, climber, climber("sweep", "my_sweeps.py:tiny").stdout
