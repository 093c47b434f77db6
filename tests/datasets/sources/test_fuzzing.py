"""Damaged files: each ends in an error that names file and line, or in a log without a loss."""

from __future__ import annotations

import csv
import gzip
import io
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from scaling.datasets.source import SourceConfig

Mutation = Callable[[random.Random, bytes], bytes]

READERS = (
    "taobao", "kuairec", "amazon", "spotify_sessions", "thirty_music", "table", "kuairand",
    "kuairand-1k", "kuairand-27k", "movielens-100k", "movielens-20m", "movielens-32m",
)  # fmt: skip

SAME = ("kuairand-27k", "movielens-32m")
"""Read by the same code as another size."""

TOKENS = (
    b"-1", b"0", b"1e3", b"1.5", b"x", b"", b" ", b"nan", b"inf", b"-9223372036854775809", b"0x1f",
    b"99999999999999999999999999", b"9223372036854775807", b"4102444801", b"253402300800000", b'"',
    b"true", b"null", b"{}", b"[]", b"NULL", b"2018-02-30", b"9999-12-31", b"\xc3\xa9", b"1,2",
)  # fmt: skip

BYTES = b"\0\r\n\t,\"'{}[]\\\xff\xc3\xef\xbb\xbf;:-09aZ\x01\x1f\x7f "


IMPRESSIONS = b"""\
user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,\
long_view,play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab
"""

KUAIRAND = {
    "data/log_standard_4_08_to_4_21_pure.csv": IMPRESSIONS
    + b"3,5,20220415,1200,1650012741000,1,0,0,0,0,0,1,9000,8000,0,0,0,0,1\n"
    b"3,10,20220415,1200,1650012742000,0,0,0,0,0,0,0,0,12000,0,0,0,0,1\n"
    b"3,10,20220415,1200,1650012742000,0,0,0,0,0,0,0,0,12000,0,0,0,0,1\n",
    "data/log_standard_4_22_to_5_08_pure.csv": IMPRESSIONS
    + b"7,5,20220425,1500,1650912741000,1,1,0,0,0,0,1,7000,8000,0,0,0,0,4\n"
    b"20,0,20220425,1500,1650912742000,0,0,0,0,0,0,0,0,8000,0,0,0,0,14\n",
    "data/user_features_pure.csv": b"""\
user_id,user_active_degree,follow_user_num_range,register_days_range
3,full_active,"(0,10]",730+
7,UNKNOWN,"(0,10]",61-90
""",
    "data/video_features_basic_pure.csv": b"""\
video_id,author_id,tag,video_duration
0,1,"4,9",8000.0
5,1,,
10,2,7,12000.0
""",
}


def cut(rng: random.Random, text: bytes) -> bytes:
    return text[: rng.randrange(len(text))]


def hole(rng: random.Random, text: bytes) -> bytes:
    start = rng.randrange(len(text))
    return text[:start] + text[start + rng.randint(1, 20) :]


def byte(rng: random.Random, text: bytes) -> bytes:
    place = rng.randrange(len(text))
    return text[:place] + bytes([rng.choice(BYTES)]) + text[place + rng.randint(0, 1) :]


def token(rng: random.Random, text: bytes) -> bytes:
    places = list(re.finditer(rb"[^,|\t\n{}:\[\]]+", text))
    if not places:
        return text
    found = rng.choice(places)
    return text[: found.start()] + rng.choice(TOKENS) + text[found.end() :]


