"""What is tried again, what is not, and that whatever is tried again is recorded once."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.transformer import TransformerConfig
from scaling.results import TrialResult
from scaling.tracking import SweepTracker
from scaling.tracking_lease import sweep_lease
from scaling.tracking_mlflow import MlflowClient, MlflowException
from scaling.tracking_read import read_runs
from scaling.tracking_retry import Patience
from scaling.tracking_store import StoreError
from scaling.trial import TrainingConfig, TrialConfig

FILE, SERVER = "sqlite:////data/mlflow.db", "http://tracking:5000"

TRIAL = TrialConfig(
    model=TransformerConfig(depth=1, width=16, seq_len=8),
    dataset=SyntheticConfig.tiny(),
    training=TrainingConfig(batch_size=8, lr=1e-3, embedding_lr=0.05, lr_rule="given"),
    budget=1e10,
    seed=0,
)
RESULT = TrialResult("finished", "", {"loss": 0.5, "examples": 10.0}, {}, [])


def failing(error: Exception, times: int) -> Callable[[], int]:
    """A write that raises some times, then returns how often it was called."""
    calls = [0]

    def write() -> int:
        calls[0] += 1
        if calls[0] <= times:
            raise error
        return calls[0]

    return write


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        (FILE, MlflowException("(sqlite3.OperationalError) database is locked")),
        (SERVER, MlflowException("API request to http://x failed with exception refused")),
        (SERVER, ConnectionResetError("reset by peer")),
        (SERVER, TimeoutError("timed out")),
    ],
)
def test_what_passes_is_tried_again(uri: str, error: Exception) -> None:
    told: list[str] = []
    patience = Patience(uri)
    patience.tell = told.append
    assert patience(failing(error, 1)) == 2
    assert told[0].startswith("the MLflow store has not answered for")
    assert str(error) in told[0]
    assert told[1:] == [""]


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        (FILE, MlflowException("(sqlite3.OperationalError) attempt to write a readonly database")),
        (FILE, MlflowException("(sqlite3.OperationalError) database or disk is full")),
        (FILE, PermissionError(13, "Permission denied", "/data/mlartifacts")),
        (SERVER, PermissionError(13, "Permission denied", "/data/mlartifacts")),
        (SERVER, MlflowException("API request failed with error code 403 != 200")),
    ],
)
def test_what_no_waiting_cures_is_not(uri: str, error: Exception) -> None:
    with pytest.raises(StoreError, match="Cure"):
        Patience(uri)(failing(error, 1))


def test_our_own_errors_go_through() -> None:
    with pytest.raises(KeyError):
        Patience(FILE)(failing(KeyError("x"), 1))


def test_a_hurried_write_gives_up() -> None:
    patience = Patience(SERVER)
    patience.tell = lambda text: patience.hurry(0)
    with pytest.raises(StoreError, match="reset"):
        patience(failing(ConnectionResetError("reset"), 100))


def test_lost_answers_make_no_second_run(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store has done what was asked, but the driver doesn't hear of it."""
    for name in ("create_run", "log_batch", "set_terminated"):
        real = getattr(MlflowClient, name)
        calls: list[str] = []

        def lossy(*args: Any, real: Any = real, calls: list[str] = calls, **kwargs: Any) -> Any:
            answer = real(*args, **kwargs)
            calls.append("")
            if len(calls) == 1:
                raise MlflowException("database is locked")
            return answer

        with SweepTracker(name, tracking_uri=store) as tracker, monkeypatch.context() as patch:
            patch.setattr(MlflowClient, name, lossy)
            tracker.log(TRIAL, RESULT, started=time.time())
        table = read_runs(name, tracking_uri=store, everything=True)
        assert list(table["status"]) == ["finished"], name


class Refuses(http.server.BaseHTTPRequestHandler):
    """Lets anyone read, and nobody write."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reads = self.path.endswith("/search")
        body = b"{}" if reads else b"You may not."
        self.send_response(200 if reads else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        body = b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"}'
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def closed_server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_no_permission_is_told_before_anything_runs(closed_server: str) -> None:
    with pytest.raises(StoreError, match=r"http://127.*403.*Cure: log in by MLFLOW_TRACKING_USER"):
        sweep_lease("study", tracking_uri=closed_server).__enter__()
