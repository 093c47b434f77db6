"""Prepared data reach a node that lacks the source files, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from scaling.batch import View
from scaling.config import cache_dir
from scaling.datasets import logged
from scaling.datasets.log import EventLog
from scaling.datasets.logged import LoggedConfig
from scaling.datasets.shipping import obtain, publish
from scaling.datasets.store import MANIFEST, is_stored, save_log
from scaling.sweeps.runner_data import Shipped, make_ready

MakeLog = Callable[[int], EventLog]
VIEWS = (View(strategy="recent", length=6),)


@dataclass(frozen=True, kw_only=True)
class FileConfig(LoggedConfig):
    """Its content is that of a file."""

    name = "file"
    path: str

    def content(self) -> str:
        return Path(self.path).read_text()

    def read(self) -> tuple[EventLog, dict[str, Any]]:
        raise AssertionError("not prepared")

    def fetch(self) -> list[Path]:
        return []


@pytest.fixture
def config(
    random_log: MakeLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[FileConfig, Path]:
    """A configuration that is prepared in the driver's cache, and that prepared log."""
    monkeypatch.setattr(logged, "_TOLD", {})
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path / "driver"))
    (tmp_path / "source").write_text("abc")
    made = FileConfig(path=str(tmp_path / "source"))
    return made, save_log(random_log(0), made.prepared_path())


@pytest.mark.parametrize("kind", ["{}", "file://{}"])
def test_a_node_reads_what_the_driver_has_put_there(
    config: tuple[FileConfig, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mine, prepared = config
    place = kind.format(tmp_path / "shared")
    assert publish(prepared, place)
    assert not publish(prepared, place), "it is there"
    fingerprint = mine.fingerprint()
    batch = next(mine.open().requests("test", VIEWS, batch_size=4))
    # Another node: another cache, and no source file.
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path / "node"))
    Path(mine.path).unlink()
    with pytest.raises(OSError, match="source"):
        mine.fingerprint()
    make_ready(mine, Shipped(place, "abc"))
    assert mine.fingerprint() == fingerprint
    there = next(mine.open().requests("test", VIEWS, batch_size=4))
    assert torch.equal(batch.history[0].items, there.history[0].items)
    assert mine.prepared_path().is_relative_to(tmp_path / "node")


def test_one_copy_however_many_ask(
    config: tuple[FileConfig, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, prepared = config
    place = str(tmp_path / "shared")
    publish(prepared, place)
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path / "node"))
    target = cache_dir() / prepared.relative_to(tmp_path / "driver")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: obtain(target, place), range(8)))
    assert is_stored(target)
    assert sorted(p.name for p in target.iterdir()) == sorted(p.name for p in prepared.iterdir())
    for path in target.iterdir():
        assert path.read_bytes() == (prepared / path.name).read_bytes()


def test_half_of_a_log_is_none(
    config: tuple[FileConfig, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that was killed while it copied leaves no manifest: the next one copies again."""
    _, prepared = config
    place = tmp_path / "shared"
    publish(prepared, str(place))
    (there,) = place.rglob(MANIFEST)
    there.unlink()
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path / "node"))
    target = cache_dir() / prepared.relative_to(tmp_path / "driver")
    with pytest.raises(ValueError, match="holds no whole file/log-abc"):
        obtain(target, str(place))
    assert not target.exists()
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path / "driver"))
    assert publish(prepared, str(place))


def test_an_unusable_place_is_refused(config: tuple[FileConfig, Path], tmp_path: Path) -> None:
    _, prepared = config
    with pytest.raises(ValueError, match=r"can't be put at 'gopher://x'.*s3://bucket/folder"):
        publish(prepared, "gopher://x")
    (tmp_path / "blocked").write_text("a file")
    with pytest.raises(ValueError, match="can't be put at"):
        publish(prepared, str(tmp_path / "blocked"))
