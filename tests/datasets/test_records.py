"""Logs of single items as records and back: every value, type and null, and the order of the rows."""

from __future__ import annotations

import datetime
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
import pytest

from scaling.datasets import record_files, record_requests
from scaling.datasets.arrow_equal import differ
from scaling.datasets.record_sort import KEY, parted, sorted_rows
from scaling.datasets.records import COUNT, LEAST_MEMORY, PLACES, compress, expand

KEYS = ("user", "request")


def log(rng: np.random.Generator, requests: int = 40, most: int = 9) -> pa.Table:
    """Random rows of every type, requests beside each other."""
    sizes = rng.integers(1, most, requests)
    request = np.repeat(np.arange(requests), sizes)
    n = len(request)

    def holes(values: list[Any], share: float = 0.2) -> list[Any]:
        return [None if rng.random() < share else value for value in values]

    def of_request(values: list[Any]) -> list[Any]:
        return [values[r] for r in request]

    history = [holes(rng.integers(0, 99, rng.integers(0, 12)).tolist()) for _ in range(requests)]
    nested = [
        [{"item": int(i), "tags": holes(["a", "b"])} for i in range(rng.integers(0, 3))]
        for _ in range(requests)
    ]
    moment = datetime.datetime(2024, 5, 31, tzinfo=datetime.UTC)
    return pa.table(
        {
            "item": pa.array(rng.integers(0, 99, n), pa.int32()),
            "user": pa.array([f"u{r // 3}" for r in request], pa.large_string()),
            "request": pa.array(request, pa.uint16()),
            "time": pa.array([moment + datetime.timedelta(seconds=int(r)) for r in request],
                             pa.timestamp("ns", "UTC")),
            "scenario": pa.array(of_request(holes(["home", "search"] * requests)),
                                 pa.dictionary(pa.int8(), pa.string())),
            "history": pa.array(of_request(holes(history)), pa.list_(pa.int64())),
            "events": pa.array(
                of_request(holes(nested)),
                pa.list_(pa.struct({"item": pa.int16(), "tags": pa.list_(pa.string())})),
            ),
            "like": pa.array(holes(rng.integers(0, 2, n).astype(bool).tolist()), pa.bool_()),
            "score": pa.array(
                [[0.0, -0.0, float("nan"), 1.5][i] for i in rng.integers(0, 4, n)], pa.float32()
            ),
            "label": pa.array(holes(["x", "", "zz"] * n)[:n], pa.dictionary(pa.int32(), pa.string())),
            "facets": pa.array(holes([[1], [], [None, 3]] * n)[:n], pa.large_list(pa.int8())),
            "nothing": pa.nulls(n),
        }
    )  # fmt: skip


def assert_same(one: pa.Table, other: pa.Table) -> None:
    """Types, nulls and bits."""
    assert one.schema == other.schema
    assert one.num_rows == other.num_rows
    for name in one.schema.names:
        mine, theirs = (t[name].combine_chunks() for t in (one, other))
        mine, theirs = (a.chunk(0) if isinstance(a, pa.ChunkedArray) else a for a in (mine, theirs))
        assert not differ(mine, theirs).any(), name


def round_trip(table: pa.Table, folder: Path, **options: Any) -> tuple[pa.Table, pa.Table]:
    """The records, and the rows made of them."""
    pa_parquet.write_table(table, folder / "single.parquet", row_group_size=50)
    found = compress(str(folder / "single.parquet"), folder / "records.parquet", KEYS, **options)
    back = expand(str(folder / "records.parquet"), folder / "back.parquet")
    records = pa_parquet.read_table(folder / "records.parquet")
    assert (found.rows, found.records) == (table.num_rows, records.num_rows)
    assert back.rows == found.rows
    assert back.records == found.records
    assert found.bytes_after == (folder / "records.parquet").stat().st_size
    assert sorted(p.name for p in folder.iterdir()) == [
        "back.parquet", "records.parquet", "single.parquet",
    ]  # fmt: skip
    return records, pa_parquet.read_table(folder / "back.parquet")


