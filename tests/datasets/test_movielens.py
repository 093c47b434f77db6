"""MovieLens-1M reads the same from either source, and nothing else passes for it."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaling.batch import View
from scaling.datasets.catalogue import fetch, prepare
from scaling.datasets.movielens import CHECKSUMS, MovieLensConfig, build_movielens, source_files
from scaling.datasets.movielens_files import RECBOLE_FOLDER, MovieLens, read_movielens

MOVIES = [
    (7, "Toy Story (1995)", ["Animation", "Children's", "Comedy"]),
    (2, "Misérables, Les (1995)", ["Drama", "Musical"]),
    (5, "Misérables, Les (1998)", ["Drama"]),
    (9, "Psycho (1960)", ["Horror", "Thriller"]),
    (11, "Never Rated (2000)", ["Drama"]),
]
USERS = [(1, "F", 1, 10, "48067"), (2, "M", 56, 16, "70072-12"), (10, "M", 25, 0, "02460")]
RATINGS = [
    (10, 7, 5, 300),
    (1, 5, 4, 200),
    (1, 9, 3, 100),
    (1, 2, 5, 200),
    (2, 7, 1, 100),
    (1, 7, 2, 200),
]


def grouplens(path: Path, **changes: str) -> Path:
    """GroupLens' layout: `::`, Latin-1, items by number."""
    members = {
        "ratings": "".join(f"{u}::{i}::{s}::{t}\n" for u, i, s, t in RATINGS),
        "movies": "".join(f"{i}::{title}::{'|'.join(genres)}\n" for i, title, genres in MOVIES),
        "users": "".join("::".join(map(str, user)) + "\n" for user in USERS),
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (members | changes).items():
            archive.writestr(f"ml-1m/{name}.dat", text.encode("latin-1"))
    return path


def recbole(path: Path) -> Path:
    """The wheel's layout: tabs, UTF-8, items by title; rows in another order."""
    titles = {number: title for number, title, _ in MOVIES}
    tables: dict[str, list[list[Any]]] = {
        "inter": [
            ["user_id:token", "item_id:token", "rating:float", "timestamp:float"],
            *([f"1m_{u}", titles[i], s, t] for u, i, s, t in RATINGS[::-1]),
        ],
        "item": [
            ["item_id:token", "movie_title:token", "release_year:float", "genre:token"],
            *([title, title[:-7], title[-5:-1], " ".join(g)] for _, title, g in MOVIES[::-1]),
        ],
        "user": [
            ["user_id:token", "age:float", "gender:token", "occupation:float", "zip_code:token"],
            *([f"1m_{u}", age, gender, job, code] for u, gender, age, job, code in USERS[::-1]),
        ],
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, rows in tables.items():
            text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
            archive.writestr(f"{RECBOLE_FOLDER}/ml-1m.{name}", text.encode())
    return path


def test_both_layouts_hold_the_same_content(tmp_path: Path) -> None:
    a = read_movielens(grouplens(tmp_path / "a"))
    b = read_movielens(recbole(tmp_path / "b"))
    assert a.checksums() == b.checksums()
    assert build_movielens(a).fingerprint() == build_movielens(b).fingerprint()


def test_events_stand_by_user_time_and_title(tmp_path: Path) -> None:
    content = read_movielens(grouplens(tmp_path / "a"))
    titles = [content.titles[movie] for movie in content.movies]
    assert titles == [
        "Psycho (1960)",
        "Misérables, Les (1995)",
        "Misérables, Les (1998)",
        "Toy Story (1995)",
        "Toy Story (1995)",
        "Toy Story (1995)",
    ]
    log = build_movielens(content)
    assert log.items.tolist() == content.movies.tolist()
    assert log.users().tolist() == [0, 0, 0, 0, 1, 2]
    assert log.actions.tolist() == [2, 4, 3, 1, 0, 4]
    assert log.schema.action_labels == ((0,), (0,), (0,), (1,), (1,))
    assert log.user_attributes.tolist() == [[0, 0, 10], [1, 6, 16], [1, 2, 0]]
    assert log.schema.num_items == 4
    decade = log.schema.item_attributes["decade"]
    by_title = dict(zip(content.titles, decade.of_item.tolist()))
    assert by_title["Toy Story (1995)"] - by_title["Psycho (1960)"] == 3
    assert len(np.unique(log.schema.item_attributes["genres"].of_item)) == 4


def test_the_checksum_sees_every_part(tmp_path: Path) -> None:
    content = read_movielens(grouplens(tmp_path / "a"))
    whole = content.checksums()
    changes: list[tuple[str, dict[str, Any]]] = [
        ("ratings", {"stars": content.stars[::-1]}),
        ("ratings", {"times": content.times + 1}),
        ("movies", {"titles": tuple(title.upper() for title in content.titles)}),
        ("movies", {"genres": content.genres[::-1]}),
        ("users", {"genders": ("F", "F", "F")}),
        ("users", {"occupations": content.occupations + 1}),
    ]
    for part, change in changes:
        other = dataclasses.replace(content, **change).checksums()
        assert {name for name in whole if whole[name] != other[name]} == {part}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ratings": "1::7::5\n"}, r"ratings\.dat, line 1 is cut off: it holds 3 of 4"),
        ({"ratings": "1::7::5::1\n1::2::6::1\n"}, r"line 2, column 'rating': 6 is not valid"),
        ({"ratings": "1::7::x::1\n"}, r"line 1, column 'stars': 'x' is not a whole number"),
        ({"ratings": "1::99::5::1\n"}, r"movies\.dat has no movie 99, which is rated"),
        ({"ratings": "77::7::5::1\n"}, r"says nothing about the user 77, which has ratings"),
        ({"movies": "7::A (1990)::Drama\n8::A (1990)::Drama\n"}, r"movie 'A \(1990\)' twice"),
        ({"ratings": ""}, r"ratings\.dat holds no rows"),
    ],
)
def test_bad_files_are_refused_with_their_place(
    tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    if "movies" in changes:
        changes = changes | {"ratings": "1::7::5::1\n"}
    with pytest.raises(ValueError, match=message):
        read_movielens(grouplens(tmp_path / "a", **changes))


def test_truncated_and_foreign_zips_are_refused(tmp_path: Path) -> None:
    whole = grouplens(tmp_path / "a").read_bytes()
    (tmp_path / "half").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"half is no whole zip file .*get it again"):
        read_movielens(tmp_path / "half")
    with zipfile.ZipFile(tmp_path / "other", "w") as archive:
        archive.writestr("readme", "")
    with pytest.raises(ValueError, match="holds neither"):
        read_movielens(tmp_path / "other")
    with zipfile.ZipFile(tmp_path / "lacking", "w") as archive:
        archive.writestr("ml-1m/ratings.dat", "1::7::5::1\n")
    with pytest.raises(ValueError, match=r"lacking holds no ml-1m/movies\.dat"):
        read_movielens(tmp_path / "lacking")


