"""Damaged Parquet tables: an error that names the file, or every row of it."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from scaling.datasets.conversion_engine import explained
from scaling.datasets.table import TableConfig

ROWS = 60
GB = 10**9
TYPES = (
    pa.string(), pa.int8(), pa.int64(), pa.uint64(), pa.float64(), pa.bool_(), pa.binary(),
    pa.timestamp("ms"), pa.date32(), pa.null(), pa.list_(pa.int64()), pa.decimal128(20, 2),
)  # fmt: skip
OPTIONS: tuple[dict[str, Any], ...] = (
    {"action": "action", "scenario": "place"},
    {"behaviours": ("clicked", "kept")},
    {"rating": "stars", "threshold": 3.0},
)

Damage = Callable[[random.Random, pa.Table], bytes]


def table(rng: random.Random) -> pa.Table:
    """A log with a column for every use."""
    return pa.table(
        {
            "user_id": pa.array([rng.randrange(9) for _ in range(ROWS)], pa.int64()),
            "item_id": [f"i{rng.randrange(20)}" for _ in range(ROWS)],
            "timestamp": [1_700_000_000 + rng.randrange(10**6) for _ in range(ROWS)],
            "action": [rng.choice(("view", "buy")) for _ in range(ROWS)],
            "place": [rng.choice(("home", "search")) for _ in range(ROWS)],
            "clicked": pa.array([rng.randrange(2) for _ in range(ROWS)], pa.int8()),
            "kept": [rng.random() < 0.5 for _ in range(ROWS)],
            "stars": [rng.choice((1.0, 2.5, 5.0)) for _ in range(ROWS)],
        }
    )


def stored(rng: random.Random, whole: pa.Table) -> bytes:
    file = io.BytesIO()
    kind = rng.choice(("NONE", "SNAPPY", "ZSTD"))
    pa_parquet.write_table(whole, file, row_group_size=25, compression=kind)
    return file.getvalue()


def cut(rng: random.Random, whole: pa.Table) -> bytes:
    content = stored(rng, whole)
    return content[: rng.randrange(len(content))]


def flipped(rng: random.Random, whole: pa.Table) -> bytes:
    content = bytearray(stored(rng, whole))
    for _ in range(rng.randint(1, 4)):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def hole(rng: random.Random, whole: pa.Table) -> bytes:
    content = stored(rng, whole)
    start = rng.randrange(len(content))
    return content[:start] + content[start + rng.randint(1, 40) :]


def changed(rng: random.Random, whole: pa.Table, values: Callable[[list[Any]], pa.Array]) -> bytes:
    place = rng.randrange(whole.num_columns)
    column = values(whole.column(place).to_pylist())
    return stored(rng, whole.set_column(place, whole.column_names[place], column))


def other_type(rng: random.Random, whole: pa.Table) -> bytes:
    kind = rng.choice(TYPES)

    def empty_where_impossible(values: list[Any]) -> pa.Array:
        try:
            return pa.array(values, kind)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return pa.nulls(len(values), kind)

    return changed(rng, whole, empty_where_impossible)


def missing_values(rng: random.Random, whole: pa.Table) -> bytes:
    row = rng.randrange(ROWS)
    return changed(rng, whole, lambda values: pa.array([*values[:row], None, *values[row + 1 :]]))


def impossible_values(rng: random.Random, whole: pa.Table) -> bytes:
    row, chosen = rng.randrange(ROWS), {
        int: (-(2**63), -1, 2, 2**63 - 1, 253402300800),
        float: (float("nan"), float("inf"), -1e300),
        str: ("", "\0", "é", "x" * 5000),
        bool: (True, False),
    }  # fmt: skip

    def replaced(values: list[Any]) -> pa.Array:
        values[row] = rng.choice(chosen[type(values[row])])
        return pa.array(values)

    return changed(rng, whole, replaced)


def other_columns(rng: random.Random, whole: pa.Table) -> bytes:
    names = list(whole.column_names)
    if rng.random() < 0.5:
        return stored(rng, whole.drop_columns([rng.choice(names)]))
    rng.shuffle(names)
    return stored(rng, whole.rename_columns(names))


def nothing(rng: random.Random, whole: pa.Table) -> bytes:
    return rng.choice((b"", b"PAR1", b"PAR1PAR1", stored(rng, whole.slice(0, 0))))


DAMAGES: tuple[Damage, ...] = (
    cut, flipped, flipped, flipped, hole, other_type, missing_values, impossible_values,
    other_columns, nothing,
)  # fmt: skip


def rows_read(connection: duckdb.DuckDBPyConnection, config: TableConfig, path: Path) -> int:
    """The events that a conversion is given; their columns are read."""
    with explained(path, str(path), GB):
        tables = config.tables(connection, path)
        found = connection.execute(
            'SELECT count(*), count(DISTINCT "row"), count("user"), count(item), count("time"), '
            f"count_if(action < {len(tables.action_labels)}), "
            f"count_if(scenario < {len(tables.scenarios)}) FROM ({tables.events})"
        ).fetchone()
    assert found is not None
    assert len(set(found)) == 1, found
    return int(found[0])


def check(connection: duckdb.DuckDBPyConnection, seed: int, path: Path) -> bool:
    """Whether a damaged file is read; it must be right either way."""
    rng = random.Random(seed)
    path.write_bytes(rng.choice(DAMAGES)(rng, table(rng)))
    config = TableConfig(path=str(path), time_unit="s", **rng.choice(OPTIONS))
    try:
        rows = rows_read(connection, config, path)
    except ValueError as error:
        message = str(error)
        assert str(path) in message, message
        return False
    assert rows == pa_parquet.read_metadata(path).num_rows
    return True


def fuzz(count: int, path: Path) -> int:
    """How many of the damaged files are read: some damage does no harm."""
    accepted = 0
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for seed in range(count):
            try:
                accepted += check(connection, seed, path)
            except BaseException as error:
                error.add_note(f"seed {seed}")
                raise
    return accepted


def test_damaged_parquet_is_refused_or_read_whole(tmp_path: Path) -> None:
    assert 0 < fuzz(40, tmp_path / "table.parquet") < 40


@pytest.mark.slow
def test_a_thousand_damaged_parquet_files(tmp_path: Path) -> None:
    assert 0 < fuzz(1000, tmp_path / "table.parquet") < 1000