def repeated(rng: random.Random, text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    return b"".join(lines)


def shuffled(rng: random.Random, text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


def swapped(rng: random.Random, text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    separator = b"\t" if b"\t" in text else b","
    every = rng.random() < 0.5
    one = rng.randrange(len(lines))
    first, second = rng.randrange(6), rng.randrange(6)
    for place, line in enumerate(lines):
        values = line.rstrip(b"\n").split(separator)
        if (every or place == one) and max(first, second) < len(values):
            values[first], values[second] = values[second], values[first]
            lines[place] = separator.join(values) + b"\n"
    return b"".join(lines)


def line_ends(rng: random.Random, text: bytes) -> bytes:
    share = rng.choice((0.2, 1.0))
    ends = rng.choice((b"\r\n", b"\r", b"\n\n", b"\r\r\n", b"\n \n"))
    parts = text.split(b"\n")
    return b"".join(p + (ends if rng.random() < share else b"\n") for p in parts[:-1]) + parts[-1]


def other_file(rng: random.Random, text: bytes) -> bytes:
    return rng.choice((b"", b"\n", b"\xef\xbb\xbf", text[: text.find(b"\n") + 1], b"\0" * 50, b"a"))


def marked(rng: random.Random, text: bytes) -> bytes:
    return b"\xef\xbb\xbf" + text


MUTATIONS: tuple[Mutation, ...] = (
    cut, hole, byte, byte, token, token, token, repeated, shuffled, swapped, line_ends, other_file,
    marked,
)  # fmt: skip

WHOLE_FILE = (
    "has no column", "holds no rows", "is cut off: its gzip", "is no whole gzip",
    "holds the columns",
    "can't be read: Could not skip",
)  # fmt: skip


ATTRIBUTES = (
    "entities/", "track_features/", "data/", "movies.csv", "u.item", "u.user", "ml-100k.item",
    "ml-100k.user",
)  # fmt: skip
"""What the names of files begin with that hold no events, unless they are a matrix or a log."""

HEADED = ("kuairec", "spotify_sessions", "kuairand", "movielens-20m", "movielens-32m")


def mutated(rng: random.Random, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files with one or two mutations in one of them."""
    found = dict(files)
    name = rng.choice(sorted(files))
    for _ in range(rng.randint(1, 2)):
        if found[name]:
            found[name] = rng.choice(MUTATIONS)(rng, found[name])
    return found


def event_rows(example: Any, files: Mapping[str, bytes]) -> int:
    """Lines that hold events, counted without the code under test."""
    if example.name == "table":
        (text,) = (content.decode("utf-8-sig") for content in files.values())
        return sum(1 for row in csv.reader(io.StringIO(text, newline="")) if row) - 1
    count = 0
    for name, text in files.items():
        matrix = f"{example.options.get('matrix', 'big')}_matrix"
        if name.startswith(ATTRIBUTES) and not (matrix in name or "log_" in name):
            continue
        if "log_random" in name and not example.options.get("random"):
            continue
        lines = [
            line for line in text.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip(b"\r")
        ]
        headed = example.name.startswith(HEADED) or name.endswith(".inter")
        headed |= example.options.get("edition") == "2023 ratings"
        count += len(lines) - headed
    return count


def rows_read(connection: Any, config: Any, folder: Path) -> int:
    """Events that are given or counted as left out; `ValueError` of a damaged file."""
    if not isinstance(config, SourceConfig):
        log, facts = config.read()
        return int(log.num_events + facts["duplicates_removed"])
    tables = config.tables(connection, folder)
    names = [name for name, *_ in connection.execute(f"DESCRIBE {tables.events}").fetchall()]
    read = "sum(copies)" if "copies" in names else "count(*)"
    events, rows, kept, wrong = connection.execute(
        f"SELECT count(*), count(DISTINCT row), {read}, count_if("
        f'"user" IS NULL OR item IS NULL OR action >= {len(tables.action_labels)} OR '
        f'scenario >= {len(tables.scenarios)} OR "time" >= 253402300800) FROM ({tables.events})'
    ).fetchone()
    assert events == rows
    assert not wrong
    for kind, query in (("item", tables.items), ("user", tables.users)):
        if query:
            sql = f'SELECT count(*), count(DISTINCT "{kind}") FROM ({query})'
            listed, distinct = connection.execute(sql).fetchone()
            assert listed == distinct
    removed = sum(tables.facts.get("removed", {}).values())
    assert tables.facts.get("rows", kept) == kept + removed
    return int(kept + removed)


def check(connection: Any, example: Any, seed: int, folder: Path) -> bool:
    """Whether a mutation was accepted; it must be right either way."""
    rng = random.Random(seed)
    files = mutated(rng, example.files)
    config = example.write(folder, files)
    for name in files:
        if name.endswith(".gz") and rng.random() < 0.3:
            packed = bytearray((folder / name).read_bytes())
            packed[rng.randrange(len(packed))] ^= 1 << rng.randrange(8)
            (folder / name).write_bytes(packed[: rng.randint(1, 2 * len(packed))])
    try:
        rows = rows_read(connection, config, folder)
    except ValueError as error:
        message = str(error)
        assert str(folder) in message, message
        assert re.search(r", line \d+", message) or any(w in message for w in WHOLE_FILE), message
        return False
    unpacked = {
        name: gzip.decompress((folder / name).read_bytes()) if name.endswith(".gz") else content
        for name, content in files.items()
    }
    assert rows == event_rows(example, unpacked)
    return True


def fuzz(examples: Any, name: str, count: int, folder: Path) -> int:
    """How many of the mutations were accepted: some do no harm."""
    # KuaiRand is read in memory, by a reader of its own.
    others = [replace(examples[0], name="kuairand", files=KUAIRAND, options={})]
    chosen = [example for example in examples + others if example.name == name]
    accepted = 0
    with duckdb.connect(config={"threads": 1, "preserve_insertion_order": False}) as connection:
        for seed in range(count):
            example = chosen[seed % len(chosen)]
            try:
                accepted += check(connection, example, seed, folder / str(seed % len(chosen)))
            except BaseException as error:
                error.add_note(f"{name}, example {seed % len(chosen)}, seed {seed}")
                raise
    return accepted


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_refused_or_read_whole(examples: Any, name: str, tmp_path: Path) -> None:
    assert 0 < fuzz(examples, name, 30, tmp_path) < 30


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in READERS if name not in SAME])
def test_a_thousand_damaged_files(examples: Any, name: str, tmp_path: Path) -> None:
    assert 0 < fuzz(examples, name, 1000, tmp_path) < 1000
