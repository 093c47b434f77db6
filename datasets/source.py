"""Sources read out of core: official files as SQL over DuckDB, of any size, into a prepared log.

A source is one file: a configuration that finds its files and says, as queries, what they mean.
Sorting, dictionaries, filters and the prepared log are `scaling.datasets.conversion`'s.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from scaling.config import cache_dir, digest_of
from scaling.datasets.checksums import file_digest
from scaling.datasets.conversion import DEFAULT_MEMORY, VERSION, Conversion, convert
from scaling.datasets.conversion_engine import Progress, quiet
from scaling.datasets.log import EventLog
from scaling.datasets.logged import LoggedConfig
from scaling.datasets.store import is_stored, load_log

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class SourceTables:
    """What a source makes of its files: queries over the connection that `tables` was given.

    A query may read views that `tables` made on that connection. None may depend on the order in
    which threads finish.
    """

    events: str
    """A SELECT with the columns
    `user` (BIGINT or VARCHAR) and `item` (BIGINT or VARCHAR): the official ids, never NULL;
    `time` (BIGINT): seconds since the epoch, UTC; NULL where only the order is known;
    `action` (UTINYINT): index into `action_labels`;
    `scenario` (UTINYINT): index into `scenarios`;
    `row` (BIGINT): the event's place in the files; of equal times the smaller goes first. Events
    of unknown time precede all others of their user;
    and where the query itself leaves out repeats, `copies` (BIGINT): the rows of the files that an
    event stands for, so that they are counted."""
    behaviours: tuple[str, ...]
    action_labels: tuple[tuple[int, ...], ...]
    scenarios: tuple[str, ...]
    """The last three as in `scaling.batch.Schema`."""
    items: str = ""
    """A SELECT with `item` (each once) and further columns: each becomes an item attribute, whose
    distinct values become codes in ascending order; 0 is NULL or an item that is not listed."""
    users: str = ""
    """Likewise with `user`: the attributes of users."""
    duplicates: Literal["kept", "removed"] = "kept"
    """Whether of events alike in all but `row` the first alone is kept. Both are counted."""
    diagnose: Callable[[], None] | None = None
    """Called when reading the events failed: may read the files again, slowly, and raise a
    `ValueError` with the file, row and column at fault."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Plain data that is recorded: repairs with their counts, and what is worth knowing."""


@dataclass(frozen=True, kw_only=True)
class SourceConfig(LoggedConfig):
    """Where the files are and which of their events are kept; a source adds what they mean.

    Every field that a source adds is taken to change the content of the log.
    """

    homepage: ClassVar[str] = ""
    """Where the files are got."""
    preparation: ClassVar[int] = 1
    """Raised when the source makes another log of the same files."""

    path: str = ""
    """The folder of the official files; empty: the environment variable CLIMBER_NAME, else NAME in
    the cache. Not part of the identity."""
    min_user_events: int = 1
    """Users with fewer events are left out (repeated together with items until nothing changes: a
    k-core); 1: none is."""
    min_item_events: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if "://" in self.path:
            raise ValueError(
                f"{self.name}.path must be a folder of this machine, got {self.path!r}; copy the "
                "files from there first"
            )
        if self.path:
            # Absolute, since a worker may run in another folder.
            object.__setattr__(self, "path", str(Path(self.path).expanduser().absolute()))
        for name in ("min_user_events", "min_item_events"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{self.name}.{name} must be at least 1, got {getattr(self, name)}"
                )

    @abstractmethod
    def files(self, folder: Path) -> list[Path]:
        """The official files that are read, in a fixed order.

        Raises:
            ValueError: `self.missing(...)`, where one is not there.
        """

    @abstractmethod
    def tables(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> SourceTables:
        """What the files mean; called once per conversion, after `files`.

        Raises:
            ValueError: a damaged file or value, with file, row and column.
        """

    @classmethod
    def variable(cls) -> str:
        """The environment variable that names the folder."""
        return "CLIMBER_" + cls.name.upper().replace("-", "_")

    def folder(self) -> Path:
        """Where the files are expected."""
        chosen = self.path or os.environ.get(self.variable())
        return Path(chosen).expanduser().absolute() if chosen else cache_dir() / self.name

    def missing(self, folder: Path, what: str) -> ValueError:
        """The error for a file that is not there: how to get it and how to say where it is."""
        get = f"Get it from {self.homepage}, and name" if self.homepage else "Name"
        state = "holds no" if folder.is_dir() else "is no folder with"
        return ValueError(
            f"{self.name}: {folder} {state} {what}. {get} its folder: climber data prepare "
            f"{self.name} --from FOLDER, or the environment variable {self.variable()}, or the "
            "field `path`"
        )

    def options(self) -> dict[str, Any]:
        """The fields that change the content: the filters, and all that the source adds."""
        elsewhere = {f.name for f in fields(LoggedConfig)} | {"path"}
        return {
            name: value for name, value in super().identity().items()
            if name not in elsewhere and name != "class"
        }  # fmt: skip

    def identity(self) -> dict[str, Any]:
        """The options without the place; the content is in the fingerprint."""
        return {key: value for key, value in super().identity().items() if key != "path"}

    def checksums(self) -> dict[str, str]:
        """SHA-256 of every file that is read, by its path in the folder."""
        folder = self.folder()
        return {_name(path, folder): file_digest(path) for path in self.files(folder)}

    def content(self) -> str:
        return digest_of(
            {
                "source": self.name,
                "conversion": VERSION,
                "preparation": self.preparation,
                "options": self.options(),
                "files": self.checksums(),
            }
        )

    def prepare(
        self,
        *,
        memory: int = DEFAULT_MEMORY,
        threads: int | None = None,
        progress: Progress = quiet,
    ) -> Path:
        """The folder of the prepared log; converted on the first call for the same content.

        Args:
            memory: bytes that the process may take in all.
            threads: by default as many as there are cores and memory for.
            progress: told of every stage and how far it is.

        Raises:
            ValueError: damaged files, too little memory, a full disk.
        """
        path = self.prepared_path()
        if not is_stored(path):
            folder = self.folder()
            conversion = Conversion(
                tables=lambda connection: self.tables(connection, folder),
                min_user_events=self.min_user_events,
                min_item_events=self.min_item_events,
                max_candidates=type(self).max_candidates,
                record={
                    "name": self.name,
                    "licence": self.terms(),
                    "homepage": self.homepage,
                    "preparation": self.preparation,
                    "options": self.options(),
                    "files": self.checksums(),
                },
            )
            convert(conversion, path, memory=memory, threads=threads, progress=progress)
        return path

    def read(self) -> tuple[EventLog, dict[str, Any]]:
        return load_log(self.prepare())

    def fetch(self) -> list[Path]:
        """The files that are there and what was prepared of them; they are not downloaded."""
        return [*self.files(self.folder()), self.prepare()]


def _name(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path != folder else path.name
