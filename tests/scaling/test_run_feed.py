"""Runs as they come: pages of a real store, what is new, what has gone, and what was kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scaling import tracking_pages
from scaling.run_feed import FileReader, Joined, Known, StoreReader
from scaling.run_snapshot import keep_rows, load_rows, snapshot_path
from scaling.runs import read_runs as read_file
from scaling.tracking_mlflow import MlflowClient
from scaling.tracking_pages import Pages
from scaling.tracking_read import read_runs

WAIT_SECONDS = 60.0


class Sweep:
    """A sweep of a store, filled by hand: MLflow's own calls, a few tags and metrics."""

    def __init__(self, store: str, title: str = "study") -> None:
        self.client = MlflowClient(store)
        self.number = self.client.create_experiment(title, tags={"climber.kind": "sweep"})
        self.count = 0

    def add(self, loss: float = 0.5, *, ended: int | None = None, **tags: str) -> str:
        """A finished run; `ended` in milliseconds, one after the other otherwise."""
        self.count += 1
        at = ended or 1_000_000 + 1000 * self.count
        told = {"climber.digest": f"d{self.count}", "climber.architecture": "astro", **tags}
        run = self.client.create_run(self.number, start_time=at - 500, tags=told)
        self.client.log_metric(run.info.run_id, "loss", loss)
        self.client.set_terminated(run.info.run_id, "FINISHED", at)
        return str(run.info.run_id)


@contextmanager
def reading(store: str) -> Iterator[StoreReader]:
    reader = StoreReader(store, pause=0.02)
    try:
        yield reader
    finally:
        reader.close()


def until(ask: Callable[[], Known], good: Callable[[Known], bool]) -> Known:
    """Ask until the answer is good."""
    end = time.monotonic() + WAIT_SECONDS
    while not good(found := ask()):
        assert time.monotonic() < end, (found, found.runs)
        time.sleep(0.01)
    return found


def test_runs_appear_as_they_are_recorded(store: str) -> None:
    sweep = Sweep(store)
    first = {sweep.add(), sweep.add()}
    with reading(store) as reader:
        found = until(lambda: reader.known("study"), lambda known: known.complete)
        assert set(found.runs["run_id"]) == first
        assert reader.titles() == ("study",)
        sweep.client.create_run(sweep.number, tags={"climber.digest": "not done"})
        new = sweep.add(0.25)
        found = until(lambda: reader.known("study"), lambda known: len(known.runs) == 3)
        assert found.runs.set_index("run_id")["loss"][new] == 0.25
        # A trial that another sweep has finished long ago is recorded with its own time.
        old = sweep.add(ended=2000)
        found = until(lambda: reader.known("study"), lambda known: len(known.runs) == 4)
        assert found.runs["run_id"].iloc[0] == old, "in the order in which trials began"
        sweep.client.delete_run(old)
        until(
            lambda: reader.known("study"), lambda known: set(known.runs["run_id"]) == first | {new}
        )


def test_the_table_is_the_one_of_the_commands(store: str) -> None:
    sweep = Sweep(store)
    sweep.add(0.25, **{"climber.reason": "because", "climber.dataset": "synthetic"})
    sweep.add()
    with reading(store) as reader:
        found = until(lambda: reader.known("study"), lambda known: known.complete)
    whole = read_runs("study", tracking_uri=store, everything=True)
    assert list(found.runs.columns) == list(whole.columns)
    for name in whole.columns:
        both = zip(found.runs[name], whole[name])
        assert all(one == two or (pd.isna(one) and pd.isna(two)) for one, two in both), name


def test_pages_are_published_before_the_last(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_pages, "FIRST_PAGE", 2)
    monkeypatch.setattr(tracking_pages, "PAGE", 3)
    sweep = Sweep(store)
    ids = [sweep.add() for _ in range(7)]
    pages = Pages("study", store)
    read = [set(page) for page in pages.whole(pages.experiment())]
    assert [len(page) for page in read] == [2, 3, 2]
    assert read[0] == set(ids[-2:]), "the latest first"
    assert set().union(*read) == set(ids)