@pytest.fixture(params=[False, True], ids=["whole batches", "tiny batches"])
def _tiny(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that span many batches, and files that are parted again."""
    if request.param:
        monkeypatch.setattr(record_files, "MOST_ROWS", 3)


@pytest.mark.usefixtures("_tiny")
@pytest.mark.parametrize("shuffled", [False, True], ids=["adjacent", "shuffled"])
@pytest.mark.parametrize("seed", range(4))
def test_expanding_gives_the_log_back(tmp_path: Path, seed: int, shuffled: bool) -> None:
    rng = np.random.default_rng(seed)
    table = log(rng)
    if shuffled:
        table = table.take(pa.array(rng.permutation(table.num_rows)))
    records, back = round_trip(table, tmp_path)
    assert_same(back, table)
    # One record per request, its items in the order of the rows.
    assert records.num_rows == len(set(table["request"].to_pylist()))
    assert (PLACES in records.schema.names) == shuffled
    items = dict(zip(records["request"].to_pylist(), records["item"].to_pylist()))
    for request, found in items.items():
        assert (
            found == table.filter(pa.compute.equal(table["request"], request))["item"].to_pylist()
        )
    assert records["history"].type == pa.list_(pa.int64())
    assert records.schema.field("item").type == pa.list_(pa.int32())
    assert set(records[COUNT].to_pylist()) == set(map(len, items.values()))


def test_declared_columns_are_the_items(tmp_path: Path) -> None:
    table = log(np.random.default_rng(1))
    declared = ["item", "like", "score", "label", "facets", "nothing"]
    records, back = round_trip(table, tmp_path, items=declared)
    assert_same(back, table)
    assert records["nothing"].type == pa.list_(pa.null())


def test_a_column_that_differs_but_is_not_declared_is_named(tmp_path: Path) -> None:
    table = pa.table(
        {"user": [1, 1, 2], "request": [1, 1, 2], "item": [5, 6, 7], "y": [0.0, -0.0, 0]}
    )
    path = tmp_path / "single.parquet"
    pa_parquet.write_table(table, path)
    with pytest.raises(ValueError, match=r"single\.parquet, row 1, column 'y'.*request=1.*--items"):
        compress(str(path), tmp_path / "records.parquet", KEYS, ["item"])
    assert [p.name for p in tmp_path.iterdir()] == ["single.parquet"]
    apart = table.take([0, 2, 1])
    pa_parquet.write_table(apart, path)
    with pytest.raises(ValueError, match=r"row 2, column 'y'"):
        compress(str(path), tmp_path / "records.parquet", KEYS, ["item"])


@pytest.mark.parametrize("rows", [0, 1])
def test_a_log_of_hardly_anything(tmp_path: Path, rows: int) -> None:
    table = log(np.random.default_rng(0)).slice(0, rows)
    _, back = round_trip(table, tmp_path)
    assert_same(back, table)


def test_equal_rows_are_not_lost(tmp_path: Path) -> None:
    table = pa.table({"user": [1, 1, 1], "request": [4, 4, 4], "item": [9, 9, 9]})
    records, back = round_trip(table, tmp_path)
    assert records[COUNT].to_pylist() == [3]
    assert_same(back, table)


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_a_csv_files_columns_stay_text(tmp_path: Path, ending: str) -> None:
    text = 'user,request,item,note\n007,1,"a,b",\n007,1,c,"two\nlines"\n8,2,,x\n'
    path = tmp_path / f"single.{ending}"
    with pa.output_stream(path, compression="detect") as out:
        out.write(text.encode())
    compress(str(path), tmp_path / "records.parquet", KEYS)
    expand(str(tmp_path / "records.parquet"), tmp_path / "back.parquet")
    assert pa_parquet.read_table(tmp_path / "back.parquet").to_pydict() == {
        "user": ["007", "007", "8"], "request": ["1", "1", "2"], "item": ["a,b", "c", ""],
        "note": ["", "two\nlines", "x"],
    }  # fmt: skip


def test_a_uri_is_read(tmp_path: Path) -> None:
    table = log(np.random.default_rng(2))
    pa_parquet.write_table(table, tmp_path / "single.parquet")
    compress((tmp_path / "single.parquet").as_uri(), tmp_path / "records.parquet", KEYS)
    expand((tmp_path / "records.parquet").as_uri(), tmp_path / "back.parquet")
    assert_same(pa_parquet.read_table(tmp_path / "back.parquet"), table)


def broken() -> Iterator[Any]:
    good = {"user": [1, 2], "request": [1, 2], "item": [3, 4]}
    yield {"user": [1], "item": [2]}, "has no column 'request'; it holds user, item"
    yield good | {"request": [1, None]}, "row 1, column 'request' is null"
    yield good | {"request": [1.5, 2.0]}, "column 'request' is of type double, which can't name"
    yield good | {"request": [[1], [2]]}, "column 'request' is of type list"
    yield good | {COUNT: [1, 2]}, "a column can't be called 'climber.rows'"


@pytest.mark.parametrize(("columns", "told"), list(broken()))
def test_what_is_wrong_is_named(tmp_path: Path, columns: dict[str, Any], told: str) -> None:
    path = tmp_path / "single.parquet"
    pa_parquet.write_table(pa.table(columns), path)
    with pytest.raises(ValueError, match=told) as caught:
        compress(str(path), tmp_path / "records.parquet", KEYS)
    assert str(path) in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["single.parquet"]


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    rows = tmp_path / "single.csv"
    rows.write_text("user,request,item\n1,1,2\n1,1\n")
    with pytest.raises(ValueError, match=r"single\.csv is damaged.*Row #3"):
        compress(str(rows), tmp_path / "records.parquet", KEYS)
    whole = tmp_path / "whole.parquet"
    pa_parquet.write_table(log(np.random.default_rng(0)), whole)
    with pytest.raises(ValueError, match="holds no records: `climber data compress`"):
        expand(str(whole), tmp_path / "back.parquet")
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"cut\.parquet is no whole Parquet file"):
        compress(str(cut), tmp_path / "records.parquet", KEYS)
    with pytest.raises(ValueError, match="is what is read"):
        compress(str(whole), whole, KEYS)
    with pytest.raises(ValueError, match=r"is no table; valid: \.parquet, \.csv"):
        compress("single.json", tmp_path / "records.parquet", KEYS)
    with pytest.raises(ValueError, match=r"nowhere\.parquet can't be read"):
        compress(str(tmp_path / "nowhere.parquet"), tmp_path / "records.parquet", KEYS)
    with pytest.raises(ValueError, match="--memory must be at least"):
        compress(str(whole), tmp_path / "records.parquet", KEYS, memory=LEAST_MEMORY - 1)
    assert not (tmp_path / "records.parquet").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from scaling.datasets.records import compress
def tell(stage, share):
    if stage == "write records" and share > 0:
        os.kill(os.getpid(), signal.SIGKILL)
compress(sys.argv[1], Path(sys.argv[2]), ("user", "request"), tell=tell)
"""


def test_killed_in_the_middle_nothing_looks_whole(tmp_path: Path) -> None:
    table = log(np.random.default_rng(3))
    path, target = tmp_path / "single.parquet", tmp_path / "records.parquet"
    pa_parquet.write_table(table, path)
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path), str(target)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not target.exists()
    compress(str(path), target, KEYS)
    expand(str(target), tmp_path / "back.parquet")
    assert_same(pa_parquet.read_table(tmp_path / "back.parquet"), table)


