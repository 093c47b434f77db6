"""Taobao's UserBehavior: what a million customers of a shop viewed, saved and bought in nine days.

Zhu et al., Learning Tree-based Deep Model for Recommender Systems, KDD 2018; published by Tianchi
as `UserBehavior.csv`: no header, the columns user, item, category, behaviour (`pv`, `buy`, `cart`,
`fav`) and a time in seconds. The users are a random choice of those active from 25 November to 3
December 2017; the published counts are 987,994 users, 4,162,024 items, 9,439 categories and
100,150,807 events.

* Event: a row. Two rows that are alike are kept: a page can be opened twice within a second.
* Time: seconds since 1970, UTC. The nine days are days of China (UTC+8). Known of this file: some
  rows carry times years away from them, even before 1970; they are left out and counted
  (`outside_period`), unless `period` is `any`.
* Behaviours: `pv` (the page of an item was opened), `cart`, `fav`, `buy`; an event has one of them.
* Scenario: one, `all`; the file does not say where in the shop it happened.
* Candidate: every event. There are no impressions: what was shown and not opened is nowhere.
  So the labels tell the kinds of events apart, and sampled negatives beside them make AUC higher
  than it would be among items that were really shown.
* Attribute of items: `category`, that of the item's first row; further ones are counted.
* Ties: events of one second stay in the order of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scaling.config import register
from scaling.datasets.base import DATASETS
from scaling.datasets.source import SourceConfig, SourceTables
from scaling.datasets.text_files import csv_relation
from scaling.datasets.text_values import not_negative

if TYPE_CHECKING:
    import duckdb

FILE = "UserBehavior.csv"

BEHAVIOURS = ("pv", "cart", "fav", "buy")

BEGIN, END = 1_511_539_200, 1_512_316_800
"""25 November and 4 December 2017, midnight in China."""

PERIODS = ("nine days", "any")


@register(DATASETS, "taobao")
@dataclass(frozen=True, kw_only=True)
class TaobaoConfig(SourceConfig):
    """Requests are consecutive events of a user, at most 30 minutes apart."""

    licence = "Tianchi's terms: research, not commercial; cite Zhu et al., KDD 2018"
    homepage = "https://tianchi.aliyun.com/dataset/649"

    period: Literal["nine days", "any"] = "nine days"
    """Which events are kept: those of the nine days that the file is about, or all."""
    max_gap_seconds: int | None = 30 * 60

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.period not in PERIODS:
            raise ValueError(
                f"{self.name}.period must be one of {', '.join(PERIODS)}, got {self.period!r}"
            )

    def files(self, folder: Path) -> list[Path]:
        path = folder / FILE
        if not path.is_file():
            raise self.missing(folder, FILE)
        return [path]

    def tables(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> SourceTables:
        columns = {"user": "BIGINT", "item": "BIGINT", "category": "BIGINT"}
        columns |= {"behaviour": "VARCHAR", "time": "BIGINT"}
        names = ", ".join(f"'{name}'" for name in BEHAVIOURS)
        outside = f"time < {BEGIN} OR time >= {END}"
        rows = csv_relation(
            connection,
            self.files(folder),
            columns,
            header=tuple(columns),
            valid=not_negative("user", "item", "category")
            | {"behaviour": (f"behaviour IN ({names})", ", ".join(BEHAVIOURS))},
            counted={"outside": outside},
        )
        dropped = self.period == "nine days"
        kept = f"SELECT * FROM ({rows})" + (f" WHERE NOT ({outside})" if dropped else "")
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE taobao_categories AS SELECT item, category, min(row) AS "
            f"first FROM ({kept}) GROUP BY item, category"
        )
        ((several,),) = connection.execute(
            "SELECT count(*) - count(DISTINCT item) FROM taobao_categories"
        ).fetchall()
        return SourceTables(
            events=f'SELECT "user", item, "time", (list_position([{names}], behaviour) - 1)'
            f"::UTINYINT AS action, 0::UTINYINT AS scenario, row FROM ({kept})",
            behaviours=BEHAVIOURS,
            action_labels=tuple(
                tuple(int(name == other) for other in BEHAVIOURS) for name in BEHAVIOURS
            ),
            scenarios=("all",),
            items="SELECT item, arg_min(category, first) AS category FROM taobao_categories "
            "GROUP BY item",
            facts={
                "rows": rows.rows,
                "period": self.period,
                "outside_period": rows.counts["outside"],
                "further_categories_of_items": several,
                "removed": {"outside_period": rows.counts["outside"] if dropped else 0},
            },
        )