def test_absent_and_other_data_say_how_to_get_the_right_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match="run `climber data fetch movielens-1m`"):
        MovieLensConfig().open()
    zipped = source_files()[0]
    zipped.parent.mkdir(exist_ok=True)
    grouplens(zipped)
    with pytest.raises(ValueError, match="holds other ratings and movies and users than"):
        prepare(MovieLensConfig())


def test_identity_needs_no_data() -> None:
    configs = [
        MovieLensConfig(),
        MovieLensConfig(split="per_user"),
        MovieLensConfig(max_candidates=8),
    ]
    assert len({config.fingerprint() for config in configs}) == 3
    assert MovieLensConfig.from_dict(configs[1].to_dict()) == configs[1]


@pytest.mark.network
def test_the_real_ratings_are_fetched_and_all_there(tmp_path: Path) -> None:
    paths = fetch("movielens-1m")
    assert all(path.exists() for path in paths)
    source = next(path for path in source_files() if path.exists())
    content = read_movielens(source)
    assert content.checksums() == CHECKSUMS
    assert (len(content.stars), len(content.user_ids), len(content.titles)) == (
        1_000_209,
        6_040,
        3_706,
    )
    other = other_layout(content, tmp_path / "other.zip")
    assert read_movielens(other).checksums() == CHECKSUMS
    dataset = MovieLensConfig(split="per_user").open()
    facts = dataset.describe()
    assert (facts["events"], facts["users"], facts["items"]) == (1_000_209, 6_040, 3_706)
    assert facts["events_per_user_median"] == 96
    assert facts["events_per_user_max"] == 2_314
    assert facts["tied_share"] == pytest.approx(0.53, abs=0.005)
    assert (
        sum(dataset.size(split).examples for split in ("train", "validation", "test")) == 1_000_209
    )
    batch = next(dataset.requests("test", (View(strategy="no_like", length=9),), batch_size=4))
    assert set(batch.history[0].actions[batch.history[0].mask].tolist()) <= {0, 1, 2}


def other_layout(content: MovieLens, path: Path) -> Path:
    """The content in GroupLens' layout, with movies numbered and rows ordered at random."""
    rng = np.random.default_rng(0)
    number = rng.permutation(len(content.titles)) + 1
    rows = rng.permutation(len(content.stars))
    columns = (
        content.user_ids[content.users],
        number[content.movies],
        content.stars,
        content.times,
    )
    ratings = zip(*(column[rows].tolist() for column in columns))
    movies = zip(number.tolist(), content.titles, content.genres)
    users = zip(content.user_ids, content.genders, content.ages, content.occupations)
    return grouplens(
        path,
        ratings="".join(f"{u}::{i}::{s}::{t}\n" for u, i, s, t in ratings),
        movies="".join(f"{i}::{title}::{genres}\n" for i, title, genres in movies),
        users="".join(f"{u}::{gender}::{age}::{job}::0\n" for u, gender, age, job in users),
    )
