"""Anybody's tables: what the mapping of columns makes of them, and what it refuses."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from scaling.datasets.log import EventLog
from scaling.datasets.store import load_log
from scaling.datasets.table import TableConfig

START = 1_700_000_000
ROWS: dict[str, list[Any]] = {
    "visitorid": [7, 7, 5, 7, 5],
    "itemid": [30, 10, 10, 20, 10],
    "timestamp": [START + 9, START + 3, START, START + 3, START],
    "event": ["view", "cart", "view", "buy", "view"],
    "shop": ["north", "north", "south", "north", "south"],
    "clicked": [1, 0, 1, 1, 1],
    "kept": [0, 0, 1, 1, 1],
    "stars": [1.0, 5.0, 3.5, 4.0, 3.5],
}
MAPPED = {"user": "visitorid", "item": "itemid", "time_unit": "s"}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CLIMBER_TABLE", raising=False)


def csv(columns: dict[str, list[Any]], separator: str = ",") -> str:
    lines = [
        separator.join(columns),
        *(separator.join(map(str, row)) for row in zip(*columns.values())),
    ]
    return "\n".join(lines) + "\n"


def write(columns: dict[str, list[Any]], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pa_parquet.write_table(pa.table(columns), path)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(csv(columns).encode()))
    else:
        path.write_text(csv(columns, "\t" if path.suffix == ".tsv" else ","))
    return path


def logged(path: Path, **options: Any) -> tuple[EventLog, dict[str, Any]]:
    return load_log(TableConfig(path=str(path), **options).prepare())


def labels(log: EventLog) -> list[set[str]]:
    return [
        {
            name
            for name, label in zip(log.schema.behaviours, log.schema.action_labels[code])
            if label
        }
        for code in log.actions
    ]


@pytest.mark.parametrize(
    "name", ["t[1].parquet", "t*.parquet", "it's ?.parquet", "[a-t]/1.parquet"]
)
def test_a_name_with_glob_characters_names_one_file(name: str, tmp_path: Path) -> None:
    for other in ("t1.parquet", "t.parquet", "it's 1.parquet", "t/1.parquet"):
        write(ROWS, tmp_path / "data" / other)
    one = {column: values[:1] for column, values in ROWS.items()}
    log, facts = logged(write(one, tmp_path / "data" / name), **MAPPED)
    assert (log.num_events, facts["events_read"]) == (1, 1)


def test_a_folder_named_as_a_column_is_only_a_folder(tmp_path: Path) -> None:
    path = write(ROWS, tmp_path / "visitorid=99" / "t.parquet")
    log, _ = logged(path, **MAPPED)
    assert log.num_users == 2


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.tsv", "t.csv.gz"])
def test_values_of_a_column_are_behaviours(name: str, tmp_path: Path) -> None:
    path = write(ROWS, tmp_path / "data" / name)
    log, facts = logged(path.parent, **MAPPED, action="event", scenario="shop")
    assert log.schema.behaviours == ("buy", "cart", "view")
    assert labels(log) == [{"view"}, {"view"}, {"cart"}, {"buy"}, {"view"}]
    assert [log.schema.scenarios[code] for code in log.scenarios] == ["south"] * 2 + ["north"] * 3
    assert log.times.tolist() == [START, START, START + 3, START + 3, START + 9]
    assert log.items.tolist() == [0, 0, 0, 1, 2]
    assert facts["repeats"] == 1
    assert facts["event_values"] == "buy, cart, view"


def test_other_values_are_events_without_a_behaviour(tmp_path: Path) -> None:
    path = write(ROWS, tmp_path / "t.csv")
    log, _ = logged(path, **MAPPED, action="event", behaviours=("cart", "buy"))
    assert log.schema.behaviours == ("cart", "buy")
    assert labels(log) == [set(), set(), {"cart"}, {"buy"}, set()]


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_columns_of_0_and_1_are_behaviours(name: str, tmp_path: Path) -> None:
    log, _ = logged(write(ROWS, tmp_path / name), **MAPPED, behaviours=("clicked", "kept"))
    assert labels(log) == [{"clicked", "kept"}] * 2 + [set(), {"clicked", "kept"}, {"clicked"}]


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_ratings_are_kept_beside_what_is_liked(name: str, tmp_path: Path) -> None:
    log, facts = logged(write(ROWS, tmp_path / name), **MAPPED, rating="stars", threshold=4)
    assert labels(log) == [set(), set(), {"liked"}, {"liked"}, set()]
    assert log.schema.num_actions == 4
    assert facts["stars_values"] == "1.0, 3.5, 4.0, 5.0"


def test_without_any_every_event_is_a_positive(tmp_path: Path) -> None:
    log, _ = logged(write(ROWS, tmp_path / "t.csv"), **MAPPED)
    assert labels(log) == [{"event"}] * 5


def test_duplicates_are_removed_where_asked(tmp_path: Path) -> None:
    path = write(ROWS, tmp_path / "t.csv")
    kept, facts = logged(path, **MAPPED, action="event")
    removed, fewer = logged(path, **MAPPED, action="event", duplicates="removed")
    assert (kept.num_events, facts["repeats"]) == (5, 1)
    assert (removed.num_events, fewer["repeats"], fewer["duplicates_removed"]) == (4, 0, 1)


def test_files_follow_each_other_by_name(tmp_path: Path) -> None:
    one = {name: values[:1] for name, values in ROWS.items()}
    other = one | {"itemid": [77]}
    folder = tmp_path / "data"
    write(other, folder / "b.parquet")
    write(one, folder / "a.parquet")
    log, _ = logged(folder, **MAPPED)
    assert log.items.tolist() == [0, 1], "of equal times the first file's event goes first"
    write(one, folder / "c.csv")
    with pytest.raises(ValueError, match="holds Parquet and text files"):
        logged(folder, **MAPPED)


@pytest.mark.parametrize(
    ("name", "unit", "size"),
    [
        ("t.csv", "s", 1),
        ("t.csv", "ms", 10**3),
        ("t.parquet", "ms", 10**3),
        ("t.parquet", "us", 10**6),
        ("t.csv", "ns", 10**9),
    ],
)
def test_an_unknown_unit_is_recognised_and_asked_for(
    name: str, unit: str, size: int, tmp_path: Path
) -> None:
    times = [time * size + size // 2 for time in ROWS["timestamp"]]
    path = write(ROWS | {"timestamp": times}, tmp_path / name)
    with pytest.raises(ValueError, match=rf"look like {unit}; set time_unit .*time_unit={unit}\)"):
        logged(path, **MAPPED | {"time_unit": ""})
    wrong = "ms" if unit != "ms" else "s"
    with pytest.raises(ValueError, match=f"is '{wrong}', but the values .* look like {unit}: set"):
        logged(path, **MAPPED | {"time_unit": wrong})
    log, _ = logged(path, **MAPPED | {"time_unit": unit})
    assert sorted(log.times.tolist()) == sorted(ROWS["timestamp"])


def test_times_of_another_beginning_pass(tmp_path: Path) -> None:
    times = [-1500, 3, 1999, 86_400_000, 0]
    path = write(ROWS | {"timestamp": times}, tmp_path / "t.csv")
    with pytest.raises(ValueError, match="its values tell nothing; set time_unit to one of s, ms"):
        logged(path, **MAPPED | {"time_unit": ""})
    log, _ = logged(path, **MAPPED | {"time_unit": "ms"})
    assert sorted(log.times.tolist()) == [-2, 0, 0, 1, 86_400], "rounded down"


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_one_time_unlike_the_others_is_named(name: str, tmp_path: Path) -> None:
    path = write(ROWS | {"timestamp": [*ROWS["timestamp"][:4], 5]}, tmp_path / name)
    where = "row 4" if name == "t.parquet" else "line 6"
    with pytest.raises(ValueError, match=f"{path}, {where}, column 'timestamp'.*1980 and 2100"):
        logged(path, **MAPPED)


def test_moments_are_read_with_their_offsets(tmp_path: Path) -> None:
    texts = ["2024-05-31T12:00:00", "2024-05-31 14:00:00+02:00", "2024-05-31", "2024-05-31T12:00:00Z", "2024-05-31 12:00:00.9"]  # fmt: skip
    noon, midnight = (int(datetime(2024, 5, 31, hour, tzinfo=UTC).timestamp()) for hour in (12, 0))
    unitless = MAPPED | {"time_unit": ""}
    path = write(ROWS | {"timestamp": texts}, tmp_path / "t.csv")
    log, _ = logged(path, **unitless)
    assert Counter(log.times.tolist()) == {noon: 4, midnight: 1}
    with pytest.raises(ValueError, match=r"line 2, column 'timestamp'.*not a whole number"):
        logged(path, **MAPPED)
    path = write(ROWS | {"timestamp": [*texts[:4], "soon"]}, tmp_path / "u.csv")
    with pytest.raises(
        ValueError, match=r"line 6, column 'timestamp'.*soon.*such as 2024-05-31T12"
    ):
        logged(path, **unitless)
    moments = pa.array([START] * 5, pa.int64()).cast(pa.timestamp("s", tz="Europe/Berlin"))
    path = write(ROWS | {"timestamp": moments}, tmp_path / "t.parquet")
    assert set(logged(path, **unitless)[0].times.tolist()) == {START}
    with pytest.raises(ValueError, match="time_unit is 's', but the column 'timestamp' holds mom"):
        logged(path, **MAPPED)


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_an_absent_column_is_answered_with_those_there_are(name: str, tmp_path: Path) -> None:
    path = write(ROWS, tmp_path / name)
    with pytest.raises(ValueError, match=f"{path} has no column 'user_id'; it holds visitorid, it"):
        logged(path, time_unit="s")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"time_unit": "h"}, "time_unit must be one of s, ms, us, ns, or empty"),
        ({"rating": "stars"}, "rating and table.threshold need each other"),
        ({"rating": "stars", "threshold": 4.0, "action": "event"}, "leave action and behaviours"),
        ({"behaviours": tuple("abcdefghi")}, "names 9 columns; at most 8 fit"),
        ({"min_user_events": 0}, "min_user_events must be at least 1, got 0"),
    ],
)
def test_contradicting_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TableConfig(**options)


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
@pytest.mark.parametrize(
    ("column", "value", "options", "words"),
    [
        ("clicked", 2, {"behaviours": ("clicked",)}, "column 'clicked': '?2'? is not valid; valid: 0, 1"),
        ("event", "sell", {"action": "event", "behaviours": ("cart", "gift")}, "names 'gift', which"),
    ],
)  # fmt: skip
def test_values_that_fit_no_behaviour_are_named(
    name: str, column: str, value: Any, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = write(ROWS | {column: [*ROWS[column][:4], value]}, tmp_path / name)
    with pytest.raises(ValueError, match=words):
        logged(path, **MAPPED, **options)


def test_too_many_kinds_of_action_are_refused(tmp_path: Path) -> None:
    many = {name: (values * 60)[:300] for name, values in ROWS.items()}
    path = write(many | {"event": [f"kind {n}" for n in range(300)]}, tmp_path / "t.csv")
    with pytest.raises(ValueError, match="'event' holds 300 different values, such as kind 0, kin"):
        logged(path, **MAPPED, action="event")


@pytest.mark.shared
def test_retailrocket_as_its_readme_counts_it(shared: Path) -> None:
    log, facts = logged(
        shared / "data" / "retailrocket", action="behavior", time_unit="s", user="user_id"
    )
    assert (log.num_events, log.num_users, log.schema.num_items) == (97_381, 2_174, 29_905)
    lengths = log.user_offsets[1:] - log.user_offsets[:-1]
    assert (int((lengths > 1000).sum()), int(lengths.max())) == (19, 4_961)
    assert log.schema.behaviours == ("buy", "cart", "view")
    table = pa_parquet.read_table(shared / "data" / "retailrocket" / "events.parquet")
    told = Counter(table["behavior"].to_pylist())
    counts = Counter(next(iter(found)) for found in labels(log))
    assert counts == told
    assert facts["events_left_out"] == 0


def test_a_file_of_another_kind_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "events.xlsx"
    path.write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"there is no file .*events\.csv"):
        TableConfig(path=str(tmp_path / "events.csv")).prepare()
    with pytest.raises(ValueError, match=r"events\.xlsx is none of the files .*\*\.csv"):
        TableConfig(path=str(path)).prepare()
