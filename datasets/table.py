"""Anybody's log of events: CSV, TSV or Parquet files with a mapping of their columns.

* Event: a row. Events are sorted by user and time; of equal times the earlier row goes first, and of
  several files the one whose name sorts first. Rows alike are kept and counted, unless
  `duplicates = "removed"`.
* Behaviours: one of
  - `action`: a column that names what happened. Each value is a behaviour, or those listed in
    `behaviours` are: an event of another value has none (an impression beside clicks);
  - `behaviours` alone: columns of 0 and 1, any number of which may hold;
  - `rating` and `threshold`: the behaviour `liked` where the rating is at least the threshold;
  - none of them: every event is a positive of the behaviour `event`.
* Scenario: the value of the column `scenario`, else `all`.
* Candidate and label: every event, and its behaviours. Where the rows are only what users did, all
  candidates are positives of something; negatives that are sampled beside them make AUC higher than
  among what was really shown.
* Time: whole numbers need their unit, text is read by ISO 8601. What has no offset is UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scaling.config import register
from scaling.datasets.base import DATASETS
from scaling.datasets.source import SourceConfig, SourceTables
from scaling.datasets.sql import name_of
from scaling.datasets.table_files import SUFFIXES, TableFiles, is_parquet
from scaling.datasets.table_time import UNITS, seconds, time_check

if TYPE_CHECKING:
    import duckdb

MOST_VALUES = 256
"""Of actions, ratings and scenarios: each is kept in a byte."""


@register(DATASETS, "table")
@dataclass(frozen=True, kw_only=True)
class TableConfig(SourceConfig):
    """Your own events, CSV or Parquet. Requests are a user's events within half an hour."""

    licence = "your own; nobody else's terms are known here"
    redistribution = True

    user: str = "user_id"
    item: str = "item_id"
    time: str = "timestamp"
    time_unit: str = ""
    """Of whole numbers: s, ms, us or ns. Empty for text and for columns that hold moments."""
    action: str = ""
    behaviours: tuple[str, ...] = ()
    rating: str = ""
    threshold: float | None = None
    scenario: str = ""
    duplicates: Literal["kept", "removed"] = "kept"
    separator: str = ""
    """Between the columns of text; empty: a tab in .tsv files, a comma in others."""
    max_gap_seconds: int | None = 30 * 60

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.time_unit not in ("", *UNITS):
            raise ValueError(
                f"table.time_unit must be one of {', '.join(UNITS)}, or empty for text and "
                f"moments; got {self.time_unit!r}"
            )
        if bool(self.rating) != (self.threshold is not None):
            raise ValueError("table.rating and table.threshold need each other: set both or none")
        if self.rating and (self.action or self.behaviours):
            raise ValueError(
                "table.rating makes the behaviour itself: leave action and behaviours out"
            )
        if not self.action and len(self.behaviours) > 8:
            raise ValueError(
                f"table.behaviours names {len(self.behaviours)} columns; at most 8 fit"
            )

    def files(self, folder: Path) -> list[Path]:
        """The file itself, or all files of one kind in the folder, by name."""
        names = ", ".join(f"*{one}" for one in SUFFIXES)
        if folder.is_file():
            if not folder.name.lower().endswith(tuple(SUFFIXES)):
                raise ValueError(f"{folder} is none of the files that can be read: {names}")
            return [folder]
        if not folder.exists() and folder.name.lower().endswith(tuple(SUFFIXES)):
            raise ValueError(f"there is no file {folder}")
        found = sorted(
            path for path in folder.glob("*") if path.name.lower().endswith(tuple(SUFFIXES))
        )
        kinds = {is_parquet(path) for path in found}
        if len(kinds) > 1:
            raise ValueError(
                f"{folder} holds Parquet and text files; name the one file, or a folder of one kind"
            )
        if not found:
            raise self.missing(folder, f"files to read, {names}")
        return found

    def tables(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> SourceTables:
        flags = () if self.action else self.behaviours
        files = TableFiles(
            paths=self.files(folder),
            ids=(self.user, self.item),
            time=self.time,
            unit=self.time_unit,
            words=tuple(column for column in (self.action, self.scenario) if column),
            flags=flags,
            ratings=(self.rating,) if self.rating else (),
            separator=self.separator,
        )
        rows = files.open(connection)
        time_check(connection, files, rows, self.time, self.time_unit)
        values = _values(connection, rows, (self.action, self.rating, self.scenario))
        behaviours, labels, action = self._meaning(values)
        scenarios = (
            tuple(str(value) for value in values[self.scenario]) if self.scenario else ("all",)
        )
        scenario = _code(self.scenario, values[self.scenario]) if self.scenario else "0"
        found: dict[str, Any] = {
            f"{column}_values": ", ".join(map(str, values[column]))
            for column in (self.action, self.rating) if column
        }  # fmt: skip
        return SourceTables(
            events=(
                f'SELECT {name_of(self.user)} AS "user", {name_of(self.item)} AS item, '
                f'{seconds(name_of(self.time), self.time_unit)} AS "time", '
                f"({action})::UTINYINT AS action, ({scenario})::UTINYINT AS scenario, "
                f'"row" FROM ({rows})'
            ),
            behaviours=behaviours,
            action_labels=labels,
            scenarios=scenarios,
            duplicates=self.duplicates,
            facts=found,
        )

    def _meaning(
        self, values: dict[str, list[Any]]
    ) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...], str]:
        """Behaviours, the labels of each action, and the action's code as SQL."""
        if self.action:
            there = values[self.action]
            chosen = self.behaviours or tuple(there)
            for behaviour in chosen:
                if behaviour not in there:
                    raise ValueError(
                        f"table.behaviours names {behaviour!r}, which the column {self.action!r} never "
                        f"holds; it holds {', '.join(map(str, there))}"
                    )
            labels = tuple(
                tuple(int(value == behaviour) for behaviour in chosen) for value in there
            )
            return chosen, labels, _code(self.action, there)
        if self.rating:
            there = values[self.rating]
            assert self.threshold is not None
            labels = tuple((int(value >= self.threshold),) for value in there)
            return ("liked",), labels, _code(self.rating, there)
        if self.behaviours:
            bits = range(len(self.behaviours))
            labels = tuple(tuple(code >> bit & 1 for bit in bits) for code in range(1 << len(bits)))
            code = " + ".join(
                f"({name_of(column)} << {bit})" for bit, column in enumerate(self.behaviours)
            )
            return self.behaviours, labels, code
        return ("event",), ((1,),), "0"


def _values(
    connection: duckdb.DuckDBPyConnection, rows: str, names: Sequence[str]
) -> dict[str, list[Any]]:
    """The distinct values of columns, ascending; `ValueError` for too many of them."""
    wanted = [column for column in names if column]
    if not wanted:
        return {}
    lists = ", ".join(f"list(DISTINCT {name_of(column)})" for column in wanted)
    found = connection.execute(f"SELECT {lists} FROM ({rows})").fetchone()
    assert found is not None
    for column, values in zip(wanted, found):
        if len(values) > MOST_VALUES:
            raise ValueError(
                f"the column {column!r} holds {len(values)} different values, such as "
                f"{', '.join(map(str, sorted(values)[:3]))}; at most {MOST_VALUES} fit"
            )
    return {column: sorted(values) for column, values in zip(wanted, found)}


def _code(column: str, values: Sequence[Any]) -> str:
    """The place of a value among `values`, as SQL."""
    listed = ", ".join(
        "'" + v.replace("'", "''") + "'" if isinstance(v, str) else repr(v) for v in values
    )
    return f"list_position([{listed}], {name_of(column)}) - 1"
