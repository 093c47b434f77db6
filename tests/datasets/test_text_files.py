"""Text files become checked relations: whole and in order, or refused by file, line and column."""

from __future__ import annotations

import gzip
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from scaling.datasets import text_scan
from scaling.datasets.text_files import csv_relation, json_relation

COLUMNS = {"b": "VARCHAR", "a": "BIGINT"}
BOM = b"\xef\xbb\xbf"


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 2})


@pytest.fixture
def written(tmp_path: Path) -> Any:
    def write(*contents: bytes, suffix: str = ".csv") -> list[Path]:
        paths = [tmp_path / f"f{place}{suffix}" for place in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        return paths

    return write


def rows(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], **options: Any) -> list[Any]:
    sql = csv_relation(connection, paths, options.pop("columns", COLUMNS), **options)
    return connection.execute(f"SELECT * FROM ({sql}) ORDER BY row").fetchall()


def test_wanted_columns_are_read_in_order_over_all_files(connection: Any, written: Any) -> None:
    paths = written(b"a,c,b\n1,?,x\n\n-2,?,y z", BOM + b"a,c,b\r\n3,,NULL\r\n")
    assert rows(connection, paths) == [("x", 1, 0), ("y z", -2, 1), ("NULL", 3, 2)]


def test_a_headerless_file_has_the_names_it_is_given(connection: Any, written: Any) -> None:
    paths = written(b'7\t"\n8\t\xc3\xa9\n')
    found = rows(connection, paths, header=["a", "b"], separator="\t")
    assert found == [('"', 7, 0), ("é", 8, 1)]


def test_quoted_values_hold_separators_quotes_and_line_ends(connection: Any, written: Any) -> None:
    paths = written(b'a,b\n1,"x, ""y""\r\n\nz"\n"2",w\n')
    assert rows(connection, paths, quoting=True) == [('x, "y"\r\n\nz', 1, 0), ("w", 2, 1)]


def test_plain_and_gzip_files_keep_the_order_given(connection: Any, written: Any) -> None:
    first, last = written(b"a,b\n1,x\n", b"a,b\n4,u\n")
    (packed,) = written(gzip.compress(b"a,b\n2,y\n") + gzip.compress(b"3,z\n"), suffix=".csv.gz")
    assert [a for _, a, _ in rows(connection, [last, packed, first])] == [4, 2, 3, 1]


def test_a_name_with_glob_characters_names_one_file(connection: Any, tmp_path: Path) -> None:
    for name, number in (("f1.csv", b"1"), ("f[1].csv", b"2"), ("it's *?.csv", b"3")):
        (tmp_path / name).write_bytes(b"a,b\n" + number + b",x\n")
    paths = [tmp_path / "f[1].csv", tmp_path / "it's *?.csv"]
    assert [a for _, a, _ in rows(connection, paths)] == [2, 3]


def test_folders_named_as_columns_are_only_folders(connection: Any, tmp_path: Path) -> None:
    folder = tmp_path / "c0=8" / "a=9"
    folder.mkdir(parents=True)
    (folder / "f.csv").write_bytes(b"a,b\n1,x\n")
    assert [a for _, a, _ in rows(connection, [folder / "f.csv"])] == [1]


def test_types_and_optional_values(connection: Any, written: Any) -> None:
    paths = written(b"a,b,c,d\n9223372036854775807,-1.5e3,True,\n-9223372036854775808,,,x\n")
    columns = {"a": "BIGINT", "b": "DOUBLE", "c": "BOOLEAN", "d": "VARCHAR"}
    found = rows(connection, paths, columns=columns, optional=("b", "c", "d"))
    assert found == [(2**63 - 1, -1500.0, True, None, 0), (-(2**63), None, None, "x", 1)]


