"""MovieLens 100K, 20M and 32M: events and attributes by hand, and how 100K is fetched."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path
from typing import Any

import pytest

from scaling.datasets import movielens_100k
from scaling.datasets.movielens_100k import MovieLens100KConfig
from scaling.datasets.store import load_log


def files_of(examples: Any, first: str) -> dict[str, bytes]:
    """The example that holds this file."""
    return next(dict(e.files) for e in examples if first in e.files)


def test_half_stars_are_actions_and_four_are_a_like(prepared: Any) -> None:
    found = prepared("movielens-20m")
    assert found.events == [
        (1, 11, 1112484676, 7, "all"),
        (1, 131262, 1112484676, 0, "all"),
        (1, 1, 1112486027, 6, "all"),
        (2, 1, 974820598, 5, "all"),
        (2, 179, 974820889, 9, "all"),
        (138493, 1, 1253926896, 8, "all"),
    ]
    assert found.log.schema.behaviours == ("like",)
    assert found.log.schema.action_labels == ((0,),) * 7 + ((1,),) * 3
    movies = {i: (row["genres"], row["decade"]) for i, row in found.items.items()}
    assert movies == {
        1: ("Adventure|Animation|Children|Comedy|Fantasy", 1990),
        11: ("Comedy|Drama|Romance", 1990),
        131262: (None, 2010),
        179: ("Musical", None),
    }
    facts = {n: found.facts[n] for n in ("movies_without_year", "movies_without_genres")}
    assert facts == {"movies_without_year": 1, "movies_without_genres": 1}
    assert found.facts["items_listed_without_events"] == 1


def test_a_rated_movie_that_is_not_listed_is_counted(prepared: Any) -> None:
    found = prepared("movielens-32m")
    assert found.facts["items_without_attributes"] == 1
    assert found.items[17]["genres_code"] == found.items[17]["decade_code"] == 0


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "ratings.csv",
            b"3.5",
            b"3.25",
            r"ratings\.csv, line 2, column 'rating': '3.25' is not va",
        ),
        ("ratings.csv", b"4.5", b"0.0", r"ratings\.csv, line 7, column 'rating': '0.0' is not va"),
        ("ratings.csv", b"rating,", b"stars,", r"ratings\.csv has no column 'rating'; it holds us"),
        (
            "movies.csv",
            b"11,",
            b"1,",
            r"movies\.csv, line 3, column 'movieId': '1' is there before",
        ),
    ],
)
def test_a_bad_value_is_named(
    prepared: Any, examples: Any, file: str, old: bytes, new: bytes, message: str
) -> None:
    content = files_of(examples, "ratings.csv")[file]
    assert old in content
    with pytest.raises(ValueError, match=message):
        prepared("movielens-20m", {file: content.replace(old, new, 1)})


def test_the_smallest_set_has_attributes_of_users(prepared: Any) -> None:
    found = prepared("movielens-100k")
    assert found.events == [
        (22, 543, 878887116, 3, "all"),
        (186, 302, 891717742, 3, "all"),
        (196, 267, 881250000, 0, "all"),
        (196, 242, 881250949, 2, "all"),
        (196, 1, 881250949, 4, "all"),
    ]
    assert found.log.schema.action_labels == ((0,), (0,), (0,), (1,), (1,))
    users = {u: (r["gender"], r["age_group"], r["occupation"]) for u, r in found.users.items()}
    assert users == {
        22: ("M", 25, "writer"),
        186: ("F", 35, "executive"),
        196: ("M", 1, "student"),
    }
    movies = {i: (row["genres"], row["decade"]) for i, row in found.items.items()}
    assert movies[1] == ("Animation|Children's|Comedy", 1990)
    assert movies[302] == ("Crime|Film-Noir|Mystery|Thriller", 1990)
    assert movies[267] == (None, None)


def test_both_layouts_of_the_smallest_set_are_one_log(examples: Any, tmp_path: Path) -> None:
    logs = [e.write(tmp_path / str(n)) for n, e in enumerate(examples) if "100k" in e.name]
    prints = {load_log(config.prepare())[0].fingerprint() for config in logs}
    assert len(logs) == 2
    assert len(prints) == 1


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("u.item", b"|1|0|0\n", b"|1|2|0\n", r"u\.item, line 4, column 'War': 2 is not valid"),
        ("u.item", b"302|", b"242|", r"u\.item, line 4, column 'item': 242 is not valid.*each one"),
        ("u.item", b"|0|0|0\n", b"\n", r"u\.item, line 1 is cut off: it holds 21 of 24 columns"),
        ("u.user", b"|F|", b"|X|", r"u\.user, line 2, column 'gender': 'X' is not valid; valid: F"),
        ("u.data", b"\t5\t", b"\t6\t", r"u\.data, line 3, column 'stars': '6' is not valid"),
    ],
)
def test_a_bad_value_of_the_smallest_set_is_named(
    prepared: Any, examples: Any, file: str, old: bytes, new: bytes, message: str
) -> None:
    content = files_of(examples, "u.item")[file]
    assert old in content
    with pytest.raises(ValueError, match=message):
        prepared("movielens-100k", {file: content.replace(old, new, 1)})


def test_what_was_fetched_is_unpacked_and_prepared(
    examples: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path / "cache"))
    zipped = tmp_path / "ml-100k.zip"
    monkeypatch.setattr(movielens_100k, "URL", zipped.as_uri())
    with zipfile.ZipFile(zipped, "w") as archive:
        for name, content in files_of(examples, "u.item").items():
            archive.writestr(f"ml-100k/{name}", content)
    *files, prepared = MovieLens100KConfig().fetch()
    assert [path.name for path in files] == ["u.data", "u.item", "u.user"]
    assert load_log(prepared)[0].num_events == 5
    assert not list(files[0].parent.glob("*.zip"))
    # What is there is not fetched again.
    zipped.unlink()
    assert MovieLens100KConfig().fetch() == [*files, prepared]


def test_a_source_that_fails_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path / "cache"))
    truncated = tmp_path / "ml-100k.zip"
    truncated.write_bytes(b"PK\x03\x04 and no more")
    monkeypatch.setattr(movielens_100k, "URL", truncated.as_uri())
    monkeypatch.setattr(movielens_100k, "WHEEL", "recbole==0.no")
    with caplog.at_level(logging.CRITICAL), pytest.raises(ValueError, match="With a browser") as e:
        MovieLens100KConfig().fetch()
    assert "is no whole zip of u.data" in str(e.value)
    assert "pip can't download recbole==0.no" in str(e.value)
    assert not list((tmp_path / "cache").rglob("*.*"))


@pytest.mark.network
def test_the_real_ratings_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path))
    config = MovieLens100KConfig(split="per_user")
    config.fetch()
    found = config.open().describe()
    assert (found["events"], found["users"], found["items"]) == (100_000, 943, 1_682)
