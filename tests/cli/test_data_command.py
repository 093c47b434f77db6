"""`climber data prepare` and `climber bench data`, as they are typed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from scaling.cli import main
from scaling.datasets.store import is_stored
from scaling.datasets.yambda_made import write_events
from scaling.units import parse_bytes


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path / "cache"))


def said(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refusal(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.output
    return " ".join(result.output.split())


def test_prepare_shows_the_licence_and_the_next_command(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    write_events(folder / "flat" / "50m" / "multi_event.parquet", 2000)
    told = said("data", "prepare", "yambda", "--from", str(folder), "--memory", "3GB")
    assert "licence of yambda: Apache 2.0" in told
    assert "read events ..." in told
    wrote, following = told.splitlines()[-2:]
    assert is_stored(Path(wrote.removeprefix("wrote ")))
    assert "2,000" in said(*shlex.split(following.removeprefix("next: climber ")))


def test_a_prepared_set_is_not_prepared_again(tmp_path: Path) -> None:
    write_events(tmp_path / "multi_event.parquet", 1000)
    command = ("data", "prepare", "yambda", "--from", str(tmp_path))
    first, again = said(*command), said(*command)
    assert "read events" in first
    assert "read events" not in again
    assert first.splitlines()[-2:] == again.splitlines()[-2:]


def test_interrupted_conversions_are_told(tmp_path: Path) -> None:
    """But not removed: they can go on."""
    write_events(tmp_path / "multi_event.parquet", 1000)
    command = ("data", "prepare", "yambda", "--from", str(tmp_path))
    assert "interrupted conversions of" not in said(*command)
    work = tmp_path / "cache" / "yambda" / ".log-0123456789abcdef.partial"
    work.mkdir()
    (work / "events.duckdb").write_bytes(b"0" * 5_000_000)
    told = said(*command)
    assert "interrupted conversions of yambda" in told
    assert f"{work} (0.005 GB)" in told
    assert work.is_dir()


def test_files_at_a_uri_are_copied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path / "cache"))
    away = tmp_path / "away"
    away.mkdir()
    write_events(away / "multi_event.parquet", 1000)
    uri = f"file://{away}"
    first = said("data", "prepare", "yambda", "--from", uri)
    assert "copy files" in first
    copied = tmp_path / "cache" / "sources" / "yambda" / "multi_event.parquet"
    assert copied.read_bytes() == (away / "multi_event.parquet").read_bytes()
    before = copied.stat().st_mtime_ns
    again = said("data", "prepare", "yambda", "--from", uri)
    assert copied.stat().st_mtime_ns == before
    assert first.splitlines()[-2:] == again.splitlines()[-2:]
    (tmp_path / "nothing").mkdir()
    nothing = refusal("data", "prepare", "yambda", "--from", f"file://{tmp_path}/nothing")
    assert "there are no files" in nothing


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("yambda", "--from", "nowhere"), "nowhere is no folder with flat/50m/multi_event.parquet"),
        (
            ("yambda", "--from", "gopher://a/b"),
            "files can't be copied from 'gopher://a/b': ",
        ),
        (
            ("yambda", "--set", "path=s3://a/b"),
            "must be a folder of this machine, got 's3://a/b'; copy",
        ),
        (("yambda", "--memory", "much"), "'much' is no number of bytes; valid: such as 4GB"),
        (
            ("yambda", "--from", "a", "--set", "path=b"),
            "path is given twice, by --from and by --set",
        ),
        (("synthetic", "--from", "a"), "synthetic has no files to be read from (--from)"),
        (("synthetic", "--memory", "1GB"), "a limit of memory (--memory) does nothing there"),
        (("yambda", "--set", "min_user_events=0"), "min_user_events must be at least 1, got 0"),
        (("table", "--set", "colour=red"), "TableConfig has no field 'colour'; valid: action"),
    ],
)
def test_a_wrong_request_is_refused(arguments: tuple[str, ...], words: str) -> None:
    assert words in refusal("data", "prepare", *arguments)


@pytest.mark.slow
def test_the_measurement_verifies_what_was_written(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    told = said("bench", "data", "--events", "3e4", "--memory", "1GB", "--json", str(figures))
    assert "sorted and complete" in told
    found = json.loads(figures.read_text())["conversion"]
    assert found["events"] == 30_000
    assert 10**8 < found["peak_bytes"] < 10**9
    assert not list(tmp_path.glob("climber-bench-*"))


@pytest.mark.slow
def test_memory_stays_within_its_limit(tmp_path: Path) -> None:
    """The events are more bytes than DuckDB may have, so that it spills."""
    figures = tmp_path / "figures.json"
    command = ("--events", "1.2e7", "--memory", "1GB", "--folder", str(tmp_path))
    said("bench", "data", *command, "--json", str(figures))
    found = json.loads(figures.read_text())["conversion"]
    assert found["peak_bytes"] <= 10**9


def test_bytes_are_read_as_they_are_written() -> None:
    assert [parse_bytes(text) for text in ("4GB", "1.5 GiB", "512MB", "7B", "1000")] == [
        4 * 10**9,
        3 * 2**29,
        512 * 10**6,
        7,
        1000,
    ]
    for wrong in ("", "GB", "-1GB", "4 G", "four"):
        with pytest.raises(ValueError, match="no number of bytes"):
            parse_bytes(wrong)
