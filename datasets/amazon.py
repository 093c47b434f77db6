"""Amazon: reviews of products, with one to five stars; three editions, one category at a time.

Edition 2014: McAuley et al., SIGIR 2015. 2018: Ni et al., EMNLP 2019. 2023: Hou et al.,
arXiv:2403.03952. Each publishes a category's ratings and its reviews apart, under these names:

* 2014 ratings: `ratings_Books.csv`; no header; user, item, rating, seconds.
* 2018 ratings: `Books.csv`; no header; item, user, rating, seconds: the first two swapped.
* 2018 reviews: `Books.json.gz` (of the dense subset `Books_5.json.gz`, category Books_5); JSON
  lines with reviewerID, asin, overall, unixReviewTime.
* 2023 ratings: `Books.csv` or `.csv.gz`; header user_id, parent_asin, rating, timestamp;
  milliseconds.
* 2023 reviews: `Books.jsonl` or `.jsonl.gz`; JSON lines with the same keys.

The packed or unpacked file is taken, whichever is there.

* Event: a review, by its rating. One that is stored twice (same user, item, second and stars) is
  left out and counted (`duplicates_removed`). Item: the product; in 2023 `parent_asin`, which joins
  the variants (colours, sizes) of one.
* Time: seconds since 1970, UTC. Until 2018 only the day is known, so most events of a user tie with
  others; they stay in the order of the file.
* Behaviour: `liked`, four stars or more. A rating of 0 is taken as "none given", not liked, and
  counted (`without_stars`).
* Scenario: one, `all`.
* Candidate: a review with its label, so the task is to tell liked from other among the products
  that a user chose to review; what was shown, viewed or bought without a review is nowhere.
  Sampled negatives beside them make AUC higher than it would be among products really shown.
* No attributes: the metadata are files of their own and not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scaling.config import register
from scaling.datasets.base import DATASETS
from scaling.datasets.source import SourceConfig, SourceTables
from scaling.datasets.text_files import csv_relation, json_relation
from scaling.datasets.text_values import Valid, milliseconds, seconds

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Format:
    """How one edition writes one kind of file."""

    file: str
    """Its name, `{}` for the category; it may also end in `.gz`."""
    columns: tuple[str, str, str, str]
    """What it calls user, item, rating and time."""
    header: tuple[str, ...] | None = None
    """The columns in their order, of a table without a header."""
    per_second: int = 1


OLD = ("user", "item", "rating", "time")
NEW = ("user_id", "parent_asin", "rating", "timestamp")

FORMATS = {
    "2014 ratings": Format("ratings_{}.csv", OLD, OLD),
    "2018 ratings": Format("{}.csv", OLD, ("item", "user", "rating", "time")),
    "2018 reviews": Format("{}.json", ("reviewerID", "asin", "overall", "unixReviewTime")),
    "2023 ratings": Format("{}.csv", NEW, per_second=1000),
    "2023 reviews": Format("{}.jsonl", NEW, per_second=1000),
}


@register(DATASETS, "amazon")
@dataclass(frozen=True, kw_only=True)
class AmazonConfig(SourceConfig):
    """Requests are consecutive reviews of a user, at most a day apart."""

    licence = (
        "no licence is stated, the texts belong to their authors: for research; cite Hou et al., "
        "arXiv:2403.03952 (2018: Ni et al., 2014: McAuley et al.)"
    )
    homepage = (
        "https://amazon-reviews-2023.github.io (older: https://jmcauley.ucsd.edu/data/amazon)"
    )

    edition: Literal[
        "2014 ratings", "2018 ratings", "2018 reviews", "2023 ratings", "2023 reviews"
    ] = "2023 ratings"
    category: str = "Books"
    """As in the name of the file."""
    max_gap_seconds: int | None = 24 * 60 * 60

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.edition not in FORMATS:
            raise ValueError(
                f"{self.name}.edition must be one of {', '.join(FORMATS)}, got {self.edition!r}"
            )
        if not self.category or "/" in self.category:
            raise ValueError(
                f"{self.name}.category must be as in the name of the file, such as Books, "
                f"got {self.category!r}"
            )

    def files(self, folder: Path) -> list[Path]:
        name = FORMATS[self.edition].file.format(self.category)
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return [path]
        raise self.missing(folder, f"{name} or {name}.gz (edition {self.edition!r})")

    def tables(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> SourceTables:
        chosen = FORMATS[self.edition]
        user, item, rating, time = chosen.columns
        columns = {user: "VARCHAR", item: "VARCHAR", rating: "DOUBLE", time: "BIGINT"}
        valid: Valid = {rating: (f"{rating} IN (0, 1, 2, 3, 4, 5)", "whole stars, 0 to 5")}
        valid |= seconds(time) if chosen.per_second == 1 else milliseconds(time)
        counted = {"without_stars": f"{rating} = 0"}
        if self.edition.endswith("reviews"):
            rows = json_relation(
                connection, self.files(folder), columns, valid=valid, counted=counted
            )
        else:
            rows = csv_relation(
                connection,
                self.files(folder),
                columns,
                header=chosen.header,
                valid=valid,
                counted=counted,
            )
        return SourceTables(
            events=f'SELECT "{user}" AS "user", "{item}" AS item, '
            f'"{time}" // {chosen.per_second} AS "time", "{rating}"::UTINYINT AS action, '
            f"0::UTINYINT AS scenario, row FROM ({rows})",
            behaviours=("liked",),
            action_labels=tuple((int(stars >= 4),) for stars in range(6)),
            scenarios=("all",),
            duplicates="removed",
            facts={
                "rows": rows.rows,
                "edition": self.edition,
                "category": self.category,
                **rows.counts,
                "removed": {},
            },
        )
