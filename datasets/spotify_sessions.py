"""Spotify's Music Streaming Sessions: which tracks of a listening session were skipped.

Brost et al., The Music Streaming Sessions Dataset, WWW 2019; the data of the sequential skip
prediction challenge. Read are `training_set/log_*.csv` (or `log_*.csv`, as the mini version
`log_mini.csv`) and, where they are there, `track_features/tf_*.csv` (or `tf_*.csv`). The test set
hides what it would need to be read.

* User: a session (`session_id`) of 10 to 20 tracks; who listened is not published. So histories are
  at most 19 events long, and a split by time takes whole sessions apart from few that cross it.
* Event: a row, a track that was played in a session, in the order of `session_position`.
* Time: `date` and `hour_of_day`, the beginning of that hour taken as UTC (the set names no time
  zone). So nearly all events of a session tie; they stay in the order of their positions. Where the
  hour falls back within a session, it is raised to the one before, and counted (`times_raised`).
* Behaviours: `played_on`, not `skip_2` (the challenge's label: played briefly), and `finished`,
  `not_skipped` (played in full).
* Scenario: `context_type`, where the track was played from.
* Candidate: every event with its labels; they are what the user was given to hear, so no negatives
  need to be sampled. Tracks repeat within a session and are kept.
* Attributes of tracks: `release_year`, `duration` (half octaves of seconds), `key`, `mode`; of a
  session: `premium`, as its first row says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scaling.config import register
from scaling.datasets.base import DATASETS
from scaling.datasets.source import SourceConfig, SourceTables
from scaling.datasets.text_files import csv_relation
from scaling.datasets.text_values import not_negative

if TYPE_CHECKING:
    import duckdb

CONTEXTS = (
    "catalog",
    "charts",
    "editorial_playlist",
    "personalized_playlist",
    "radio",
    "user_collection",
)

COLUMNS = {
    "session_id": "VARCHAR",
    "session_position": "BIGINT",
    "session_length": "BIGINT",
    "track_id_clean": "VARCHAR",
    "skip_2": "BOOLEAN",
    "not_skipped": "BOOLEAN",
    "hour_of_day": "BIGINT",
    "date": "VARCHAR",
    "premium": "BOOLEAN",
    "context_type": "VARCHAR",
}

TRACK_COLUMNS = {
    "track_id": "VARCHAR",
    "duration": "DOUBLE",
    "release_year": "BIGINT",
    "key": "BIGINT",
    "mode": "VARCHAR",
}

ROWS = 2**40
"""More than the files hold: a row's number and, above it, its position."""


@register(DATASETS, "spotify_sessions")
@dataclass(frozen=True, kw_only=True)
class SpotifySessionsConfig(SourceConfig):
    """Requests are consecutive tracks of a session from one context."""

    licence = (
        "Spotify's terms for the Music Streaming Sessions Dataset: non-commercial research; "
        "cite Brost et al., WWW 2019"
    )
    homepage = "https://www.aicrowd.com/challenges/spotify-sequential-skip-prediction-challenge"

    same_scenario: bool = True

    def files(self, folder: Path) -> list[Path]:
        logs = _found(folder, "training_set", "log_*.csv")
        if not logs:
            raise self.missing(folder, "training_set/log_*.csv nor log_*.csv")
        return [*logs, *_found(folder, "track_features", "tf_*.csv")]

    def tables(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> SourceTables:
        files = self.files(folder)
        contexts = ", ".join(f"'{name}'" for name in CONTEXTS)
        rows = csv_relation(
            connection,
            [path for path in files if path.name.startswith("log_")],
            COLUMNS,
            valid={
                "session_position": (
                    "session_position BETWEEN 1 AND least(session_length, 1000)",
                    "1 to session_length",
                ),
                "hour_of_day": ("hour_of_day BETWEEN 0 AND 23", "0 to 23"),
                "date": (
                    r"regexp_full_match(date, '\d{4}-\d\d-\d\d') AND "
                    "coalesce(year(TRY_CAST(date AS DATE)) BETWEEN 1990 AND 2100, false)",
                    "a day such as 2018-07-15",
                ),
                "context_type": (f"context_type IN ({contexts})", ", ".join(CONTEXTS)),
            },
            counted={
                "sessions": "session_position = 1",
                "sessions_ended": "session_position = session_length",
            },
        )
        hour = "epoch(CAST(date AS DATE))::BIGINT + 3600 * hour_of_day"
        timed = (
            f"SELECT *, {hour} AS hour, max({hour}) OVER (PARTITION BY session_id "
            f'ORDER BY session_position, row ROWS UNBOUNDED PRECEDING) AS "time" FROM ({rows})'
        )
        ((raised,),) = connection.execute(
            f'SELECT count_if("time" > hour) FROM ({timed})'
        ).fetchall()
        return SourceTables(
            events=f'SELECT session_id AS "user", track_id_clean AS item, "time", '
            "((NOT skip_2)::INTEGER + 2 * not_skipped::INTEGER)::UTINYINT AS action, "
            f"(list_position([{contexts}], context_type) - 1)::UTINYINT AS scenario, "
            f"session_position * {ROWS} + row AS row FROM ({timed})",
            behaviours=("played_on", "finished"),
            action_labels=((0, 0), (1, 0), (0, 1), (1, 1)),
            scenarios=CONTEXTS,
            items=_tracks(connection, [path for path in files if path.name.startswith("tf_")]),
            users=f'SELECT session_id AS "user", bool_or(premium) AS premium FROM ({rows}) '
            "WHERE session_position = 1 GROUP BY session_id",
            facts={
                "rows": rows.rows,
                **rows.counts,
                "times_raised": raised,
                "removed": {},
            },
        )


def _found(folder: Path, inner: str, pattern: str) -> list[Path]:
    """The files of a pattern in the inner folder, else in the folder; plain or gzip, by name."""
    for place in (folder / inner, folder):
        paths = [*place.glob(pattern), *place.glob(f"{pattern}.gz")]
        if paths:
            return sorted(paths)
    return []


def _tracks(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> str:
    """The attributes of tracks; empty without their files."""
    if not paths:
        return ""
    tracks = csv_relation(
        connection,
        paths,
        TRACK_COLUMNS,
        optional=("release_year", "key", "mode"),
        valid=not_negative("duration"),
        unique="track_id",
    )
    duration = "CASE WHEN duration > 0 THEN floor(2 * log2(duration))::BIGINT END"
    return (
        f"SELECT track_id AS item, release_year, {duration} AS duration, key, mode FROM ({tracks})"
    )
