"""Two drivers of one sweep on the command line, and a third process that asks how it stands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from scaling.tracking_lease import read_lease
from scaling.tracking_read import read_runs

pytestmark = pytest.mark.slow
SWEEP = str(Path(__file__).parents[1] / "sweeps" / "tiny.py") + ":bags"
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path, store: str) -> Iterator[Start]:
    """Starts `climber` commands on a store."""
    with ExitStack() as stack:

        def run(command: str, *options: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-m", "scaling.cli", command, SWEEP, *options],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=tmp_path,
                env={**os.environ, "MLFLOW_TRACKING_URI": store, "COLUMNS": "200"},
                start_new_session=True,
            )
            stack.callback(process.wait)
            stack.callback(kill_all, process.pid)
            return process

        yield run


def kill_all(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def wait_until_running(store: str, process: subprocess.Popen[str]) -> None:
    while True:
        seen = read_lease("bags", tracking_uri=store)
        if seen and seen.holder.process.pid == process.pid and seen.holder.status.get("running"):
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.2)


def test_refused_shown_and_taken_over(start: Start, store: str) -> None:
    endless = ("--set", "budgets=1e15", "--set", "widths=4", "--set", "seeds=0,1,2")
    first = start("sweep", *endless)
    wait_until_running(store, first)

    refused = start("sweep", *endless)
    told, _ = refused.communicate()
    assert refused.returncode == 2, told
    assert f"process {first.pid} on " in " ".join(told.split())
    assert "--takeover" in told

    shown, _ = start("status").communicate()
    assert f"run by process {first.pid} on " in shown
    assert "running now" in shown
    assert "bag d1 w4 n4 C1e15 s0" in shown
    assert "0 of 3 trials finished" in shown

    second = start("sweep", "--takeover", *endless)
    told, _ = first.communicate()
    assert first.returncode == 2, told
    assert "was taken over by process" in " ".join(told.split())
    wait_until_running(store, second)
    os.killpg(second.pid, signal.SIGINT)
    told, _ = second.communicate()
    assert second.returncode == 1, told
    assert "3 trials were not run" in told
    assert read_lease("bags", tracking_uri=store) is None
    assert read_runs("bags", tracking_uri=store, everything=True).empty
