"""Runs as they come: a sweep of an MLflow store read in the background, or a file that grows."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from scaling.run_snapshot import keep_rows, load_rows, snapshot_path
from scaling.runs import ordered
from scaling.tracking_pages import ENDED, STARTED, Experiment, Pages, Rows
from scaling.tracking_read import sweep_titles, whole_numbers
from scaling.tracking_store import StoreError

PAUSE_SECONDS = 1.0
"""Between two looks at a store."""
LISTED_SECONDS = 10.0
"""Between two looks at which sweeps there are."""
FORGOTTEN_SECONDS = 60.0
"""A sweep that nobody has asked for so long is not looked at until somebody does."""
KEEP_SECONDS = 30.0
"""Between two times that what was read of a running sweep is kept."""


@dataclass(frozen=True)
class Known:
    """The runs of one sweep that have been read, in the order in which their trials began."""

    version: int
    runs: pd.DataFrame
    complete: bool
    problem: str = ""


class Joined:
    """Several sweeps as one table: the same one again until one of them changes."""

    def __init__(self) -> None:
        self._last: tuple[str, pd.DataFrame] = ("", run_table([]))

    def of(self, known: Mapping[str, Known]) -> tuple[str, pd.DataFrame]:
        """A text that names these versions, and their runs below each other."""
        version = json.dumps([(name, one.version) for name, one in known.items()])
        last = self._last
        if last[0] != version:
            tables = [one.runs for one in known.values() if len(one.runs)]
            runs = pd.concat(tables, ignore_index=True) if tables else run_table([])
            last = self._last = (version, runs)
        return last


@dataclass
class _Watched:
    """A sweep that is being read; written by the reading thread alone, but for `asked`, `whole`."""

    title: str
    asked: float
    pages: Pages | None = None
    experiment: Experiment | None = None
    rows: Rows = field(default_factory=dict)
    whole: bool = True
    """Whether everything is to be read."""
    kept: float = 0.0
    unkept: bool = False
    known: Known = field(default_factory=lambda: Known(0, run_table([]), False))


def run_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a run table, the trial that began first on top."""
    begun = sorted(rows, key=lambda row: float(row[STARTED]))
    inside = pd.DataFrame(begun)
    return whole_numbers(ordered(inside.drop(columns=[STARTED, ENDED], errors="ignore")))


