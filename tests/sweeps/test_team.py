"""Trials on several workers, through real Ray."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scaling.tracking_read import read_runs
from scaling.tracking_store import resolve_uri

TINY = Path(__file__).with_name("tiny.py")


def test_more_workers_than_the_cluster_has_room_for(
    tiny: Any, launch: Callable[..., Any], store: str
) -> None:
    with pytest.raises(ValueError, match="asks for 3 workers of 1 CPU each, and the Ray cluster"):
        launch(tiny.teams(workers=(3,)), store)


@pytest.mark.slow
def test_two_workers_train_what_one_does(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scaling.cli", "sweep", f"{TINY}:teams"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = read_runs("teams", tracking_uri=resolve_uri(f"sqlite:///{tmp_path}/mlflow.db"))
    assert len(table) == 2
    one, two = (row for _, row in table.sort_values("train_seconds").iterrows())
    assert one["steps"] == two["steps"] >= 100
    for name in ("loss", "validation_loss", "auc"):
        assert one[name] == pytest.approx(two[name], abs=1e-5)
    assert one["examples"] == two["examples"]
