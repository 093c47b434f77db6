"""Yambda: what users of a music service listened to, liked and took back, organic or recommended.

Ploshkin et al., Yambda-5B: A Large-Scale Multi-modal Dataset for Ranking and Retrieval, 2025
(arXiv 2505.22238). Three sizes, 50m, 500m and 5b; each flat (one row per event) and sequential (one
row per user, with a list per column), which make the same log.

* Event: a row of `multi_event.parquet`; or of the five files of single kinds where that is absent.
  The second of the two gives events of one user and time another order.
* Time: seconds since an unpublished moment, in steps of 5 s; so there is no time zone, and many
  events share their time (they stay in the order of the file).
* Behaviours: `listen`; `listen_plus`, at least half of the track played (100 % and more: it was
  played again); `like`, `dislike`, and `unlike`, `undislike`, which take those back.
* Scenario: `organic`, or `recommended` (from the service's feed and playlists), of every event.
* Candidate: every event, so those of a request are what the user did within one stretch of time.
  Among listens the label `listen_plus` is true feedback on what was played. The other behaviours are
  logged where they happened alone: their labels tell the kinds of events apart, and an AUC over them
  says how well a model foresees which kind comes, not which of the tracks shown gets a like. What was
  shown and not played is nowhere in the log: candidates are positives, or sampled negatives beside
  them, which makes AUC higher than among tracks that were really shown.
* Attributes of items, where `artist_item_mapping.parquet` and `album_item_mapping.parquet` are
  there: of several artists or albums the one of the smallest number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scaling.config import register
from scaling.datasets.base import DATASETS
from scaling.datasets.parquet_files import check_columns, check_rows, scan
from scaling.datasets.source import SourceConfig, SourceTables

if TYPE_CHECKING:
    import duckdb

BEHAVIOURS = ("listen", "listen_plus", "like", "dislike", "unlike", "undislike")

LISTEN, LISTEN_PLUS, LISTEN_UNKNOWN = 0, 1, 2
"""Actions of a listen: less than half of the track, at least half, or no word on how much."""

KINDS = ("listen", "like", "dislike", "unlike", "undislike")
"""Values of `event_type`; those after `listen` have the actions 3 .. 6."""

ACTION_LABELS = (
    (1, 0, 0, 0, 0, 0),
    (1, 1, 0, 0, 0, 0),
    (1, 0, 0, 0, 0, 0),
    (0, 0, 1, 0, 0, 0),
    (0, 0, 0, 1, 0, 0),
    (0, 0, 0, 0, 1, 0),
    (0, 0, 0, 0, 0, 1),
)

SCENARIOS = ("recommended", "organic")
"""In the order of `is_organic`."""

HALF = 50
"""Of `played_ratio_pct`; the authors' own evaluation draws the line at the same place."""

COLUMNS = ("uid", "timestamp", "item_id", "is_organic")
MAPPINGS = {"artist": "artist_item_mapping.parquet", "album": "album_item_mapping.parquet"}

LAST_ID = 2**63 - 1
LAST_TIME = 10**9
"""Seconds; the set spans less than a year."""