def test_many_rows_keep_their_order_on_several_threads(written: Any) -> None:
    count = 500_000
    content = b"a,b\n" + b"".join(b"%d,%064d\n" % (i, i % 7) for i in range(count))
    connection = duckdb.connect(config={"threads": 4, "preserve_insertion_order": False})
    table = csv_relation(
        connection, written(content, content), {"a": "BIGINT"}, counted={"odd": "a % 2 = 1"}
    )
    assert (table.rows, table.counts) == (2 * count, {"odd": count})
    connection.execute(f"CREATE TABLE found AS {table}")
    wrong = f"SELECT count(*), count_if(a <> row % {count}), count(DISTINCT row) FROM found"
    assert connection.execute(wrong).fetchone() == (2 * count, 0, 2 * count)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "f0.csv has no column 'b'; it holds nothing"),
        (b"a,c\n1,x\n", "f0.csv has no column 'b'; it holds a, c"),
        (b"a,b,a\n1,x,2\n", "f0.csv, line 1 names the column 'a' twice"),
        (b"a,b\n", "f0.csv holds no rows; it may be truncated"),
        (b"a,b\n\n1,x\n3", "f0.csv, line 4 is cut off: it holds 1 of 2 columns"),
        (b"a,b\n1,x,2\n", "f0.csv, line 2 is too long: it holds 3 of 2 columns"),
        (b"a,b\n1,x\n\n2.5,y\n", "f0.csv, line 4, column 'a': '2.5' is not a whole number"),
        (b"a,b\n0x1f,x\n", "line 2, column 'a': '0x1f' is not a whole number"),
        (b"a,b\n,x\n", "f0.csv, line 2, column 'a': is missing"),
        (b"a,b\n1,\n", "f0.csv, line 2, column 'b': is missing"),
        (b"a,b\n99999999999999999999,x\n", "line 2, column 'a': '9+' is not"),
        (b"a,b\n1,x\n2,\xff\n", "f0.csv, line 3: byte 0xff is not UTF-8"),
        (b"a,b\n1,x\n2,\xc3", "f0.csv, line 3: ends in the middle of a character"),
        (b"a,b\n1,x\0\n", "f0.csv, line 2: holds a NUL byte"),
        (b"a,b\n1,x\r\n2,y\n", "f0.csv, line 2: ends in CR LF, the lines before in LF"),
        (b"a,b\r\n1,x\r\n2,y\n", "f0.csv, line 3: ends in LF, the lines before in CR LF"),
        (b"a,b\r1,x\r", "f0.csv, line 1: holds a carriage return"),
        (b"a,b\n1,x\ry\n", "f0.csv, line 2: holds a carriage return"),
        (b"a,b\n1,x\r", "f0.csv, line 2: holds a carriage return"),
        (b"a,b\n1," + b"x" * 2_100_000 + b"\n", "line 2 is longer than 2,000,000 bytes"),
    ],
)
def test_what_is_wrong_is_named(
    connection: Any, written: Any, content: bytes, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        rows(connection, written(content))
    if message.startswith("f0.csv, line"):
        # In the second of two files, too.
        with pytest.raises(ValueError, match=message.replace("f0", "f1")):
            rows(connection, written(b"a,b\n1,x\n2,y\n", content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'a,b\n1,x\n2,"y\n3,z\n', "line 3: a quote is opened and never closed"),
        (b'a,b\n1,x\n2,"y"z\n3,w\n', "line 3"),
        (b'a,b\n1,x"y\n2,z"w\n', "line 2, column 'b': 'x\"y' holds a quote"),
        (b'a,b\n1,"x\ny"\n2,z,3\n', "line 4 is too long"),
        (b'a,b\n1,"x\ny"\n"",z\n', "line 4, column 'a': is missing"),
        (b"a,b\n1,x\r\n2,y\n", "line 2: ends in CR LF"),
        (b'a,b\n1,"x\r\n"\n2,y\r\n', "line 4: ends in CR LF"),
        (b'a,b\n1,"x"\r2,y\n', "line 2: holds a carriage return"),
    ],
)
def test_quoted_files_are_diagnosed(
    connection: Any, written: Any, content: bytes, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        rows(connection, written(content), quoting=True)


def test_a_condition_names_the_first_row_that_breaks_it(connection: Any, written: Any) -> None:
    valid = {"b": ("b IN ('x', 'y')", "x, y")}
    paths = written(b"a,b\n1,x\n2,y\n", b"a,b\n1,x\n2,w\n3,v\n")
    with pytest.raises(
        ValueError, match=r"f1.csv, line 3, column 'b': 'w' is not valid; valid: x, y"
    ):
        rows(connection, paths, valid=valid)
    assert len(rows(connection, paths[:1], valid=valid)) == 2


def test_a_column_of_keys_holds_each_once(connection: Any, written: Any) -> None:
    paths = written(b"a,b\n1,x\n2,y\n", b"a,b\n3,y\n1,z\n")
    with pytest.raises(ValueError, match=r"f1\.csv, line 3, column 'a': '1' is there before"):
        rows(connection, paths, unique="a")
    assert len(rows(connection, paths[:1], unique="a")) == 2


def test_headers_must_agree(connection: Any, written: Any) -> None:
    with pytest.raises(ValueError, match=r"f1.csv holds the columns b, a; .*f0.csv holds a, b"):
        rows(connection, written(b"a,b\n1,x\n", b"b,a\nx,1\n"))


@pytest.mark.parametrize("quoting", [False, True])
def test_a_file_scans_alike_in_chunks_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quoting: bool
) -> None:
    path, rng = tmp_path / "f.csv", random.Random(0)
    parts = (b"a", b",", b"\n", b'"', b'""', "\u00e9".encode())
    faults = (b"", b"\r", b"\r\n", b"\xff", b"\xc3", b"\0")

    def found(chunk: int) -> Any:
        monkeypatch.setattr(text_scan, "CHUNK", chunk)
        try:
            return text_scan.scan(path, quoting=quoting)
        except ValueError as error:
            return str(error)

    kinds = set()
    for _ in range(300):
        text = rng.choices(parts, (30, 10, 15, 3, 3, 5), k=25)
        text.insert(rng.randrange(25), rng.choice(faults))
        path.write_bytes(BOM * rng.randint(0, 1) + b"".join(text))
        whole = found(2**22)
        kinds.add(whole.split(":")[1][:12] if isinstance(whole, str) else "whole")
        for chunk in (4, 5, 9, 16):
            assert found(chunk) == whole, path.read_bytes()
    assert len(kinds) >= 5


