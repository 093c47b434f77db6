"""MovieLens 20M and 32M: star ratings in halves, one file of ratings and one of movies.

Harper and Konstan, The MovieLens Datasets, ACM TiiS 2015. 20M (2016) has 20,000,263 ratings of
138,493 users, 32M (2024) 32,000,204 of 200,948. The folder is the one that the zip unpacks to,
`ml-20m` or `ml-32m`; read are `ratings.csv` (userId, movieId, rating, timestamp) and `movies.csv`
(movieId, title, genres), with headers. The files of tags, links and genomes are not read.

As in `scaling.datasets.movielens`, which reads 1M:

* Event: a rating; the action is its number of half stars, less one. Each user rates a movie once.
* Time: seconds since 1970, UTC: when the rating was entered, not when the movie was seen.
* Behaviour: `like`, four stars or more.
* Scenario: one, `all`.
* Candidate: a rating with its label, so the task is to tell liked from other among what a user chose
  to rate. There are no impressions; sampled negatives beside them make AUC higher than it would be
  among movies really shown.
* Attributes of movies: `genres`, all of them as one value, and `decade` of the year in the title;
  both are unknown for some, and counted. Users have none.
* Ties: ratings of one second stay in the order of the file, which is that of the movies' numbers and
  tells nothing about the ratings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from scaling.config import register
from scaling.datasets.base import DATASETS
from scaling.datasets.movielens import MovieLensConfig
from scaling.datasets.source import SourceConfig, SourceTables
from scaling.datasets.text_files import csv_relation
from scaling.datasets.text_values import not_negative, seconds

if TYPE_CHECKING:
    import duckdb

FILES = ("ratings.csv", "movies.csv")

HALF_STARS = 10

YEAR = r"\((\d{4})\)\s*$"
"""What most titles end in."""

NO_GENRES = "(no genres listed)"


@dataclass(frozen=True, kw_only=True)
class MovieLensLargeConfig(SourceConfig):
    """Requests are at most 16 consecutive ratings of a user; a rating of 4 or more is a `like`."""

    licence: ClassVar[str] = MovieLensConfig.licence

    def files(self, folder: Path) -> list[Path]:
        for name in FILES:
            if not (folder / name).is_file():
                raise self.missing(folder, name)
        return [folder / name for name in FILES]

    def tables(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> SourceTables:
        ratings, movies = self.files(folder)
        rated = csv_relation(
            connection,
            [ratings],
            {"userId": "BIGINT", "movieId": "BIGINT", "rating": "DOUBLE", "timestamp": "BIGINT"},
            valid=not_negative("userId", "movieId")
            | {
                "rating": (
                    f"rating * 2 IN ({', '.join(map(str, range(1, HALF_STARS + 1)))})",
                    "0.5, 1, 1.5, ..., 5",
                )
            }
            | seconds("timestamp"),
        )
        listed = csv_relation(
            connection,
            [movies],
            {"movieId": "BIGINT", "title": "VARCHAR", "genres": "VARCHAR"},
            quoting=True,
            unique="movieId",
            counted={
                "movies_without_year": f"NOT regexp_matches(title, '{YEAR}')",
                "movies_without_genres": f"genres = '{NO_GENRES}'",
            },
        )
        return SourceTables(
            events='SELECT userId AS "user", movieId AS item, "timestamp" AS "time", '
            "(rating * 2 - 1)::UTINYINT AS action, 0::UTINYINT AS scenario, row "
            f"FROM ({rated})",
            behaviours=("like",),
            action_labels=tuple((int(halves >= 8),) for halves in range(1, HALF_STARS + 1)),
            scenarios=("all",),
            items=f"SELECT movieId AS item, nullif(genres, '{NO_GENRES}') AS genres, "
            f"TRY_CAST(regexp_extract(title, '{YEAR}', 1) AS BIGINT) // 10 * 10 AS decade "
            f"FROM ({listed})",
            facts={"rows": rated.rows, **listed.counts, "removed": {}},
        )


@register(DATASETS, "movielens-20m")
@dataclass(frozen=True, kw_only=True)
class MovieLens20MConfig(MovieLensLargeConfig):
    """Requests are at most 16 consecutive ratings of a user; a rating of 4 or more is a `like`."""

    homepage = "https://grouplens.org/datasets/movielens/20m"


@register(DATASETS, "movielens-32m")
@dataclass(frozen=True, kw_only=True)
class MovieLens32MConfig(MovieLensLargeConfig):
    """Requests are at most 16 consecutive ratings of a user; a rating of 4 or more is a `like`."""

    homepage = "https://grouplens.org/datasets/movielens/32m"