def test_rows_are_sorted_out_of_core_and_stay_in_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    # Few leading bits in common, many in common, and one key alone that is larger than a file may be.
    keys = np.concatenate(
        [rng.integers(0, 2**64, 3000, np.uint64), np.arange(3000, dtype=np.uint64), [5] * 3000]
    ).astype(np.uint64)
    rng.shuffle(keys)
    table = pa.table({KEY: keys, "place": np.arange(len(keys))})
    paths = parted(table.to_batches(max_chunksize=500), tmp_path / "parts", 16_000)
    assert len(paths) > 3
    found = np.concatenate([sorted_rows(path)["place"].to_numpy() for path in paths])
    np.testing.assert_array_equal(found, np.argsort(keys, kind="stable"))


def test_requests_with_equal_hashes_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        record_requests, "hashed", lambda batch, request: np.zeros(len(batch), np.uint64)
    )
    table = log(np.random.default_rng(4)).take(pa.array(np.random.default_rng(5).permutation(100)))
    pa_parquet.write_table(table, tmp_path / "single.parquet")
    compress(str(tmp_path / "single.parquet"), tmp_path / "records.parquet", KEYS)
    expand(str(tmp_path / "records.parquet"), tmp_path / "back.parquet")
    assert_same(pa_parquet.read_table(tmp_path / "back.parquet"), table)


def test_a_csv_file_of_many_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_files, "_CSV_BLOCK", 200)
    table = pa.table({name: list(map(str, range(300))) for name in ("user", "item")})
    table = table.append_column("request", pa.array([str(i // 7) for i in range(300)]))
    table = table.set_column(0, "user", pa.array([str(i // 21) for i in range(300)]))
    pa_csv.write_csv(table, tmp_path / "single.csv")
    found = compress(str(tmp_path / "single.csv"), tmp_path / "records.parquet", KEYS)
    assert (found.rows, found.records, found.items) == (300, 43, ("item",))
    expand(str(tmp_path / "records.parquet"), tmp_path / "back.parquet")
    assert_same(pa_parquet.read_table(tmp_path / "back.parquet"), table)
