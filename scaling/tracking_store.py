"""Which MLflow store is meant, whether it can be used, and what to do when it can't."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scaling.tracking_mlflow import MlflowClient, MlflowException
from scaling.units import file_name

logger = logging.getLogger(__name__)

DEFAULT_URI = "sqlite:///mlflow.db"

_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_TIMEOUT_SECONDS = 5.0
_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR)


class StoreError(ValueError):
    """A store that can't be used; the message names the place and the cure."""


def resolve_uri(tracking_uri: str | None = None) -> str:
    """The store that is meant: the argument, else MLFLOW_TRACKING_URI, else `mlflow.db` here.

    Paths of SQLite files are made absolute.

    Raises:
        StoreError: a folder of files (`mlruns/`), which MLflow no longer supports as a store.
    """
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    scheme = uri.split(":", 1)[0] if "://" in uri or uri.startswith(("file:", "sqlite:")) else ""
    if scheme in ("", "file"):
        raise StoreError(
            f"the MLflow store {uri!r} is a folder of files (an old `mlruns/`), which MLflow no "
            f"longer supports. Cure: give a database, `--tracking-uri {DEFAULT_URI}` (or unset "
            "MLFLOW_TRACKING_URI); old runs move by `mlflow migrate-filestore --source "
            f"{_folder(uri)} --target {DEFAULT_URI}`"
        )
    path = sqlite_path(uri)
    return uri if path is None else f"sqlite:///{path.absolute()}"


def sqlite_path(uri: str) -> Path | None:
    """The file of an SQLite store; None for servers and other databases."""
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)) if uri.startswith(prefix) else None


def store_exists(tracking_uri: str | None = None) -> bool:
    """False where an SQLite file would have to be made first; a server is taken to exist."""
    path = sqlite_path(resolve_uri(tracking_uri))
    return path is None or path.exists()


def ui_command(tracking_uri: str | None = None) -> str:
    """The command that shows the store in MLflow's own page."""
    uri = resolve_uri(tracking_uri)
    return uri if uri.startswith("http") else f"mlflow ui --backend-store-uri {uri}"


def open_client(tracking_uri: str | None = None, *, create: bool = False) -> MlflowClient:
    """A client of a store that answers, migrated to MLflow's current tables if it is new.

    Args:
        tracking_uri: see `resolve_uri`.
        create: make the SQLite file where there is none (takes two seconds); otherwise that is an
            error.

    Raises:
        StoreError: absent, out of reach, not writable, not a database, or of another release.
    """
    uri = resolve_uri(tracking_uri)
    path = sqlite_path(uri)
    if path is None:
        _check_server(uri)
    else:
        check_file(path, create)
    if tracking_uri is None and Path("mlruns").is_dir():
        logger.warning(
            "an old mlruns/ folder is here: `mlflow ui` alone would open that. The runs are in "
            "%s: see them by `%s`",
            uri,
            ui_command(uri),
        )
    _quieten()
    with store_errors(uri):
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return client


@contextlib.contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turns what MLflow and the file system raise into a `StoreError` with place and cure."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        if not isinstance(error, MlflowException | OSError) and not _from_database(error):
            raise
        text = str(error)
        if "out-of-date database schema" in text:
            cure = f"copy it, then `mlflow db upgrade {uri}`"
        elif "Can't locate revision" in text:
            cure = "it was written by a newer MLflow: `pip install --upgrade mlflow`"
        elif "disk is full" in text or getattr(error, "errno", None) == errno.ENOSPC:
            cure = "make room on the disk and launch again; finished trials are kept"
        elif "database is locked" in text:
            cure = "another program writes to it: wait for it, or choose another --tracking-uri"
        elif "readonly database" in text or getattr(error, "errno", None) in _NO_RIGHT:
            cure = "give yourself the right to write there, or choose another --tracking-uri"
        elif _refused(error, text):
            cure = (
                "log in by MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (or "
                "MLFLOW_TRACKING_TOKEN), ask for the right to write there, or choose another "
                "--tracking-uri"
            )
        else:
            cure = "check the address, or choose another store by --tracking-uri"
        line = text.strip().splitlines()[0] if text.strip() else type(error).__name__
        place = _without_password(uri)
        raise StoreError(f"MLflow store {place}: {line.rstrip('.')}. Cure: {cure}") from error


