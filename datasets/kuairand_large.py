"""KuaiRand's larger sizes: 1K, all that a thousand users were shown, and 27K, of all users.

Gao et al., KuaiRand, CIKM 2022. The published counts of the standard logs are 11,713,045 impressions
of 1,000 users and 4,369,953 videos (1K), 322,278,385 of 27,285 and 32,038,725 (27K). The folder is
the one that the archive unpacks to; read are, in its folder `data`, the standard logs of both
periods (27K: in two parts each), `user_features_*.csv` and `video_features_basic_*.csv`.

What rows mean is as in `scaling.datasets.kuairand`, which reads Pure:

* Event: an impression. A row that repeats an earlier one's user, video and millisecond is left out,
  whatever its labels, and counted (`duplicates_removed`).
* Time: `time_ms`, milliseconds since 1970, UTC; kept in seconds, ordered by milliseconds and then by
  the order of the files, whose names ascend with time.
* Behaviours: click, long_view and like, each 0 or 1 in every row. Scenario: the tab, 0 to 14.
* Candidate: an impression with its labels, so no negatives need to be sampled.
* Attributes of videos: author, the first tag, the duration in half octaves of seconds; of users:
  activity, and how many they follow and for how long they are registered, as ranges.
* The random log holds videos that were inserted at random, between those of the standard log. Their
  exposure differs, so they are left out unless `random` is true.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from scaling.config import register
from scaling.datasets.base import DATASETS
from scaling.datasets.kuairand import BEHAVIOURS, DURATION_STEPS
from scaling.datasets.kuairand_files import FLAGS, NUM_TABS, USER_COLUMNS
from scaling.datasets.source import SourceConfig, SourceTables
from scaling.datasets.text_files import csv_relation
from scaling.datasets.text_values import Valid, milliseconds, not_negative

if TYPE_CHECKING:
    import duckdb

ROWS = 2**40
"""More than the files hold: a row's number and, above it, its millisecond within the second."""

PERIODS = ("4_08_to_4_21", "4_22_to_5_08")


@dataclass(frozen=True, kw_only=True)
class KuaiRandLargeConfig(SourceConfig):
    """Requests are consecutive impressions of a user in one tab, at most 30 minutes apart."""

    licence = "CC BY-SA 4.0; cite Gao et al., KuaiRand, CIKM 2022"
    redistribution = True
    homepage = "https://kuairand.com"
    size: ClassVar[str]
    """As in the names of the files."""
    parts: ClassVar[tuple[str, ...]] = ("",)
    """What else the names of a standard log end in."""

    random: bool = False
    """Whether the impressions of the random log are read, too."""
    max_gap_seconds: int | None = 30 * 60
    same_scenario: bool = True

    def files(self, folder: Path) -> list[Path]:
        paths = [folder / "data" / f"{name}.csv" for name in [*self._logs(), *self._features()]]
        for path in paths:
            if not path.is_file():
                raise self.missing(folder, f"data/{path.name}")
        return paths

    def tables(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> SourceTables:
        *logs, user_file, video_file = self.files(folder)
        flag = {name: (f"{name} BETWEEN 0 AND 1", "0, 1") for name in FLAGS}
        tab: Valid = {"tab": (f"tab BETWEEN 0 AND {NUM_TABS - 1}", f"0 .. {NUM_TABS - 1}")}
        rows = csv_relation(
            connection,
            logs,
            dict.fromkeys(("user_id", "video_id", "time_ms", "tab", *FLAGS), "BIGINT"),
            valid=not_negative("user_id", "video_id") | flag | tab | milliseconds("time_ms"),
        )
        users = csv_relation(
            connection,
            [user_file],
            {"user_id": "BIGINT"} | dict.fromkeys(USER_COLUMNS, "VARCHAR"),
            quoting=True,
            unique="user_id",
            optional=USER_COLUMNS,
        )
        videos = csv_relation(
            connection,
            [video_file],
            {
                "video_id": "BIGINT",
                "author_id": "BIGINT",
                "tag": "VARCHAR",
                "video_duration": "DOUBLE",
            },
            quoting=True,
            unique="video_id",
            optional=("author_id", "tag", "video_duration"),
        )
        bits = " + ".join(f"{name} * {1 << bit}" for bit, name in enumerate(FLAGS))
        # Of rows that repeat the first is kept: its number stands above what it says.
        once = (
            'SELECT user_id AS "user", video_id AS item, time_ms, '
            f"min(row * 128 + ({bits}) * 16 + tab) AS packed, count(*) AS copies "
            f"FROM ({rows}) GROUP BY ALL"
        )
        octaves = "floor(2 * log2(video_duration / 1000))::BIGINT"
        return SourceTables(
            events='SELECT "user", item, time_ms // 1000 AS "time", '
            "(packed // 16 % 8)::UTINYINT AS action, (packed % 16)::UTINYINT AS scenario, "
            f"time_ms % 1000 * {ROWS} + packed // 128 AS row, copies FROM ({once})",
            behaviours=BEHAVIOURS,
            action_labels=tuple(
                tuple(code >> bit & 1 for bit in range(len(FLAGS)))
                for code in range(1 << len(FLAGS))
            ),
            scenarios=tuple(f"tab {number}" for number in range(NUM_TABS)),
            items="SELECT video_id AS item, author_id AS author, "
            "nullif(split_part(tag, ',', 1), '') AS tag, CASE WHEN video_duration > 0 "
            f"THEN greatest(0, least({octaves}, {DURATION_STEPS - 1})) END AS duration "
            f"FROM ({videos})",
            users=f'SELECT user_id AS "user", {", ".join(USER_COLUMNS)} FROM ({users})',
            facts={"rows": rows.rows, "random_log": self.random, "removed": {}},
        )

    def _logs(self) -> list[str]:
        names = [
            f"log_standard_{period}_{self.size}{part}" for period in PERIODS for part in self.parts
        ]
        return names + [f"log_random_{PERIODS[1]}_{self.size}"] * self.random

    def _features(self) -> tuple[str, str]:
        return f"user_features_{self.size}", f"video_features_basic_{self.size}"


@register(DATASETS, "kuairand-1k")
@dataclass(frozen=True, kw_only=True)
class KuaiRand1KConfig(KuaiRandLargeConfig):
    """Requests are consecutive impressions of a user in one tab, at most 30 minutes apart."""

    size = "1k"


@register(DATASETS, "kuairand-27k")
@dataclass(frozen=True, kw_only=True)
class KuaiRand27KConfig(KuaiRandLargeConfig):
    """Requests are consecutive impressions of a user in one tab, at most 30 minutes apart."""

    size = "27k"
    parts = ("_part1", "_part2")
