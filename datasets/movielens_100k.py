"""MovieLens-100K: a hundred thousand star ratings of 943 users and 1,682 movies (GroupLens, 1998).

Harper and Konstan, The MovieLens Datasets, ACM TiiS 2015. Read are the files of
GroupLens' `ml-100k` or, where they are absent, those of RecBole's example of the same ratings:

* `u.data` (user, item, rating, time; tabs), `u.item` (number, title, dates, address, 19 flags of
  genres; bars, Latin-1) and `u.user` (number, age, gender, occupation, zip code; bars); no headers.
* `ml-100k.inter`, `ml-100k.item`, `ml-100k.user`: tabs, UTF-8, headers with types. The titles stand
  without their year there, which has a column of its own.

As in `scaling.datasets.movielens`, which reads 1M:

* Event: a rating; the action is its number of stars, less one.
* Time: seconds since 1970, UTC: when the rating was entered, not when the movie was seen.
* Behaviour: `like`, four stars or more.
* Scenario: one, `all`.
* Candidate: a rating with its label; there are no impressions (see `scaling.datasets.movielens_large`).
* Attributes of movies: `genres`, all of them as one value, and `decade`, of the year in the title;
  of users: `gender`, `age_group` as in 1M, and `occupation`.
* Ties: ratings of one second stay in the order of the file, which is none.
"""

from __future__ import annotations

import logging
import shutil
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scaling.config import register
from scaling.datasets.base import DATASETS
from scaling.datasets.download import download, download_wheel
from scaling.datasets.movielens import AGE_GROUPS, MovieLensConfig
from scaling.datasets.movielens_100k_files import read_grouplens, read_recbole
from scaling.datasets.source import SourceConfig, SourceTables
from scaling.datasets.store import written_aside

if TYPE_CHECKING:
    import duckdb

logger = logging.getLogger(__name__)

URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
WHEEL = "recbole==1.2.1"

GROUPLENS = ("u.data", "u.item", "u.user")
RECBOLE = ("ml-100k.inter", "ml-100k.item", "ml-100k.user")

RECBOLE_FOLDER = "recbole/dataset_example/ml-100k"


@register(DATASETS, "movielens-100k")
@dataclass(frozen=True, kw_only=True)
class MovieLens100KConfig(SourceConfig):
    """Requests are at most 16 consecutive ratings of a user; a rating of 4 or 5 is a `like`."""

    licence = MovieLensConfig.licence
    homepage = "https://grouplens.org/datasets/movielens/100k"
    downloadable = True

    def files(self, folder: Path) -> list[Path]:
        there = [names for names in (GROUPLENS, RECBOLE) if (folder / names[0]).is_file()]
        names = there[0] if there else GROUPLENS
        for name in names:
            if not (folder / name).is_file():
                raise self.missing(folder, f"{name} (or run `climber data fetch {self.name}`)")
        return [folder / name for name in names]

    def tables(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> SourceTables:
        files = self.files(folder)
        read = read_grouplens if files[0].name == GROUPLENS[0] else read_recbole
        ratings, movies, users = read(connection, *files)
        ages = ", ".join(map(str, AGE_GROUPS))
        return SourceTables(
            events='SELECT "user", item, "time", (stars - 1)::UTINYINT AS action, '
            f"0::UTINYINT AS scenario, row FROM ({ratings})",
            behaviours=("like",),
            action_labels=tuple((int(stars >= 4),) for stars in range(1, 6)),
            scenarios=("all",),
            items="SELECT item, nullif(genres, 'unknown') AS genres, year // 10 * 10 AS decade "
            f"FROM ({movies})",
            users='SELECT "user", gender, list_max(list_filter([' + ages + "], lambda first: "
            f"first <= greatest(age, 1))) AS age_group, occupation FROM ({users})",
            facts={"rows": ratings.rows, "removed": {}},
        )

    def fetch(self) -> list[Path]:
        """The files: those that are there, else out of GroupLens' zip, else out of the wheel."""
        folder = self.folder()
        try:
            files = self.files(folder)
        except ValueError:
            files = _fetched(self.name, folder)
        return [*files, self.prepare()]


def _fetched(name: str, folder: Path) -> list[Path]:
    ways: tuple[tuple[Callable[[str, Path], Path], str, str, tuple[str, ...]], ...] = (
        (download, URL, "ml-100k", GROUPLENS),
        (download_wheel, WHEEL, RECBOLE_FOLDER, RECBOLE),
    )
    reasons = []
    for get, source, inside, names in ways:
        archive = folder / "archive.zip"
        try:
            return _unpacked(get(source, archive), inside, names)
        except ValueError as error:
            logger.warning("%s", error)
            reasons.append(str(error))
        finally:
            archive.unlink(missing_ok=True)
    raise ValueError(
        f"{name} could not be fetched. {'. '.join(reasons)}. With a browser, get {URL} and unpack "
        f"{', '.join(GROUPLENS)} into {folder}"
    )


def _unpacked(archive: Path, inside: str, names: tuple[str, ...]) -> list[Path]:
    """Members of a zip, written beside it; the one that tells the layout comes last."""
    paths = [archive.parent / name for name in names]
    try:
        with zipfile.ZipFile(archive) as whole:
            for path in reversed(paths):
                with (
                    whole.open(f"{inside}/{path.name}") as member,
                    written_aside(path) as aside,
                    aside.open("wb") as file,
                ):
                    shutil.copyfileobj(member, file)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
        raise ValueError(f"{archive} is no whole zip of {names[0]} ({error})") from error
    return paths