def test_what_was_read_is_there_at_once_next_time(store: str) -> None:
    sweep = Sweep(store)
    sweep.add()
    with reading(store) as reader:
        before = until(lambda: reader.known("study"), lambda known: known.complete)
    assert snapshot_path(store, "study").exists()
    new = sweep.add()
    with reading(store) as reader:
        begun = until(lambda: reader.known("study"), lambda known: known.version > 0)
        assert begun.complete
        assert set(begun.runs["run_id"]) >= set(before.runs["run_id"])
        until(lambda: reader.known("study"), lambda known: new in set(known.runs["run_id"]))


def test_a_store_that_is_lost_leaves_the_runs_and_one_that_replaces_it_is_read(
    store: str, migrated: Path, copy_store: Callable[[Path, Path], None]
) -> None:
    first = Sweep(store).add()
    path = Path(store.removeprefix("sqlite:///"))
    replacement = path.with_name("replacement.db")
    copy_store(migrated, replacement)
    other = Sweep(f"sqlite:///{replacement}").add()
    for file in (path, replacement):  # all in one file, without a log beside it
        copy_store(file, file.with_suffix(".whole"))
    with reading(store) as reader:
        until(lambda: reader.known("study"), lambda known: known.complete)
        path.rename(path.with_suffix(".away"))
        lost = until(lambda: reader.known("study"), lambda known: bool(known.problem))
        assert list(lost.runs["run_id"]) == [first]
        assert "does not exist. Cure" in lost.problem
        path.with_suffix(".whole").rename(path)
        until(lambda: reader.known("study"), lambda known: not known.problem)
        replacement.with_suffix(".whole").replace(path)
        until(lambda: reader.known("study"), lambda known: list(known.runs["run_id"]) == [other])
    with reading(store) as reader:
        found = until(lambda: reader.known("study"), lambda known: known.version > 0)
        assert list(found.runs["run_id"]) == [other]


def test_an_unknown_sweep_is_told(store: str) -> None:
    Sweep(store)
    with reading(store) as reader:
        lost = until(lambda: reader.known("other"), lambda known: bool(known.problem))
    assert "holds no sweep 'other'; it holds: study" in lost.problem


def test_everything_is_read_once_more_on_demand(store: str) -> None:
    sweep = Sweep(store)
    run = sweep.add()
    with reading(store) as reader:
        until(lambda: reader.known("study"), lambda known: known.complete)
        sweep.client.set_tag(run, "climber.architecture", "gru")
        reader.again()
        changed = until(lambda: reader.known("study"), lambda known: known.version > 3)
        assert list(changed.runs["architecture"]) == ["gru"]


def test_a_damaged_or_foreign_snapshot_counts_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "kept.parquet"
    rows: list[dict[str, Any]] = [{"run_id": "a", "loss": 0.5}, {"run_id": "b", "auc": 0.75}]
    keep_rows(path, {"number": "1"}, rows)
    assert load_rows(path, {"number": "1"}) == rows
    assert load_rows(path, {"number": "2"}) == []
    path.write_bytes(path.read_bytes()[:100])
    assert load_rows(path, {"number": "1"}) == []
    assert load_rows(tmp_path / "none.parquet", {}) == []


def test_a_cache_that_cannot_be_written_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    keep_rows(tmp_path / "file" / "kept.parquet", {}, [{"run_id": "a"}])
    assert "not kept for the next start" in caplog.text


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("compute,loss\n1e9,0.5\n")
    reader = FileReader(path, read_file)
    first = reader.known()
    assert reader.known() is first
    path.write_text("compute,loss\n1e9,0.5\n2e9,0.25\n")
    second = reader.known()
    assert (len(second.runs), second.version > first.version) == (2, True)
    path.unlink()
    lost = reader.known()
    assert (len(lost.runs), lost.version) == (2, second.version)
    assert "no run table at" in lost.problem


def test_joined_tables_are_made_once_for_the_same_versions() -> None:
    joined = Joined()
    one = Known(1, pd.DataFrame({"loss": [1.0]}), True)
    two = Known(4, pd.DataFrame({"loss": [2.0]}), True)
    version, runs = joined.of({"a": one, "b": two})
    assert list(runs["loss"]) == [1.0, 2.0]
    assert joined.of({"a": one, "b": two})[1] is runs
    assert joined.of({"a": one})[0] != version


def test_closing_ends_the_thread(store: str) -> None:
    Sweep(store)
    with reading(store) as reader:
        reader.known("study")
    reader._thread.join(60)  # it ends its look at the store first
    assert not reader._thread.is_alive()
