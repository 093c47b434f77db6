"""Stores that can't be used: the message names the place and a cure that works."""

from __future__ import annotations

import logging
import os
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scaling.tracking import SweepTracker
from scaling.tracking_mlflow import MlflowClient
from scaling.tracking_read import known, read_runs
from scaling.tracking_store import (
    StoreError,
    artifact_location,
    open_client,
    resolve_uri,
    ui_command,
)

MLFLOW = [sys.executable, "-m", "mlflow"]


def test_the_default_is_a_file_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert resolve_uri() == "http://tracking:5000"
    assert resolve_uri("sqlite:///other.db") == f"sqlite:///{tmp_path}/other.db"
    assert ui_command() == "http://tracking:5000"
    assert (
        ui_command("sqlite:///x.db") == f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/x.db"
    )


def test_files_go_beside_the_file_or_where_the_server_says() -> None:
    assert artifact_location("sqlite:////data/mlflow.db", "a/b c") == (
        "file:///data/mlartifacts/a-b-c"
    )
    assert artifact_location("http://tracking:5000", "study") is None


@pytest.mark.parametrize("uri", ["mlruns", "file:///data/mlruns", "./mlruns"])
def test_a_folder_of_files_is_refused(uri: str) -> None:
    with pytest.raises(StoreError, match=r"(?s)mlruns.*sqlite:///mlflow\.db.*migrate-filestore"):
        resolve_uri(uri)


def test_an_old_mlruns_folder_is_told_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mlruns", "0").mkdir(parents=True)
    Path("mlruns", "0", "meta.yaml").write_text("name: Default\n")
    with caplog.at_level(logging.WARNING):
        SweepTracker("study")
    assert f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/mlflow.db" in caplog.text
    assert not list(Path("mlruns").rglob("*.parquet"))


def test_no_store_yet(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/none.db"
    with pytest.raises(StoreError, match=r"none\.db does not exist. Cure: run a sweep first"):
        read_runs("study", tracking_uri=uri)
    assert known("study", ["0"], tracking_uri=uri).finished == {}
    assert not Path(tmp_path, "none.db").exists(), "asking makes no store"


def test_no_such_sweep(store: str) -> None:
    SweepTracker("first", tracking_uri=store)
    with pytest.raises(StoreError, match=r"no sweep 'study'; it holds: first"):
        read_runs("study", tracking_uri=store)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_text("these are not the tables you are looking for\n" * 100)
    for create in (False, True):
        with pytest.raises(StoreError, match=r"mlflow\.db.*not a database.*Cure: move the file"):
            open_client(f"sqlite:///{path}", create=create)
    assert path.read_text().startswith("these"), "left as it was"


def test_a_place_where_nobody_may_write() -> None:
    begin = time.monotonic()
    # /proc takes no files, not even from root, for whom file modes don't count.
    with pytest.raises(StoreError, match=r"/proc/mlflow\.db.*Cure: .*--tracking-uri"):
        SweepTracker("study", tracking_uri="sqlite:////proc/mlflow.db")
    assert time.monotonic() - begin < 10, "not tried again and again"


def test_a_folder_in_the_files_place(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is a folder. Cure"):
        SweepTracker("study", tracking_uri=f"sqlite:///{tmp_path}")


def test_a_full_disk() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    with pytest.raises(StoreError, match=r"/dev/full.*Cure"):
        SweepTracker("study", tracking_uri="sqlite:////dev/full")


def test_an_unreachable_server() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        begin = time.monotonic()
        with pytest.raises(StoreError, match=r"127\.0\.0\.1.*can't be reached.*mlflow server"):
            open_client(uri)
        assert time.monotonic() - begin < 10, "MLflow itself tries for minutes"


def test_an_unknown_scheme() -> None:
    with pytest.raises(StoreError, match="unknown scheme 'ftp'; valid: sqlite, http"):
        open_client("ftp://tracking")


def test_no_password_in_messages() -> None:
    with pytest.raises(StoreError) as caught:
        open_client("postgresql://ann:secret@127.0.0.1:1/runs")
    assert "secret" not in str(caught.value)


def test_a_deleted_experiment_and_its_cure(store: str) -> None:
    tracker = SweepTracker("study", tracking_uri=store)
    MlflowClient(store).delete_experiment(tracker.experiment_id)
    with pytest.raises(StoreError, match="the experiment 'study' was deleted") as caught:
        SweepTracker("study", tracking_uri=store)
    with pytest.raises(StoreError, match="was deleted"):
        read_runs("study", tracking_uri=store)
    _, _, cure = str(caught.value).partition("bring it back by `MLFLOW_TRACKING_URI=")
    uri, _, command = cure.partition("`")[0].partition(" ")
    assert command.startswith("mlflow ")
    subprocess.run(
        [*MLFLOW, *command.split()[1:]],
        env={**os.environ, "MLFLOW_TRACKING_URI": uri},
        check=True,
        capture_output=True,
    )
    assert SweepTracker("study", tracking_uri=store).experiment_id == tracker.experiment_id


def test_tables_of_another_release(store: str) -> None:
    path = store.removeprefix("sqlite:///")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"out-of-date database schema.*mlflow db upgrade sqlite"):
        open_client(store)


def test_telemetry_is_off_unless_the_user_turned_it_on() -> None:
    code = "import scaling.tracking_mlflow, mlflow.telemetry.utils as t; print(t.is_telemetry_disabled())"
    free = {k: v for k, v in os.environ.items() if k not in ("MLFLOW_DISABLE_TELEMETRY", "CI")}
    free = {k: v for k, v in free.items() if k not in ("DO_NOT_TRACK", "PYTEST_CURRENT_TEST")}
    for setting, disabled in (({}, "True"), ({"MLFLOW_DISABLE_TELEMETRY": "false"}, "False")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**free, **setting},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == disabled
