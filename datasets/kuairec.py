"""KuaiRec: how long users of a short-video app watched what they were shown.

Gao et al., KuaiRec: A Fully-Observed Dataset and Insights for Evaluating Recommender Systems, CIKM
2022. Read are, of version 2.0: `big_matrix.csv` (7,176 users, 10,728 videos, 12,530,806 rows) or
`small_matrix.csv` (1,411 users, 3,327 videos, 4,676,570 rows, nearly every user with every video),
`item_categories.csv` and `user_features.csv`, in `data/` or in the folder itself.

* Event: an impression, a row: user_id, video_id, play_duration and video_duration (ms), time (in
  China), date, timestamp, watch_ratio. A row that repeats an earlier one's user, video, second and
  labels is left out and counted (`duplicates_removed`); known of the big matrix.
* Time: `timestamp`, seconds since 1970 with a fraction, UTC; rounded down. In the small matrix it
  is missing in some rows: their order alone is known, they precede the others of their user, and
  are history only.
* Behaviours: `watched`, the video was played to its end (watch_ratio at least 1), and `rewatched`,
  more than twice its length: what the authors propose for a like, which the set does not have.
* Scenario: one, `all`.
* Candidate: an impression with its labels, so no negatives need to be sampled. In the small matrix
  most were shown for the study, whatever the app would have recommended: that is why the matrices
  are read apart.
* Attributes of videos: `tag`, the first in `feat`; of users: activity, and how many they follow and
  for how long they are registered, as ranges.
* Ties: impressions of one second stay in the order of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scaling.config import register
from scaling.datasets.base import DATASETS
from scaling.datasets.source import SourceConfig, SourceTables
from scaling.datasets.text_files import csv_relation
from scaling.datasets.text_values import not_negative, seconds

if TYPE_CHECKING:
    import duckdb

MATRICES = ("big", "small")

USER_COLUMNS = ("user_active_degree", "follow_user_num_range", "register_days_range")


@register(DATASETS, "kuairec")
@dataclass(frozen=True, kw_only=True)
class KuaiRecConfig(SourceConfig):
    """Requests are consecutive impressions of a user, at most 30 minutes apart."""

    licence = "CC BY-SA 4.0; cite Gao et al., KuaiRec, CIKM 2022"
    redistribution = True
    homepage = "https://kuairec.com"

    matrix: Literal["big", "small"] = "big"
    max_gap_seconds: int | None = 30 * 60

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.matrix not in MATRICES:
            raise ValueError(
                f"{self.name}.matrix must be one of {', '.join(MATRICES)}, got {self.matrix!r}"
            )

    def files(self, folder: Path) -> list[Path]:
        data = folder / "data" if (folder / "data").is_dir() else folder
        names = (f"{self.matrix}_matrix.csv", "item_categories.csv", "user_features.csv")
        for name in names:
            if not (data / name).is_file():
                raise self.missing(folder, f"{name}, nor data/{name}")
        return [data / name for name in names]

    def tables(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> SourceTables:
        matrix, categories, features = self.files(folder)
        rows = csv_relation(
            connection,
            [matrix],
            {
                "user_id": "BIGINT",
                "video_id": "BIGINT",
                "timestamp": "DOUBLE",
                "watch_ratio": "DOUBLE",
            },
            optional=("timestamp",),
            valid=not_negative("user_id", "video_id", "watch_ratio") | seconds("timestamp"),
        )
        videos = csv_relation(
            connection,
            [categories],
            {"video_id": "BIGINT", "feat": "VARCHAR"},
            quoting=True,
            unique="video_id",
            valid={
                "feat": (r"regexp_full_match(feat, '\[[0-9, ]*\]')", "numbers, such as [27, 9]")
            },
        )
        users = csv_relation(
            connection,
            [features],
            {"user_id": "BIGINT"} | dict.fromkeys(USER_COLUMNS, "VARCHAR"),
            quoting=True,
            unique="user_id",
            optional=USER_COLUMNS,
        )
        tag = "TRY_CAST(regexp_extract(feat, '[0-9]+') AS BIGINT)"
        return SourceTables(
            events='SELECT user_id AS "user", video_id AS item, '
            'floor(timestamp)::BIGINT AS "time", '
            "((watch_ratio >= 1)::INTEGER + (watch_ratio > 2)::INTEGER)::UTINYINT AS action, "
            f"0::UTINYINT AS scenario, row FROM ({rows})",
            behaviours=("watched", "rewatched"),
            action_labels=((0, 0), (1, 0), (1, 1)),
            scenarios=("all",),
            items=f"SELECT video_id AS item, {tag} AS tag FROM ({videos})",
            users=f'SELECT user_id AS "user", {", ".join(USER_COLUMNS)} FROM ({users})',
            duplicates="removed",
            facts={"rows": rows.rows, "matrix": self.matrix, "removed": {}},
        )