class StoreReader:
    """Reads sweeps of one MLflow store in a thread; what it knows is there at once."""

    def __init__(self, tracking_uri: str | None, *, pause: float = PAUSE_SECONDS) -> None:
        self._uri = tracking_uri
        self._pause = pause
        self._watched: dict[str, _Watched] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._titles: tuple[str, ...] = ()
        self._untitled = ""
        self._listed = self._list()
        self._thread = threading.Thread(target=self._loop, name="runs", daemon=True)
        self._thread.start()

    def titles(self) -> tuple[str, ...]:
        """The sweeps that the store holds, as known a few seconds ago.

        Raises:
            ValueError: the store can't be read; the message names the cure.
        """
        if self._untitled:
            raise ValueError(self._untitled)
        return self._titles

    def _list(self) -> float:
        try:
            self._titles, self._untitled = tuple(sweep_titles(tracking_uri=self._uri)), ""
        except StoreError as error:
            self._untitled = str(error)
        except Exception as error:
            self._untitled = f"the store can't be read: {type(error).__name__}: {error}"
        return time.monotonic()

    def known(self, title: str) -> Known:
        """What has been read of a sweep; the first question begins the reading."""
        with self._lock:
            if title not in self._watched:
                self._watched[title] = _Watched(title, time.monotonic())
                self._wake.set()
            one = self._watched[title]
            one.asked = time.monotonic()
            return one.known

    def again(self) -> None:
        """Read everything once more."""
        with self._lock:
            for one in self._watched.values():
                one.whole = True
        self._listed = -LISTED_SECONDS
        self._wake.set()

    def close(self) -> None:
        """Stop, and keep what was read."""
        self._ended.set()
        self._wake.set()
        self._thread.join(timeout=10.0)

    def _loop(self) -> None:
        while not self._ended.is_set():
            with self._lock:
                limit = time.monotonic() - FORGOTTEN_SECONDS
                active = [one for one in self._watched.values() if one.asked > limit]
            for one in active:
                self._look(one)
            if time.monotonic() - self._listed > LISTED_SECONDS:
                self._listed = self._list()
            self._wake.wait(self._pause)
            self._wake.clear()
        for one in self._watched.values():
            _keep(one)

    def _look(self, one: _Watched) -> None:
        try:
            if one.pages is None:
                one.pages = Pages(one.title, self._uri)
            experiment = one.pages.experiment()
            if experiment != one.experiment:
                self._begin(one, experiment)
            if one.whole:
                self._read_whole(one, experiment)
            else:
                _read_newer(one, one.pages, experiment)
            if time.monotonic() - one.kept > KEEP_SECONDS:
                _keep(one)
        except StoreError as error:
            self._lost(one, str(error))
        except Exception as error:  # the page says so and goes on with what it has
            self._lost(one, f"{one.title} can't be read: {type(error).__name__}: {error}")

    def _lost(self, one: _Watched, problem: str) -> None:
        if one.known.problem != problem:
            one.known = Known(one.known.version, one.known.runs, one.known.complete, problem)

    def _begin(self, one: _Watched, experiment: Experiment) -> None:
        """With what the last reader has kept of the same records, if anything."""
        assert one.pages is not None
        path = snapshot_path(one.pages.uri, one.title)
        one.rows = {row["run_id"]: row for row in load_rows(path, asdict(experiment))}
        one.experiment, one.whole = experiment, not one.rows
        _publish(one, complete=bool(one.rows))

    def _read_whole(self, one: _Watched, experiment: Experiment) -> None:
        """Page by page; until the last one, what was known before stays."""
        assert one.pages is not None
        one.whole = False
        found: Rows = {}
        complete = one.known.complete
        with _undone(one):
            for page in one.pages.whole(experiment):
                if self._ended.is_set():
                    one.whole = True
                    return
                found |= page
                if not complete:
                    one.rows = dict(found)
                    _publish(one, complete=False)
        one.rows, one.unkept = found, True
        _publish(one, complete=True)


@contextlib.contextmanager
def _undone(one: _Watched) -> Any:
    """Whatever ends the reading before its end, it is to be done again."""
    try:
        yield
    except BaseException:
        one.whole = True
        raise


def _read_newer(one: _Watched, pages: Pages, experiment: Experiment) -> None:
    fresh = pages.newer(experiment, one.rows)
    part, gone = pages.part(experiment, one.rows)
    changed = {run_id: row for run_id, row in part.items() if one.rows.get(run_id) != row}
    if fresh or changed or gone:
        kept = {run_id: row for run_id, row in one.rows.items() if run_id not in gone}
        one.rows, one.unkept = kept | fresh | changed, True
        _publish(one, complete=True)
    elif one.known.problem:
        _publish(one, complete=one.known.complete)


def _publish(one: _Watched, *, complete: bool) -> None:
    one.known = Known(one.known.version + 1, run_table(one.rows.values()), complete)


def _keep(one: _Watched) -> None:
    """In the cache, if all was read and something is new."""
    if one.unkept and one.pages is not None and one.experiment is not None and one.known.complete:
        path = snapshot_path(one.pages.uri, one.title)
        keep_rows(path, asdict(one.experiment), list(one.rows.values()))
        one.unkept = False
    one.kept = time.monotonic()


class FileReader:
    """A run table in a file, read again whenever it has changed."""

    def __init__(self, path: Path, read: Callable[[Path], pd.DataFrame]) -> None:
        """
        Raises:
            ValueError: from `read`: the table can't be read.
        """
        self._path, self._read = path, read
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._known = Known(1, read(path), complete=True)

    def known(self) -> Known:
        """The table as it is now; a file that can't be read any more leaves the last one."""
        with self._lock:
            stamp = self._stamp()
            if stamp != self._seen:
                before = self._known
                try:
                    self._known = Known(before.version + 1, self._read(self._path), complete=True)
                except ValueError as error:
                    self._known = Known(before.version, before.runs, True, f"{error}")
                self._seen = stamp
            return self._known

    def again(self) -> None:
        """Read it once more."""
        with self._lock:
            self._seen = (0, 0)

    def _stamp(self) -> Sequence[int]:
        try:
            found = self._path.stat()
        except OSError:
            return (0, -1)
        return (found.st_mtime_ns, found.st_size)
