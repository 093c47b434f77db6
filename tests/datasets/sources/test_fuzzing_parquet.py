"""Damaged Parquet: each ends in an error that names the file, or in all of its rows."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from scaling.datasets.table import TableConfig

ROWS = 40
OPTIONS: tuple[dict[str, Any], ...] = (
    {"action": "event", "time_unit": "s"},
    {"rating": "stars", "threshold": 4.0, "time_unit": "s"},
)

WRONG: dict[str, tuple[Any, ...]] = {
    "user_id": (None, -1, 2**63 - 1),
    "item_id": (None, 0, -(2**63)),
    "timestamp": (None, -5, 0, 2**62, 253_402_300_800),
    "event": (None, "", "\u202e", "x" * 5000),
    "stars": (None, float("nan"), float("inf"), -1e308),
}
OTHER_TYPES = (pa.float32(), pa.string(), pa.bool_(), pa.int8(), pa.date32(), pa.uint64())


def columns(rng: random.Random) -> dict[str, list[Any]]:
    return {
        "user_id": [rng.randrange(5) for _ in range(ROWS)],
        "item_id": [rng.randrange(9) for _ in range(ROWS)],
        "timestamp": [1_700_000_000 + 60 * row for row in range(ROWS)],
        "event": [rng.choice(("view", "buy")) for _ in range(ROWS)],
        "stars": [float(rng.randrange(1, 6)) for _ in range(ROWS)],
    }


def damaged(rng: random.Random, path: Path) -> tuple[int, str]:
    """Writes a file with one thing wrong with it; its rows, and what it was."""
    held = columns(rng)
    kind = rng.choice(("value", "type", "absent", "empty", "cut", "flipped", "flipped", "hole"))
    column = rng.choice(sorted(held))
    if kind == "value":
        held[column][rng.randrange(ROWS)] = rng.choice(WRONG[column])
    if kind == "absent":
        del held[column]
    table = pa.table(
        {name: values[: 0 if kind == "empty" else ROWS] for name, values in held.items()}
    )
    if kind == "type":
        place = table.column_names.index(column)
        try:
            changed = table[column].cast(rng.choice(OTHER_TYPES))
        except pa.ArrowException:
            changed = pa.nulls(ROWS)
        table = table.set_column(place, column, changed)
    options: dict[str, Any] = {"row_group_size": rng.choice((7, ROWS))}
    options["compression"] = rng.choice(("none", "snappy", "zstd"))
    options["write_page_checksum"] = rng.random() < 0.5
    pa_parquet.write_table(table, path, **options)
    whole = bytearray(path.read_bytes())
    if kind == "cut":
        del whole[rng.randrange(len(whole)) :]
    if kind == "hole":
        start = rng.randrange(len(whole))
        del whole[start : start + rng.randint(1, 30)]
    if kind == "flipped":
        for _ in range(rng.randint(1, 3)):
            whole[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
    path.write_bytes(whole)
    return len(table), kind


def check(connection: Any, seed: int, folder: Path) -> bool:
    """Whether the file was accepted; it must be right either way."""
    path = folder / "events.parquet"
    rows, kind = damaged(random.Random(seed), path)
    try:
        tables = TableConfig(path=str(path), **OPTIONS[seed % 2]).tables(connection, folder)
        read, distinct, wrong = connection.execute(
            'SELECT count(*), count(DISTINCT row), count_if("user" IS NULL OR item IS NULL OR '
            f"action >= {len(tables.action_labels)}) FROM ({tables.events})"
        ).fetchone()
    except (ValueError, duckdb.Error) as error:
        message, told = str(error), isinstance(error, ValueError)
        # What DuckDB finds while it converts is told with the file by `conversion.convert`.
        assert told or kind in ("flipped", "hole"), message
        assert not told or str(folder) in message, message
        assert kind != "value" or re.search(r"row \d+, column", message), message
        return False
    assert not wrong
    assert read == distinct
    # A flipped bit of the file's own description can hide rows that nothing else knows of.
    assert read == rows or kind in ("flipped", "hole")
    return True


def fuzz(count: int, folder: Path) -> int:
    accepted = 0
    with duckdb.connect(config={"threads": 1}) as connection:
        for seed in range(count):
            try:
                accepted += check(connection, seed, folder)
            except BaseException as error:
                error.add_note(f"seed {seed}")
                raise
    return accepted


def test_damaged_files_are_refused_or_read_whole(tmp_path: Path) -> None:
    assert 0 < fuzz(60, tmp_path) < 60


@pytest.mark.slow
def test_a_thousand_damaged_files(tmp_path: Path) -> None:
    assert 0 < fuzz(1000, tmp_path) < 1000
