"""A store that goes away in mid-sweep: real servers, stopped and killed; real locks."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scaling.sweeps.state import SweepState
from scaling.tracking_lease import read_lease
from scaling.tracking_mlflow import MlflowClient
from scaling.tracking_read import read_runs

pytestmark = pytest.mark.slow
AWAY = "the MLflow store has not answered"


class Server:
    """An MLflow server on a free port, with an SQLite file behind it."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{port}"
        self._command = [sys.executable, "-m", "mlflow", "server", "--port", str(port)]
        self._command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
        self._command += ["--artifacts-destination", str(folder / "files"), "--workers", "1"]
        self._folder = folder
        self.start()

    def start(self) -> None:
        with open(self._folder / "server.log", "a") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, cwd=self._folder, start_new_session=True
            )

    def signal(self, number: int) -> None:
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()

    def wait(self) -> None:
        while self._process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
                return
            except OSError:
                time.sleep(0.2)
        raise AssertionError((self._folder / "server.log").read_text())


@pytest.fixture
def server(store: str, tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path)
    try:
        started.wait()
        yield started
    finally:
        started.kill()


class Outage:
    """Takes the store away once a trial is recorded, and brings it back once that was noticed."""

    def __init__(self, leave: Callable[[], object], come_back: Callable[[], object]) -> None:
        self._steps = [leave, come_back]
        self.messages: list[str] = []

    def __call__(self, state: SweepState) -> None:
        if state.message.startswith(AWAY):
            self.messages.append(state.message)
        if (len(self._steps) == 2 and state.in_phase("finished")) or (
            len(self._steps) == 1 and self.messages
        ):
            self._steps.pop(0)()


def skipped_after(tiny: Any, launch: Callable[..., Any], uri: str, outage: Outage) -> int:
    """Runs a sweep of six trials through the outage; how many the next launch finds finished."""
    sweep = tiny.bags(widths=(4, 8), seeds=(0, 1, 2), budgets=(3e5,))
    outcome = launch(sweep, uri, on_progress=outage)
    assert (outcome.done, outcome.missing, outcome.failed) == (6, 0, ())
    assert any("training goes on" in message for message in outage.messages)
    table = read_runs("bags", tracking_uri=uri, everything=True)
    assert sorted(table["digest"]) == sorted(trial.digest() for trial in sweep.trials)
    assert set(table["status"]) == {"finished"}
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("bags")
    assert experiment is not None
    kinds = [
        run.data.tags["climber.kind"] for run in client.search_runs([experiment.experiment_id])
    ]
    assert sorted(kinds) == ["sweep", *["trial"] * 6], "nothing half-written is left"
    assert read_lease("bags", tracking_uri=uri) is None
    return int(launch(sweep, uri).skipped)


def test_a_server_that_is_killed_and_started_again(
    tiny: Any, launch: Callable[..., Any], server: Server
) -> None:
    assert skipped_after(tiny, launch, server.uri, Outage(server.kill, server.start)) == 6


def test_a_server_that_stops_answering(
    tiny: Any, launch: Callable[..., Any], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop() -> None:
        server.signal(signal.SIGSTOP)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")

    def go_on() -> None:
        monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT")
        server.signal(signal.SIGCONT)

    assert skipped_after(tiny, launch, server.uri, Outage(stop, go_on)) == 6


def test_a_file_that_another_program_locks(
    tiny: Any, launch: Callable[..., Any], store: str
) -> None:
    other = sqlite3.connect(store.removeprefix("sqlite:///"), check_same_thread=False)
    outage = Outage(lambda: other.execute("BEGIN EXCLUSIVE"), other.rollback)
    assert skipped_after(tiny, launch, store, outage) == 6
    other.close()
