"""30Music: what listeners of Last.fm played within a year, and which tracks they love.

Turrin et al., 30Music Listening and Playlists Dataset, RecSys 2015 (poster). Its files are in the
format of Idomaar: five columns with tabs between them, a type, an id, a time, and two objects of
JSON, the properties and the relations. Read are

* `relations/events.idomaar`: `event.play`, {"playtime": seconds}, one user and one track: every
  play (31,351,954 are published);
* `relations/love.idomaar`: `preference`, {"value": "love"}, one user and one track (4,106,341);
* `entities/tracks.idomaar`: {"duration": ms, ...}, artists, albums and tags;
* `entities/users.idomaar`: {"gender", "country", "subscribertype", ...}.

In `love.idomaar` blanks part the two objects instead of a tab: the first line tells. The plays that
`relations/sessions.idomaar` groups are the same; requests are cut by `max_gap_seconds` here, so
that it is not needed.

* Event: a play or a love.
* Time: the third column, seconds since 1970, UTC. A love without one (-1) is of unknown time:
  before the plays of its user, and history only.
* Behaviours: `play`; `half_played`, a play of at least half of the track; `love`. Where playtime or
  duration is unknown (-1, null), a play counts as not half played; such plays are counted
  (`plays_of_unknown_share`), and the rate of `half_played` is too low by them.
* Scenario: one, `all`.
* Candidate: every event. Among plays `half_played` is true feedback. There are no impressions: for
  `play` and `love` the labels tell kinds of events apart, and sampled negatives beside them make
  AUC higher than among tracks that were really shown.
* Attributes of tracks: the first `artist`, `album` and `tag`; of users: gender, country,
  subscribertype. Counts of plays are in the files, too, but look into the future: not read.
* Ties and repeats: events of one second stay in the order of the files, plays before loves; a track
  that is played again is another event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scaling.config import register
from scaling.datasets.base import DATASETS
from scaling.datasets.source import SourceConfig, SourceTables
from scaling.datasets.text_files import Relation, csv_relation
from scaling.datasets.text_scan import read_chunks
from scaling.datasets.text_values import Valid, seconds

if TYPE_CHECKING:
    import duckdb

FILES = (
    "relations/events.idomaar",
    "relations/love.idomaar",
    "entities/tracks.idomaar",
    "entities/users.idomaar",
)

OBJECTS = r"^(\{[^{}]*\})\s+(\{.*\})$"
"""Two objects of JSON with blanks between them, the first flat."""

TRACK_COLUMNS = ("artist", "album", "tag")
USER_COLUMNS = ("gender", "country", "subscribertype")


@register(DATASETS, "thirty_music")
@dataclass(frozen=True, kw_only=True)
class ThirtyMusicConfig(SourceConfig):
    """Requests are consecutive events of a user, at most 30 minutes apart."""

    licence = (
        "no licence is stated, the data are Last.fm's: for research; "
        "cite Turrin et al., 30Music, RecSys 2015"
    )
    homepage = "http://recsys.deib.polimi.it/datasets"

    max_gap_seconds: int | None = 30 * 60

    def files(self, folder: Path) -> list[Path]:
        for name in FILES:
            if not (folder / name).is_file():
                raise self.missing(folder, name)
        return [folder / name for name in FILES]

    def tables(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> SourceTables:
        plays, loves, tracks, users = self.files(folder)
        since, words = seconds("time")["time"]
        played = _read(connection, plays, "event.play", {"time": (since, words)}, pair=True)
        no_time = {"time": (f'"time" = -1 OR {since}', f"{words}, or -1")}
        loved = _read(connection, loves, "preference", no_time, pair=True)
        known = _read(connection, tracks, "track", {})
        listed = _read(connection, users, "user", {})
        durations = f"SELECT id, {_number(known.properties, 'duration')} AS duration FROM ({known})"
        shares = (
            f'SELECT {played.user} AS "user", {played.track} AS item, "time", row, '
            f"{_number(played.properties, 'playtime')} AS playtime, duration FROM ({played}) "
            f"AS play LEFT JOIN ({durations}) AS track ON track.id = {played.track}"
        )
        unknown = "playtime IS NULL OR duration IS NULL OR playtime < 0 OR duration <= 0"
        half = f"CASE WHEN {unknown} THEN 0 ELSE (2000 * playtime >= duration)::INTEGER END"
        ((of_unknown_share,),) = connection.execute(
            f"SELECT count_if({unknown}) FROM ({shares})"
        ).fetchall()
        firsts = {name: _whole(known.relations, f"$.{name}s[0].id") for name in TRACK_COLUMNS}
        texts = {name: _text_of(listed.properties, name) for name in USER_COLUMNS}
        return SourceTables(
            events=f'SELECT "user", item, "time", ({half})::UTINYINT AS action, '
            f"0::UTINYINT AS scenario, row FROM ({shares}) UNION ALL "
            f'SELECT {loved.user}, {loved.track}, nullif("time", -1), 2::UTINYINT, 0::UTINYINT, '
            f"row + {played.rows.rows} FROM ({loved})",
            behaviours=("play", "half_played", "love"),
            action_labels=((1, 0, 0), (1, 1, 0), (0, 0, 1)),
            scenarios=("all",),
            items=f"SELECT id AS item, {_listed(firsts)} FROM ({known})",
            users=f'SELECT id AS "user", {_listed(texts)} FROM ({listed})',
            facts={
                "rows": played.rows.rows + loved.rows.rows,
                "plays": played.rows.rows,
                "loves": loved.rows.rows,
                "plays_of_unknown_share": of_unknown_share,
                "removed": {},
            },
        )


@dataclass(frozen=True)
class _File:
    """A file, and SQL of what its rows hold."""

    rows: Relation
    properties: str
    relations: str

    def __str__(self) -> str:
        return str(self.rows)

    @property
    def user(self) -> str:
        return _whole(self.relations, "$.subjects[0].id")

    @property
    def track(self) -> str:
        return _whole(self.relations, "$.objects[0].id")


def _read(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    kind: str,
    valid: Valid,
    *,
    pair: bool = False,
) -> _File:
    """The rows of a file, all of one kind; of a pair, each relates one user to one track."""
    columns = {"kind": "VARCHAR", "id": "BIGINT", "time": "BIGINT"}
    properties, relations, place = "properties", "relations", "relations"
    # Blanks may part the two objects instead of a tab.
    if next(read_chunks(path), b"").split(b"\n", 1)[0].count(b"\t") == len(columns):
        place = "objects"
        properties, relations = (f"regexp_extract(objects, '{OBJECTS}', {n})" for n in (1, 2))
        columns |= {"objects": "VARCHAR"}
    else:
        columns |= {"properties": "VARCHAR", "relations": "VARCHAR"}
    whole, words = f"{_is_object(properties)} AND {_is_object(relations)}", "two objects of JSON"
    if pair:
        words += ", the second with subjects of one user and objects of one track, and their ids"
        types = f"json_type({relations}, ['$.subjects[0].id', '$.objects[0].id'])"
        counts = f"json_array_length({relations}, ['$.subjects', '$.objects'])"
        numbers = "('UBIGINT', 'BIGINT')"
        whole = (
            f"CASE WHEN {whole} THEN coalesce({counts} = [1, 1] AND {types}[1] IN {numbers} "
            f"AND {types}[2] IN {numbers}, false) ELSE false END"
        )
    rules: Valid = {"kind": (f"kind = '{kind}'", kind), place: (whole, words)}
    rows = csv_relation(
        connection,
        [path],
        columns,
        separator="\t",
        header=tuple(columns),
        valid={**rules, **valid},
        unique="" if pair else "id",
    )
    return _File(rows, properties, relations)


def _is_object(value: str) -> str:
    return f"(CASE WHEN json_valid({value}) THEN json_type({value}) = 'OBJECT' ELSE false END)"


def _whole(value: str, path: str) -> str:
    """A whole number in an object of JSON; NULL where it is none."""
    return f"TRY_CAST(json_extract_string({value}, '{path}') AS BIGINT)"


def _number(value: str, key: str) -> str:
    return f"TRY_CAST(json_extract_string({value}, '$.{key}') AS DOUBLE)"


def _text_of(value: str, key: str) -> str:
    return f"nullif(json_extract_string({value}, '$.{key}'), '')"


def _listed(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{value} AS {name}" for name, value in columns.items())