def test_absent_and_damaged_files_are_refused(connection: Any, tmp_path: Path) -> None:
    whole = gzip.compress(b"a,b\n" + b"1,x\n" * 1000)
    for name, content, message in (
        ("cut.csv.gz", whole[:-9], "cut.csv.gz is cut off"),
        ("other.csv.gz", b"a,b\n1,x\n", "other.csv.gz is no whole gzip file"),
        ("bits.csv.gz", whole[:30] + b"\xff" + whole[31:], "bits.csv.gz is no whole gzip file"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            rows(connection, [tmp_path / name])
    with pytest.raises(ValueError, match=r"none\.csv can't be read: No such file"):
        rows(connection, [tmp_path / "none.csv"])


JSON = b"""\
{"a": 1, "b": "x", "n": {"a": 2}}

{"b": "\\u00e9,\\"", "a": -2, "a": 3}
{"a": 4, "b": null}"""


def test_json_lines_give_their_keys(connection: Any, written: Any) -> None:
    sql = json_relation(connection, written(JSON), COLUMNS, optional=("b",))
    found = connection.execute(f"SELECT * FROM ({sql}) ORDER BY row").fetchall()
    assert found == [("x", 1, 0), ('é,"', -2, 1), (None, 4, 2)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"a": 1, "b": "x"', "f0.csv, line 3 is no JSON object"),
        (b"[1]", "f0.csv, line 3 is no JSON object"),
        (b" ", "f0.csv, line 3 is no JSON object"),
        (b'{"a": 1}', "f0.csv, line 3, column 'b': is missing"),
        (b'{"a": 1, "b": 2}', "f0.csv, line 3, column 'b': '2' is not text"),
        (b'{"a": "1", "b": "x"}', "f0.csv, line 3, column 'a': '1' is not a whole number"),
        (b'{"a": 1.5, "b": "x"}', "f0.csv, line 3, column 'a': '1.5' is not a whole number"),
        (b'{"a": 18446744073709551615, "b": "x"}', "column 'a': '18446744073709551615' is not"),
        (b'{"a": 1, "b": "\x01"}', "f0.csv, line 3 is too long"),
    ],
)
def test_bad_json_is_named(connection: Any, written: Any, line: bytes, message: str) -> None:
    content = b'{"a": 1, "b": "x"}\n\n' + line + b'\n{"a": 2, "b": "y"}\n'
    with pytest.raises(ValueError, match=message):
        json_relation(connection, written(content), COLUMNS)
