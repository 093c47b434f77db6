"""Killed, locked, damaged and without room: never a log that looks whole, and the same in the end."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from scaling.datasets import conversion_parts
from scaling.datasets.conversion_leftovers import described, interrupted
from scaling.datasets.locks import lock_file, locked
from scaling.datasets.store import is_stored
from scaling.datasets.yambda import YambdaConfig
from scaling.datasets.yambda_made import write_events

SCRIPT = Path(__file__).with_name("killed_conversion.py")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("yambda")
    write_events(folder / "multi_event.parquet", 100_000)
    return folder


def survive(source: Path, cache: Path, kills: int, unit: str) -> dict[str, Any]:
    command = [sys.executable, str(SCRIPT), str(source), str(cache), str(kills), "7", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["same"]
    assert found["left"] == []
    assert found["killed"] == kills
    assert found["parts"] > 2
    return found


def test_a_killed_conversion_goes_on(source: Path, tmp_path: Path) -> None:
    assert survive(source, tmp_path, 3, "calls")["resumed"] > 0


@pytest.mark.slow
def test_killed_at_every_kind_of_place(source: Path, tmp_path: Path) -> None:
    assert survive(source, tmp_path, 25, "calls")["resumed"] > 10


@pytest.mark.slow
def test_killed_at_random_moments(source: Path, tmp_path: Path) -> None:
    assert survive(source, tmp_path, 20, "seconds")["resumed"] > 0


@pytest.fixture
def config(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> YambdaConfig:
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path))
    monkeypatch.setattr(conversion_parts, "PART_EVENTS", 10_000)
    return YambdaConfig(path=str(source))


def stopped_in(config: YambdaConfig, last: str) -> Path:
    """The folder of a conversion that was interrupted when it began a stage."""

    def tell(stage: str, share: float) -> None:
        if stage.startswith(last):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        config.prepare(progress=tell)
    path = config.prepared_path()
    assert not path.exists()
    return path.with_name(f".{path.name}.partial")


def test_interrupted_work_of_other_options_is_told_and_kept(config: YambdaConfig) -> None:
    work = stopped_in(config, "sort part 3")
    other = dataclasses.replace(config, min_user_events=2).prepare()
    assert interrupted(other) == [work]
    assert interrupted(config.prepared_path()) == [], "its own, from which it goes on"
    assert re.fullmatch(rf"{re.escape(str(work))} \(0\.\d+ GB\)", described([work]))
    with locked(lock_file(config.prepared_path()), lambda: None):
        assert interrupted(other) == [], "another process works on it"
    assert interrupted(other) == [work]
    config.prepare()
    assert interrupted(other) == []


def stages(config: YambdaConfig) -> set[str]:
    seen = set()
    config.prepare(progress=lambda stage, share: seen.add(stage.partition(" of ")[0]))
    return seen


def test_finished_stages_are_not_done_again(config: YambdaConfig) -> None:
    stopped_in(config, "sort part 3")
    seen = stages(config)
    assert "sort part 3" in seen
    assert not seen & {"read events", "sort part 1", "sort part 2"}


@pytest.mark.parametrize("damaged", ["result/events/part-00001.parquet", "result/times.npy"])
def test_a_damaged_part_is_written_again(
    config: YambdaConfig, damaged: str, tmp_path: Path
) -> None:
    work = stopped_in(config, "sort part 4")
    file = work / damaged
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    seen = stages(config)
    assert "read events" not in seen
    assert "sort part 2" in seen
    assert is_stored(config.prepared_path())
    whole = dataclasses.replace(config)
    fingerprint = json.loads((config.prepared_path() / "manifest.json").read_text())["fingerprint"]
    config.prepared_path().rename(tmp_path / "set-aside")
    whole.prepare()
    again = json.loads((config.prepared_path() / "manifest.json").read_text())["fingerprint"]
    assert again == fingerprint


def test_a_damaged_database_is_begun_anew(config: YambdaConfig) -> None:
    work = stopped_in(config, "sort part 4")
    (work / "events.duckdb").write_bytes(b"nothing of the kind" * 1000)
    assert {"read events", "sort part 1"} <= stages(config)


def test_two_processes_convert_once(config: YambdaConfig) -> None:
    """The second waits, and finds the log."""
    path = config.prepared_path()
    seen: list[str] = []
    with locked(lock_file(path), lambda: None):
        thread = threading.Thread(
            target=lambda: config.prepare(progress=lambda stage, share: seen.append(stage))
        )
        thread.start()
        while not seen:
            thread.join(0.01)
        assert seen == ["wait for another process"]
        path.mkdir()
        (path / "manifest.json").write_text("{}")
    thread.join()
    assert seen == ["wait for another process"]


WITHOUT_ROOM = """
import resource, sys
from scaling.datasets.yambda import YambdaConfig

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    YambdaConfig(path=sys.argv[1]).prepare(memory=10**9)
except ValueError as error:
    print(error)
"""


@pytest.mark.parametrize("most", [20_000, pytest.param(600_000, marks=pytest.mark.slow)])
def test_a_full_disk_is_said(source: Path, tmp_path: Path, most: int) -> None:
    """The limit holds for a whole process: another one, not pytest's own. 20,000 bytes are too few
    for the database, 600,000 for a column."""
    older = tmp_path / "yambda" / ".log-0.partial"
    older.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_ROOM, str(source), str(most)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CLIMBER_CACHE": str(tmp_path)},
    )
    assert "cannot write" in done.stdout, done.stdout + done.stderr
    assert "make room" in done.stdout
    assert f"interrupted conversions that may be deleted: {older} (0 GB)" in done.stdout
    assert not [entry for entry in (tmp_path / "yambda").iterdir() if entry.name[0] != "."]
