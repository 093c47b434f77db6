"""What killed conversions left behind is told with its size, unless a process goes on with it."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from scaling.cli import main
from scaling.datasets.conversion_lock import locked
from scaling.datasets.leftovers import leftovers


def left(folder: Path, name: str, size: int) -> Path:
    work = folder / f".{name}.partial"
    (work / "result").mkdir(parents=True)
    (work / "result" / "items.npy").write_bytes(b"0" * size)
    return work


def test_work_that_nobody_goes_on_with(tmp_path: Path) -> None:
    assert leftovers(tmp_path / "absent") == {}
    (tmp_path / "log-1").mkdir()
    abandoned, busy = left(tmp_path, "log-2", 70), left(tmp_path, "log-3", 10)
    with locked(tmp_path / ".log-3.lock", lambda: None):
        assert leftovers(tmp_path) == {abandoned: 70}
    assert leftovers(tmp_path) == {abandoned: 70, busy: 10}


def test_prepare_tells_of_it(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    work = left(cache / "table", "log-0123", 4000)
    events = tmp_path / "events.csv"
    rows = [f"{user},{item},{1_700_000_000 + 60 * item}" for user in range(9) for item in range(20)]
    events.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
    command = ["data", "prepare", "table", "--from", str(events), "--set", "time_unit=s"]
    done = CliRunner().invoke(main, command, env={"CLIMBER_CACHE": str(cache)})
    assert done.exit_code == 0, done.output
    assert f"{work} holds 4 kB of a run that was killed; delete it" in done.output.replace(
        "\n", " "
    )
