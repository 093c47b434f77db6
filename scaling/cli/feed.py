"""What the explorer reads: sweeps of an MLflow store, or a table in a file."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from scaling.dashboards.explorer_feed import Feed, Link, Snapshot
    from scaling.run_feed import Joined, Known


def feed_of(
    sweep: str | None,
    runs: Path | None,
    columns: tuple[str, ...],
    tracking_uri: str | None,
    mlflow_url: str | None,
) -> tuple[Feed, list[str]]:
    """The runs that the options of `climber dashboard` name, and the sweeps chosen at first.

    Raises:
        ValueError: a file or store that can't be read, or no sweep of that name.
    """
    from scaling.cli.declared import title_of
    from scaling.cli.output import assignments

    if sweep is not None and runs is not None:
        raise click.UsageError("say either SWEEP or --runs FILE")
    if mlflow_url is not None and urlsplit(mlflow_url).scheme not in ("http", "https"):
        raise click.UsageError(f"--mlflow-url takes an http or https address, got {mlflow_url!r}")
    if runs is not None:
        return FileFeed(runs, assignments(columns, "--column"), mlflow_url), []
    if columns:
        raise click.UsageError("--column goes with --runs FILE")
    feed = StoreFeed(tracking_uri, mlflow_url)
    if sweep is None:
        if len(only := feed.sweeps()) == 1:
            feed.snapshot(only)
        return feed, []
    title = title_of(sweep)
    if title not in feed.sweeps():
        listed = ", ".join(feed.sweeps()) or "none"
        feed.close()
        raise ValueError(
            f"{feed.name} holds no sweep {title!r}; it holds: {listed}. Cure: `climber sweep {sweep}`"
        )
    feed.snapshot([title])  # reading begins before the page is opened
    return feed, [title]


class StoreFeed:
    """Sweeps of one MLflow store, read in the background."""

    def __init__(self, tracking_uri: str | None, mlflow_url: str | None) -> None:
        """
        Raises:
            ValueError: no such store.
        """
        from scaling.run_feed import Joined, StoreReader
        from scaling.run_link import without_login
        from scaling.tracking_store import resolve_uri

        self._uri = resolve_uri(tracking_uri)
        self.name = f"MLflow store {without_login(self._uri)}"
        self._url = mlflow_url or (self._uri if self._uri.startswith("http") else None)
        self._reader, self._joined = StoreReader(self._uri), Joined()
        self.sweeps()

    def sweeps(self) -> Sequence[str]:
        return self._reader.titles()

    def snapshot(self, sweeps: Sequence[str]) -> Snapshot:
        return _snapshot(self._joined, {name: self._reader.known(name) for name in sweeps if name})

    def again(self) -> None:
        self._reader.again()

    def link(self, sweep: str, run_id: str) -> Link:
        return _link(run_id, self._url, self._uri)

    def close(self) -> None:
        self._reader.close()


class FileFeed:
    """A run table in a file, shown as one sweep of the file's name."""

    def __init__(self, path: Path, columns: dict[str, str], mlflow_url: str | None) -> None:
        """
        Raises:
            ValueError: it can't be read.
        """
        from scaling.run_feed import FileReader, Joined
        from scaling.runs import read_runs

        self.name = f"run table {path}"
        self._title, self._url = path.stem, mlflow_url
        self._reader = FileReader(path, functools.partial(read_runs, columns=columns))
        self._joined = Joined()

    def sweeps(self) -> Sequence[str]:
        return [self._title]

    def snapshot(self, sweeps: Sequence[str]) -> Snapshot:
        known = {self._title: self._reader.known()} if self._title in sweeps else {}
        return _snapshot(self._joined, known)

    def again(self) -> None:
        self._reader.again()

    def link(self, sweep: str, run_id: str) -> Link:
        return _link(run_id, self._url, None)

    def close(self) -> None:
        return


def _snapshot(joined: Joined, known: Mapping[str, Known]) -> Snapshot:
    from scaling.dashboards.explorer_feed import Snapshot

    version, runs = joined.of(known)
    return Snapshot(
        version, runs,
        complete=all(one.complete for one in known.values()),
        problem=" ".join(one.problem for one in known.values() if one.problem),
    )  # fmt: skip


def _link(run_id: str, url: str | None, tracking_uri: str | None) -> Link:
    from scaling.dashboards.explorer_feed import Link
    from scaling.run_link import run_link

    return Link(*run_link(run_id, url=url, tracking_uri=tracking_uri))