def artifact_location(uri: str, title: str) -> str | None:
    """Where a sweep's files go: `mlartifacts/` beside the SQLite file; a server decides itself."""
    if uri.startswith("http"):
        return None
    path = sqlite_path(uri)
    folder = (path.parent if path else Path.cwd()) / "mlartifacts"
    return (folder / file_name(title)).absolute().as_uri()


def find_experiment(client: MlflowClient, title: str) -> Any | None:
    """The sweep's experiment, None if there is none yet; a deleted one is an error."""
    uri = client.tracking_uri
    with store_errors(uri):
        experiment = client.get_experiment_by_name(title)
    if experiment is not None and experiment.lifecycle_stage == "deleted":
        number = experiment.experiment_id
        raise StoreError(
            f"MLflow store {uri}: the experiment {title!r} was deleted, and its name can't be used "
            f"again. Cure: bring it back by `MLFLOW_TRACKING_URI={uri} mlflow experiments restore "
            f"--experiment-id {number}`, or remove it for good by `mlflow gc --backend-store-uri "
            f"{uri} --experiment-ids {number}`"
        )
    return experiment


def check_file(path: Path, create: bool) -> None:
    """Ask SQLite itself first: MLflow would try again and again for minutes."""
    place = f"MLflow store sqlite:///{path}"
    elsewhere = "choose another place by --tracking-uri sqlite:///FILE"
    if path.is_dir():
        raise StoreError(f"{place} is a folder. Cure: {elsewhere}")
    if not path.exists() and not create:
        raise StoreError(
            f"{place} does not exist. Cure: run a sweep first, go to the folder where it ran, or "
            "name its store by --tracking-uri"
        )
    existed = path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(path, timeout=_TIMEOUT_SECONDS)) as connection:
            if create:
                # A write-ahead log: a commit waits for the disk once, not four times (a trial's
                # record 0.07 s rather than 0.15 s), and MLflow's page can read while trials run.
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("BEGIN IMMEDIATE")
                connection.rollback()
            else:
                connection.execute("SELECT count(*) FROM sqlite_master")
    except (OSError, sqlite3.Error) as error:
        if not existed:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        reason = error.strerror if isinstance(error, OSError) else str(error)
        if "not a database" in str(error):
            cure = f"move the file away, or {elsewhere}"
        elif "locked" in str(error):
            cure = f"another program holds it: wait for it, or {elsewhere}"
        elif "full" in str(error):
            cure = f"make room on the disk, or {elsewhere}"
        else:
            cure = f"give yourself the right to write there, or {elsewhere}"
        raise StoreError(f"{place} can't be used: {reason}. Cure: {cure}") from error


def _check_server(uri: str) -> None:
    parts = urlsplit(uri)
    scheme = parts.scheme.split("+")[0]
    if scheme not in _PORTS:
        raise StoreError(
            f"MLflow store {uri!r}: unknown scheme {scheme!r}; valid: sqlite, {', '.join(_PORTS)}"
        )
    try:
        host, port = parts.hostname or "localhost", parts.port or _PORTS[scheme]
        with socket.create_connection((host, port), timeout=_TIMEOUT_SECONDS):
            pass
    except (OSError, ValueError) as error:
        start = "start it by `mlflow server`, " if scheme.startswith("http") else "start it, "
        raise StoreError(
            f"MLflow store {_without_password(uri)} can't be reached: {error}. Cure: {start}"
            "correct the address, or leave it out to use ./mlflow.db"
        ) from error


def _refused(error: Exception, text: str) -> bool:
    """Whether a server answered that this user may not."""
    codes = ("PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED")
    return getattr(error, "error_code", "") in codes or any(
        f"error code {code} " in text for code in (401, 403)
    )


def _from_database(error: Exception) -> bool:
    """Whether SQLAlchemy raised it: MLflow lets some of its errors through."""
    return type(error).__module__.startswith("sqlalchemy.")


def _without_password(uri: str) -> str:
    password = urlsplit(uri).password
    return uri.replace(f":{password}@", ":***@") if password else uri


def _folder(uri: str) -> str:
    return uri.removeprefix("file:").removeprefix("//") or "mlruns"


def _quieten() -> None:
    """No news of MLflow's and alembic's tables; warnings still come through."""
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It writes a traceback for each error that it also raises.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
