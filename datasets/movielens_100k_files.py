"""MovieLens-100K's files in their two layouts, as relations of the same columns.

Each reader gives the ratings (`user`, `item`, `stars`, `time`, `row`), the movies (`item`, `genres`
joined by bars, `year`) and the users (`user`, `age`, `gender`, `occupation`), checked.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from scaling.datasets.sql import name_of
from scaling.datasets.tables import Kind, check_values, read_table
from scaling.datasets.text_files import Relation, csv_relation
from scaling.datasets.text_values import Valid, not_negative, seconds

if TYPE_CHECKING:
    import duckdb

GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip
"""In the order of the flags of `u.item`."""

MOVIES = "movielens_100k_movies"

Read = tuple[Relation, str, str]


def read_grouplens(
    connection: duckdb.DuckDBPyConnection, data: Path, item: Path, user: Path
) -> Read:
    """`u.data`, `u.item` and `u.user`; `ValueError` names file, line and column of what is wrong."""
    ratings = csv_relation(
        connection,
        [data],
        dict.fromkeys(("user", "item", "stars", "time"), "BIGINT"),
        separator="\t",
        header=("user", "item", "stars", "time"),
        valid=not_negative("user", "item") | _stars("stars") | seconds("time"),
    )
    columns = {"user": "BIGINT", "age": "BIGINT", "gender": "VARCHAR", "occupation": "VARCHAR"}
    users = csv_relation(
        connection,
        [user],
        columns,
        separator="|",
        header=(*columns, "zip"),
        valid=not_negative("age") | _gender("gender"),
        unique="user",
    )
    # Registered rather than read by the engine, which takes UTF-8 alone; it is small.
    connection.register(MOVIES, _movies(item))
    return ratings, f"FROM {MOVIES}", str(users)


def read_recbole(
    connection: duckdb.DuckDBPyConnection, inter: Path, item: Path, user: Path
) -> Read:
    """The `.inter`, `.item` and `.user` file; `ValueError` as above."""
    names = {
        "user_id:token": ("user", "BIGINT"),
        "item_id:token": ("item", "BIGINT"),
        "rating:float": ("stars", "BIGINT"),
        "timestamp:float": ("time", "BIGINT"),
    }
    ratings = csv_relation(
        connection,
        [inter],
        {name: kind for name, (_, kind) in names.items()},
        separator="\t",
        valid=not_negative("user_id:token", "item_id:token")
        | _stars("rating:float")
        | seconds("timestamp:float"),
    )
    renamed = ", ".join(f"{name_of(name)} AS {name_of(new)}" for name, (new, _) in names.items())
    movies = csv_relation(
        connection,
        [item],
        {"item_id:token": "BIGINT", "release_year:token": "VARCHAR", "class:token_seq": "VARCHAR"},
        separator="\t",
        unique="item_id:token",
    )
    users = csv_relation(
        connection,
        [user],
        {
            "user_id:token": "BIGINT",
            "age:token": "BIGINT",
            "gender:token": "VARCHAR",
            "occupation:token": "VARCHAR",
        },
        separator="\t",
        valid=not_negative("age:token") | _gender("gender:token"),
        unique="user_id:token",
    )
    return (
        Relation(f"SELECT {renamed}, row FROM ({ratings})", ratings.rows, {}),
        "SELECT \"item_id:token\" AS item, replace(\"class:token_seq\", ' ', '|') AS genres, "
        f'TRY_CAST("release_year:token" AS BIGINT) AS year FROM ({movies})',
        'SELECT "user_id:token" AS "user", "age:token" AS age, "gender:token" AS gender, '
        f'"occupation:token" AS occupation FROM ({users})',
    )


def _movies(path: Path) -> pa.Table:
    """`item`, `genres`, `year` of `u.item`."""
    kinds: dict[str, Kind] = {"item": "int", "title": "str", "released": "str", "on video": "str"}
    kinds |= {"address": "str", **dict.fromkeys(GENRES, "int")}
    text = path.read_bytes().decode("latin-1").encode()
    table = read_table(text, str(path), kinds, separator="|", names=list(kinds))
    first = np.zeros(len(table["item"]), bool)
    first[np.unique(table["item"], return_index=True)[1]] = True
    check_values(str(path), "item", table["item"], first, "each one once", first_line=1)
    for genre in GENRES:
        flags = table[genre]
        check_values(str(path), genre, flags, (flags == 0) | (flags == 1), "0, 1", first_line=1)
    genres = ["|".join(genre for genre in GENRES if table[genre][row]) for row in range(len(first))]
    years = [re.search(r"\((\d{4})\)\s*$", title, re.ASCII) for title in table["title"]]
    return pa.table(
        {
            "item": pa.array(table["item"], pa.int64()),
            "genres": pa.array([text or None for text in genres], pa.string()),
            "year": pa.array([int(found[1]) if found else None for found in years], pa.int64()),
        }
    )


def _stars(column: str) -> Valid:
    return {column: (f"{name_of(column)} BETWEEN 1 AND 5", "1 .. 5")}


def _gender(column: str) -> Valid:
    return {column: (f"{name_of(column)} IN ('F', 'M')", "F, M")}
