"""Reading a sweep's runs from MLflow page by page, and later only what is new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scaling.tracking_mlflow import MlflowClient, Run
from scaling.tracking_read import row_of, sweep_titles, without_collection
from scaling.tracking_record import TAG
from scaling.tracking_store import (
    StoreError,
    check_file,
    find_experiment,
    open_client,
    sqlite_path,
    store_errors,
)

FIRST_PAGE, PAGE = 200, 1000
"""Runs of the first page, so that something can be shown soon, and of the others."""
NEWEST = 50
"""Runs of the page that is asked for again and again."""
_ENDED = "attributes.status != 'RUNNING'"
"""A record is written when its trial has ended, and is whole when it isn't running any more."""
_HEX = "0123456789abcdef"


@dataclass(frozen=True)
class Experiment:
    """Which records are meant; another creation means another store, or a sweep begun anew."""

    number: str
    created: int


Rows = dict[str, dict[str, Any]]
"""By run id: rows of the run table, with the start and end of the trial in `STARTED`, `ENDED`."""
STARTED, ENDED = "started_ms", "ended_ms"


class Pages:
    """One sweep of one store."""

    def __init__(self, title: str, tracking_uri: str | None) -> None:
        """
        Raises:
            StoreError: no such store or sweep.
        """
        self.title = title
        self._client: MlflowClient = open_client(tracking_uri)
        self.uri: str = self._client.tracking_uri
        self._file = sqlite_path(self.uri)
        self._inode = self._found()
        self._turn = 0

    def experiment(self) -> Experiment:
        """The sweep's experiment as it is now; `StoreError` where it or the store isn't there."""
        if self._file is not None and (inode := self._found()) != self._inode:
            # Open connections would go on reading a file that was moved away or replaced.
            self._let_go()
            check_file(self._file, create=False)
            self._inode = inode
        found = find_experiment(self._client, self.title)
        if found is None:
            known = ", ".join(sweep_titles(tracking_uri=self.uri)) or "none"
            raise StoreError(
                f"MLflow store {self.uri} holds no sweep {self.title!r}; it holds: {known}. "
                f"Cure: choose one of these, or `climber sweep {self.title}`"
            )
        return Experiment(str(found.experiment_id), int(found.creation_time or 0))

    def whole(self, experiment: Experiment) -> Iterator[Rows]:
        """Everything, the latest first, page by page."""
        yield from self._pages(experiment, _ENDED, ["attributes.start_time DESC"], FIRST_PAGE)

    def newer(self, experiment: Experiment, known: Rows) -> Rows:
        """Runs that have ended last and aren't known: pages until one holds nothing new."""
        found: Rows = {}
        for page in self._pages(experiment, _ENDED, ["attributes.end_time DESC"], NEWEST):
            fresh = {run_id: row for run_id, row in page.items() if run_id not in known}
            found |= fresh
            if not fresh:
                break
        return found

    def part(self, experiment: Experiment, known: Rows) -> tuple[Rows, set[str]]:
        """One part of all runs as they are now, the next one at each call, and which ids have gone.

        A record may come late, or bear an old time (a trial that another sweep has finished), be
        changed, or deleted: by and by every part is read again. Ids are random hexadecimal digits.
        """
        parts = list(_HEX) if len(known) <= PAGE else [a + b for a in _HEX for b in _HEX]
        prefix = parts[self._turn % len(parts)]
        self._turn += 1
        wanted = f"{_ENDED} and attributes.run_id LIKE '{prefix}%'"
        found: Rows = {}
        for page in self._pages(experiment, wanted, ["attributes.start_time DESC"], PAGE):
            found |= page
        gone = {run_id for run_id in known if run_id.startswith(prefix)} - found.keys()
        return found, gone

    def _found(self) -> int:
        """Which file stands in the store's place; 0 for none, or where the store is no file."""
        try:
            return self._file.stat().st_ino if self._file is not None else 0
        except OSError:
            return 0

    def _let_go(self) -> None:
        """Close the connections that MLflow keeps to a database for the whole process."""
        engine = getattr(self._client._tracking_client.store, "engine", None)
        if engine is not None:
            engine.dispose()

    def _pages(
        self, experiment: Experiment, wanted: str, order: Sequence[str], size: int
    ) -> Iterator[Rows]:
        token = None
        while True:
            with store_errors(self.uri), without_collection():
                page = self._client.search_runs(
                    [experiment.number], filter_string=wanted, max_results=size,
                    order_by=list(order), page_token=token,
                )  # fmt: skip
                rows = {run.info.run_id: self._row(run) for run in page if _is_trial(run)}
            yield rows
            token, size = page.token, PAGE
            if not token:
                return

    def _row(self, run: Run) -> dict[str, Any]:
        times = {STARTED: run.info.start_time, ENDED: run.info.end_time or run.info.start_time}
        row = row_of(run, self.title) | times
        # Missing is missing, however it was said: rows are compared with those that were kept.
        return {name: v for name, v in row.items() if v is not None and v == v}


def _is_trial(run: Run) -> bool:
    return f"{TAG}digest" in run.data.tags
