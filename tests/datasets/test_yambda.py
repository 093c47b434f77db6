"""Yambda's official files, flat, sequential or by kind of event: one log, and what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from scaling.datasets.log import EventLog
from scaling.datasets.store import load_log
from scaling.datasets.yambda import YambdaConfig
from scaling.datasets.yambda_made import write_events

TYPES = {
    "uid": pa.uint32(),
    "timestamp": pa.uint32(),
    "item_id": pa.uint32(),
    "is_organic": pa.uint8(),
    "played_ratio_pct": pa.uint16(),
    "track_length_seconds": pa.uint32(),
    "event_type": pa.string(),
}
ROWS = [
    # uid, timestamp, item_id, is_organic, played_ratio_pct, track_length_seconds, event_type
    (20, 100, 7, 1, 49, 200, "listen"),
    (20, 105, 9, 0, 50, 180, "listen"),
    (20, 105, 7, 0, None, None, "like"),
    (20, 105, 7, 0, None, None, "unlike"),
    (30, 5, 9, 1, 130, 180, "listen"),
    (30, 10, 9, 1, None, None, "dislike"),
    (30, 15, 9, 1, None, None, "undislike"),
    (30, 20, 4, 0, None, 180, "listen"),
]
"""Sorted by user and time, as the official files are."""

ACTIONS = [0, 1, 3, 5, 1, 4, 6, 2]
LABELS = {
    0: {"listen"},
    1: {"listen", "listen_plus"},
    2: {"listen"},
    3: {"like"},
    4: {"dislike"},
    5: {"unlike"},
    6: {"undislike"},
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CLIMBER_YAMBDA", raising=False)


def flat(rows: list[tuple[Any, ...]], **types: pa.DataType) -> pa.Table:
    kinds = TYPES | types
    return pa.table(
        {
            name: pa.array([row[place] for row in rows], kind)
            for place, (name, kind) in enumerate(kinds.items())
        }
    )


def write(table: pa.Table, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pa_parquet.write_table(table, path)
    return path


def sequential(table: pa.Table) -> pa.Table:
    """One row per user, a list per column, as `sequential/` has them."""
    columns: dict[str, Any] = {name: [] for name in table.column_names}
    users = table["uid"].to_pylist()
    for user in dict.fromkeys(users):
        places = [place for place, uid in enumerate(users) if uid == user]
        for name, values in columns.items():
            values.append(user if name == "uid" else [table[name][p].as_py() for p in places])
    return pa.table(
        {
            name: pa.array(values, TYPES[name] if name == "uid" else pa.list_(TYPES[name]))
            for name, values in columns.items()
        }
    )


def logged(folder: Path, **options: Any) -> tuple[EventLog, dict[str, Any]]:
    return load_log(YambdaConfig(path=str(folder), **options).prepare())


def test_events_mean_what_the_official_columns_say(tmp_path: Path) -> None:
    write(flat(ROWS), tmp_path / "flat" / "50m" / "multi_event.parquet")
    log, facts = logged(tmp_path)
    assert log.actions.tolist() == ACTIONS
    named = [
        {name for name, label in zip(log.schema.behaviours, labels) if label}
        for labels in log.schema.action_labels
    ]
    assert dict(enumerate(named)) == LABELS
    assert [log.schema.scenarios[code] for code in log.scenarios] == [
        "organic" if row[3] else "recommended" for row in ROWS
    ]
    assert log.times.tolist() == [row[1] for row in ROWS]
    assert log.items.tolist() == [{4: 0, 7: 1, 9: 2}[row[2]] for row in ROWS]
    assert log.user_offsets.tolist() == [0, 4, 8]
    assert facts["form"] == "flat"


def test_all_forms_make_the_same_log(tmp_path: Path) -> None:
    table = pa_parquet.read_table(write_events(tmp_path / "made.parquet", 3000))
    order = np.lexsort((table["timestamp"].to_numpy(), table["uid"].to_numpy()))
    table = table.take(order).set_column(
        6, "event_type", table["event_type"].cast("string").take(order)
    )
    write(table, tmp_path / "flat" / "flat" / "50m" / "multi_event.parquet")
    write(sequential(table), tmp_path / "sequential" / "sequential" / "50m" / "multi_event.parquet")
    write(table, tmp_path / "alone" / "multi_event.parquet")
    found = {form: logged(tmp_path / form) for form in ("flat", "sequential", "alone")}
    assert {facts["form"] for _, facts in found.values()} == {"flat", "sequential"}
    assert len({log.fingerprint() for log, _ in found.values()}) == 1


@pytest.mark.parametrize("form", ["flat", "sequential"])
def test_files_of_single_kinds_are_the_events_together(form: str, tmp_path: Path) -> None:
    """Each of its own time, since ties between files have no official order."""
    rows = [(row[0], 5 * place, *row[2:]) for place, row in enumerate(ROWS)]
    write(flat(rows), tmp_path / "together" / "multi_event.parquet")
    for kind in ("listen", "like", "dislike", "unlike", "undislike"):
        part = flat([row for row in rows if row[6] == kind]).drop_columns(["event_type"])
        if kind != "listen":
            part = part.drop_columns(["played_ratio_pct", "track_length_seconds"])
        part = sequential(part) if form == "sequential" else part
        write(part, tmp_path / "apart" / form / "50m" / f"{kind}s.parquet")
    together, apart = logged(tmp_path / "together")[0], logged(tmp_path / "apart")[0]
    assert apart.fingerprint() == together.fingerprint()


def test_artists_and_albums_are_attributes_where_they_are_there(tmp_path: Path) -> None:
    write(flat(ROWS), tmp_path / "flat" / "50m" / "multi_event.parquet")
    pairs = {"item_id": [4, 9, 9, 1], "artist_id": [70, 90, 80, 10]}
    write(pa.table(pairs), tmp_path / "artist_item_mapping.parquet")
    log, facts = logged(tmp_path)
    assert log.schema.item_attributes["artist"].of_item.tolist() == [1, 0, 2]
    assert facts["items_listed_without_events"] == 1
    write(pa.table({"item_id": [7], "album_id": [5]}), tmp_path / "album_item_mapping.parquet")
    both, _ = logged(tmp_path)
    assert both.schema.item_attributes["album"].of_item.tolist() == [0, 1, 0]
    assert both.schema.item_attributes["artist"].of_item.tolist() == [1, 0, 2]


def test_the_identity_follows_content_and_options_not_the_place(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(flat(ROWS), tmp_path / name / "flat" / "50m" / "multi_event.parquet")
    write(flat(ROWS[1:]), tmp_path / "c" / "flat" / "50m" / "multi_event.parquet")
    a, b, c = (YambdaConfig(path=str(tmp_path / name)) for name in "abc")
    assert a.fingerprint() == b.fingerprint() != c.fingerprint()
    assert a.digest() == b.digest()
    core = YambdaConfig(path=str(tmp_path / "a"), min_item_events=2)
    assert core.fingerprint() != a.fingerprint()
    assert core.content() != a.content()
    longer = YambdaConfig(path=str(tmp_path / "a"), max_gap_seconds=60)
    assert longer.content() == a.content()
    assert longer.fingerprint() != a.fingerprint()


def test_absent_files_are_named_with_the_way_to_get_them(tmp_path: Path) -> None:
    words = r"holds no flat/500m/multi_event.*huggingface.*--from FOLDER.*CLIMBER_YAMBDA"
    with pytest.raises(ValueError, match=words):
        YambdaConfig(path=str(tmp_path), size="500m").prepare()


WRONG: list[tuple[str, pa.DataType, Any, str]] = [
    ("uid", pa.uint64(), 2**64 - 1, "row 3, column 'uid': 18446744073709551615 is not valid"),
    ("uid", pa.uint32(), None, "row 3, column 'uid': None"),
    ("item_id", pa.uint64(), 2**63, "row 3, column 'item_id'"),
    ("item_id", pa.uint32(), None, "row 3, column 'item_id'"),
    ("timestamp", pa.int64(), -5, "row 3, column 'timestamp': -5 is not valid; valid: seconds"),
    ("timestamp", pa.int64(), 2**62, "row 3, column 'timestamp'"),
    ("timestamp", pa.uint32(), None, "row 3, column 'timestamp': None"),
    ("is_organic", pa.int8(), 2, "row 3, column 'is_organic': 2 is not valid; valid: 0, 1"),
    ("is_organic", pa.bool_(), None, "row 3, column 'is_organic': None"),
    ("event_type", pa.string(), "play", "row 3, column 'event_type': 'play' .*valid: listen, like"),
    ("event_type", pa.string(), None, "row 3, column 'event_type': None"),
]


@pytest.mark.parametrize(("column", "kind", "value", "words"), WRONG)
def test_a_wrong_value_is_named_by_file_row_and_column(
    column: str, kind: pa.DataType, value: Any, words: str, tmp_path: Path
) -> None:
    place = list(TYPES).index(column)
    rows = [list(row) for row in ROWS]
    if kind == pa.bool_():
        rows = [[*row[:place], bool(row[place]), *row[place + 1 :]] for row in rows]
    rows[3][place] = value
    path = write(
        flat([tuple(row) for row in rows], **{column: kind}), tmp_path / "multi_event.parquet"
    )
    with pytest.raises(ValueError, match=f"{path}, {words}"):
        logged(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop_columns(["item_id"]), "has no column 'item_id'; it holds uid"),
        (
            lambda t: t.set_column(0, "uid", t["uid"].cast("string")),
            "column 'uid' is of type string; it must be whole",
        ),
        (
            lambda t: t.set_column(1, "timestamp", t["timestamp"].cast("float64")),
            "column 'timestamp' is of type double",
        ),
        (lambda t: t.slice(0, 0), "holds no events"),
    ],
)
def test_another_table_is_refused(change: Any, words: str, tmp_path: Path) -> None:
    write(change(flat(ROWS)), tmp_path / "multi_event.parquet")
    with pytest.raises(ValueError, match=words):
        logged(tmp_path)


def test_lists_of_other_lengths_are_named(tmp_path: Path) -> None:
    table = sequential(flat(ROWS))
    short = [
        values[:-1] if row else values for row, values in enumerate(table["is_organic"].to_pylist())
    ]
    table = table.set_column(3, "is_organic", pa.array(short, pa.list_(pa.uint8())))
    path = write(table, tmp_path / "multi_event.parquet")
    with pytest.raises(ValueError, match=f"{path}, row 1, column 'is_organic'.*as long as"):
        logged(tmp_path)


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    """A file cut off, with some bytes changed, a block of zeros, or a piece left out."""
    place, kind = int(rng.integers(0, len(content))), int(rng.integers(0, 4))
    if kind == 0:
        return content[:place]
    if kind == 1:
        changed = bytearray(content)
        for at in rng.integers(0, len(content), int(rng.integers(1, 9))):
            changed[at] = int(rng.integers(0, 256))
        return bytes(changed)
    size = int(rng.integers(1, 200))
    return content[:place] + bytes(size if kind == 2 else 0) + content[place + size :]


def refusals(tmp_path: Path, count: int, seed: int) -> list[str]:
    """What was said of damaged files; the others were read as a log of events."""
    rng = np.random.default_rng(seed)
    path = tmp_path / "multi_event.parquet"
    table = flat(ROWS * 40)
    whole = [write(t, path).read_bytes() for t in (table, sequential(table))]
    found = []
    for number in range(count):
        path.write_bytes(damage(whole[number % 2], rng))
        try:
            log, _ = logged(tmp_path)
        except ValueError as error:
            found.append(str(error))
        else:
            assert log.num_events
    return found


def test_damaged_files_never_crash(tmp_path: Path) -> None:
    said = refusals(tmp_path, 25, 0)
    assert len(said) > 5
    assert all("multi_event.parquet" in words for words in said), said


@pytest.mark.slow
def test_a_thousand_damaged_files_never_crash(tmp_path: Path) -> None:
    said = refusals(tmp_path, 1000, 1)
    assert len(said) > 300
    assert all("multi_event.parquet" in words for words in said), said