@register(DATASETS, "yambda")
@dataclass(frozen=True, kw_only=True)
class YambdaConfig(SourceConfig):
    """Requests are consecutive events of one scenario, at most 30 minutes apart."""

    licence = "Apache 2.0; cite Ploshkin et al., Yambda-5B (arXiv 2505.22238)"
    redistribution = True
    homepage = "https://huggingface.co/datasets/yandex/yambda"

    size: Literal["50m", "500m", "5b"] = "50m"
    max_gap_seconds: int | None = 30 * 60
    same_scenario: bool = True

    def files(self, folder: Path) -> list[Path]:
        """`flat/SIZE` or `sequential/SIZE` in the folder, in this order of preference, or the
        folder itself; and the mappings beside them."""
        mappings = [folder / file for file in MAPPINGS.values() if (folder / file).is_file()]
        places = [folder / "flat" / self.size, folder / "sequential" / self.size, folder]
        for place in places:
            together = place / "multi_event.parquet"
            if together.is_file():
                return [together, *mappings]
        for place in places:
            single = [place / f"{kind}s.parquet" for kind in KINDS]
            if all(path.is_file() for path in single):
                return [*single, *mappings]
        raise self.missing(
            folder,
            f"flat/{self.size}/multi_event.parquet (nor sequential/{self.size}/..., nor the five "
            f"files {', '.join(f'{kind}s' for kind in KINDS)}.parquet)",
        )

    def tables(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> SourceTables:
        found = self.files(folder)
        mappings = {
            name: path for name, file in MAPPINGS.items() for path in found if path.name == file
        }
        events = [path for path in found if path not in mappings.values()]
        kinds: Sequence[str | None] = KINDS if len(events) > 1 else [None]
        lists = [_check_types(path, kind) for path, kind in zip(events, kinds)]
        for path, sequential in zip(events, lists):
            if sequential:
                _check_lengths(connection, path, _columns(path, kinds[0] is None))
        relations = [
            _relation(path, kind, sequential, number)
            for number, (path, kind, sequential) in enumerate(zip(events, kinds, lists))
        ]

        def diagnose() -> None:
            for path, kind, sequential in zip(events, kinds, lists):
                check_rows(connection, path, _wrong(kind), _rows(path, kind, sequential))

        return SourceTables(
            events=" UNION ALL ".join(relations),
            behaviours=BEHAVIOURS,
            action_labels=ACTION_LABELS,
            scenarios=SCENARIOS,
            items=_items(mappings),
            facts={"size": self.size, "form": "sequential" if lists[0] else "flat"},
            diagnose=diagnose,
        )


def _columns(path: Path, together: bool) -> tuple[str, ...]:
    played = together or path.name == "listens.parquet"
    return (
        *COLUMNS,
        *(["event_type"] if together else []),
        *(["played_ratio_pct"] if played else []),
    )


def _check_types(path: Path, kind: str | None) -> bool:
    """Whether the file is sequential; `ValueError` for a wrong or missing column."""
    names = _columns(path, kind is None)
    valid = {name: ["text"] if name == "event_type" else ["whole"] for name in names}
    valid["is_organic"] = ["whole", "truth"]
    if "played_ratio_pct" in valid:
        valid["played_ratio_pct"] = ["whole", "real"]
    lists = {
        name: kinds if name == "uid" else [f"list of {kind}" for kind in kinds]
        for name, kinds in valid.items()
    }
    types = check_columns(path, {name: (*valid[name], *lists[name]) for name in names})
    sequential = str(types["item_id"]).startswith(("list", "large_list"))
    check_columns(path, lists if sequential else valid)
    return sequential


def _check_lengths(connection: duckdb.DuckDBPyConnection, path: Path, names: Sequence[str]) -> None:
    """`ValueError` for a user whose lists are not all as long as that of the items."""
    check_rows(
        connection,
        path,
        {
            name: (
                f"{name} IS NULL OR item_id IS NULL OR len({name}) <> len(item_id)",
                "a list as long as that of item_id",
            )
            for name in names
            if name != "uid"
        },
    )


def _rows(path: Path, kind: str | None, sequential: bool) -> str:
    """The file's events, one per row, with their place in the file."""
    names = _columns(path, kind is None)
    if not sequential:
        return f"(SELECT {', '.join(names)}, file_row_number FROM {scan(path)})"
    lists = ", ".join(f"unnest({name}) AS {name}" for name in names if name != "uid")
    place = "file_row_number * 4294967296 + unnest(range(len(item_id)))"
    return f"(SELECT uid, {lists}, {place} AS file_row_number FROM {scan(path)})"


def _relation(path: Path, kind: str | None, sequential: bool, number: int) -> str:
    listen = (
        f"CASE WHEN played_ratio_pct >= {HALF} THEN {LISTEN_PLUS} "
        f"WHEN played_ratio_pct IS NULL THEN {LISTEN_UNKNOWN} ELSE {LISTEN} END"
    )
    actions = {"listen": listen} | {name: str(code) for code, name in enumerate(KINDS[1:], start=3)}
    action = actions[kind] if kind else (
        f"CASE event_type {' '.join(f'WHEN {k!r} THEN {a}' for k, a in actions.items())} END"
    )  # fmt: skip
    return (
        'SELECT uid::BIGINT AS "user", item_id::BIGINT AS item, '
        f"CASE WHEN timestamp BETWEEN 0 AND {LAST_TIME} THEN timestamp::BIGINT "
        "ELSE error('a timestamp is missing or impossible') END AS \"time\", "
        f"({action})::UTINYINT AS action, is_organic::UTINYINT AS scenario, "
        f'{number} * 1152921504606846976 + file_row_number AS "row" '
        f"FROM {_rows(path, kind, sequential)}"
    )


def _wrong(kind: str | None) -> Mapping[str, tuple[str, str]]:
    conditions = {
        name: (f"{name} IS NULL OR {name} > {LAST_ID}", f"a whole number, at most {LAST_ID}")
        for name in ("uid", "item_id")
    } | {
        "timestamp": (
            f"timestamp IS NULL OR timestamp NOT BETWEEN 0 AND {LAST_TIME}",
            f"seconds, 0 .. {LAST_TIME}",
        ),
        "is_organic": ("is_organic IS NULL OR is_organic::INTEGER NOT IN (0, 1)", "0, 1"),
    }
    if kind is None:
        names = ", ".join(repr(name) for name in KINDS)
        conditions["event_type"] = (
            f"event_type IS NULL OR event_type NOT IN ({names})",
            ", ".join(KINDS),
        )
    if kind in (None, "listen"):
        conditions["played_ratio_pct"] = ("played_ratio_pct < 0", "0 or more")
    return conditions


def _items(mappings: Mapping[str, Path]) -> str:
    """Artist and album by item, of the mappings that are there."""
    parts = []
    for name, path in mappings.items():
        column = f"{name}_id"
        check_columns(path, {"item_id": ["whole"], column: ["whole"]})
        parts.append(
            f"(SELECT item_id::BIGINT AS item, min({column}) AS {name} FROM {scan(path)} "
            "WHERE item_id IS NOT NULL GROUP BY 1)"
        )
    if not parts:
        return ""
    joined = " FULL JOIN ".join(parts) + (" USING (item)" if len(parts) > 1 else "")
    return f"SELECT item, {', '.join(mappings)} FROM {joined}"
