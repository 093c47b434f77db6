"""A prepared log is whole or not there, and comes back as it was."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaling.config import cache_dir
from scaling.datasets.log import EventLog
from scaling.datasets.store import (
    is_stored,
    keep_log,
    load_log,
    save_log,
    written_aside,
)

MakeLog = Callable[[int], EventLog]


def test_a_log_comes_back_as_it_was(random_log: MakeLog, tmp_path: Path) -> None:
    log = random_log(0)
    path = save_log(log, tmp_path / "a" / "log", {"licence": "none"})
    again, facts = load_log(path)
    assert is_stored(path)
    assert facts == {"licence": "none", "log_fingerprint": log.fingerprint()}
    assert again.fingerprint() == log.fingerprint()
    for name, array in log.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)
        assert again.arrays()[name].dtype == array.dtype
    assert not again.items.flags.writeable
    assert again.schema.item_attributes["genre"].of_item.flags.writeable


def test_saving_again_replaces_and_leaves_nothing_else(random_log: MakeLog, tmp_path: Path) -> None:
    path = save_log(random_log(0), tmp_path / "log")
    open_still = load_log(path)[0]
    save_log(random_log(1), path)
    assert load_log(path)[0].fingerprint() == random_log(1).fingerprint()
    assert open_still.fingerprint() == random_log(0).fingerprint()
    assert [entry.name for entry in tmp_path.iterdir()] == ["log"]


def test_missing_truncated_and_foreign_files_are_named(random_log: MakeLog, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere holds no prepared log.*prepare it again"):
        load_log(tmp_path / "nowhere")
    path = save_log(random_log(0), tmp_path / "log")
    items = (path / "items.npy").read_bytes()
    for content in (items[:-8], items[:40], b""):
        (path / "items.npy").write_bytes(content)
        with pytest.raises(ValueError, match=r"items\.npy is truncated .*delete .*log and prepare"):
            load_log(path)
    np.save(path / "items.npy", np.zeros(3, np.int32))
    with pytest.raises(ValueError, match=r"items\.npy holds <i4 of shape \(3,\)"):
        load_log(path)
    (path / "items.npy").unlink()
    with pytest.raises(ValueError, match=r"items\.npy is missing"):
        load_log(path)
    manifest = (path / "manifest.json").read_text()
    (path / "manifest.json").write_text(manifest[: len(manifest) // 2])
    with pytest.raises(ValueError, match=r"manifest\.json is damaged"):
        load_log(path)
    (path / "manifest.json").write_text(json.dumps(json.loads(manifest) | {"format": 99}))
    with pytest.raises(ValueError, match="is of format 99, this release reads 1"):
        load_log(path)


SAVE_ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from scaling.datasets.store import load_log, save_log

log, _ = load_log(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    save_log(log, Path(sys.argv[2]))
except ValueError as error:
    print(error)
"""


def test_a_full_disk_leaves_nothing_behind(random_log: MakeLog, tmp_path: Path) -> None:
    """The limit on the size of files holds for a whole process: another one, not pytest's own."""
    source = save_log(random_log(0), tmp_path / "source")
    target = tmp_path / "target" / "log"
    saving = subprocess.run(
        [sys.executable, "-c", SAVE_ON_A_FULL_DISK, str(source), str(target)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"cannot write .*log: .*CLIMBER_CACHE", saving.stdout)
    assert not list(target.parent.iterdir())


def test_of_many_that_begin_at_once_one_reads(random_log: MakeLog, tmp_path: Path) -> None:
    """The others wait: a log that was replaced under a reader's hands would be torn."""
    readers, second = 0, threading.Event()

    def read() -> tuple[EventLog, dict[str, Any]]:
        nonlocal readers
        readers += 1
        if readers > 1:
            second.set()
        second.wait(0.5)
        return random_log(0), {}

    path = tmp_path / "cache" / "log"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: keep_log(path, read), range(4)))
    assert readers == 1
    assert load_log(path)[0].fingerprint() == random_log(0).fingerprint()
    assert [kept.name for kept in path.parent.iterdir()] == ["log"]


def test_a_cache_that_cannot_be_made_is_named(random_log: MakeLog, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"cannot write .*file/log: .*CLIMBER_CACHE"):
        keep_log(tmp_path / "file" / "log", lambda: (random_log(0), {}))


def test_a_place_that_is_a_file_is_named(random_log: MakeLog, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"cannot write .*file/log"):
        save_log(random_log(0), tmp_path / "file" / "log")


def test_what_fails_half_way_never_takes_the_place(tmp_path: Path) -> None:
    def half() -> None:
        with written_aside(tmp_path / "x") as aside:
            aside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert not list(tmp_path.iterdir())


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIMBER_CACHE", "/a")
    assert cache_dir() == Path("/a")
    monkeypatch.delenv("CLIMBER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert cache_dir() == Path("/b/climber")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path.home() / ".cache" / "climber"
