"""KuaiRand is read from its official files, each impression once, and its lists as history."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from scaling.batch import SPLITS, View
from scaling.datasets.catalogue import fetch, prepare
from scaling.datasets.kuairand import KuaiRandConfig
from scaling.datasets.kuairand_history import LISTS
from scaling.datasets.log import UNKNOWN_TIME, EventLog

START = 1_650_812_741_000
LOG_COLUMNS = (
    "user_id", "video_id", "date", "hourmin", "time_ms", "is_click", "is_like", "is_follow",
    "is_comment", "is_forward", "is_hate", "long_view", "play_time_ms", "duration_ms",
    "profile_stay_time", "comment_stay_time", "is_profile_enter", "is_rand", "tab",
)  # fmt: skip
EARLY, LATE = "log_standard_4_08_to_4_21_pure.csv", "log_standard_4_22_to_5_08_pure.csv"
USERS, VIDEOS = "user_features_pure.csv", "video_features_basic_pure.csv"


def impression(user: int, video: int, minute: float, tab: int = 1, **flags: int) -> dict[str, int]:
    row = dict.fromkeys(LOG_COLUMNS, 0)
    time = START + round(minute * 60_000)
    return row | {"user_id": user, "video_id": video, "time_ms": time, "tab": tab} | flags


def some_impressions(seed: int, first_minute: int, count: int = 150) -> list[dict[str, int]]:
    """Rows in no order, some twice."""
    rng = np.random.default_rng(seed)
    rows = [
        impression(
            int(rng.choice([3, 7, 20, 21])),
            int(rng.integers(0, 9) * 5),
            first_minute + int(rng.integers(0, 1000)),
            int(rng.integers(0, 3)),
            is_click=int(rng.integers(0, 2)),
            is_like=int(rng.integers(0, 2)),
            long_view=int(rng.integers(0, 2)),
        )
        for _ in range(count)
    ]
    return rows + rows[:4]


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    lines = [",".join(rows[0])] + [",".join(map(str, row.values())) for row in rows]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in the official layout with two log files."""
    data = tmp_path / "KuaiRand" / "data"
    data.mkdir(parents=True)
    write_csv(data / EARLY, some_impressions(0, -20_000))
    write_csv(data / LATE, some_impressions(1, 0))
    columns = {"user_active_degree": "full_active", "follow_user_num_range": '"(0,10]"'}
    rows = [{"user_id": user, **columns, "register_days_range": "730+"} for user in (3, 7, 20)]
    rows[1]["user_active_degree"] = "UNKNOWN"
    write_csv(data / USERS, rows)
    videos: list[dict[str, Any]] = [
        {"video_id": video, "author_id": video // 10, "tag": '"4,9"', "video_duration": 8000.0}
        for video in range(0, 40, 5)
    ]
    videos[1] |= {"tag": "", "video_duration": ""}
    write_csv(data / VIDEOS, videos)
    return data.parent


def log_of(config: KuaiRandConfig) -> EventLog:
    return config.read()[0]


def test_impressions_of_both_files_stand_once_in_order(folder: Path) -> None:
    rows = some_impressions(0, -20_000) + some_impressions(1, 0)
    seen: dict[tuple[int, int, int], dict[str, int]] = {}
    for row in sorted(rows, key=lambda row: row["time_ms"]):
        seen.setdefault((row["user_id"], row["video_id"], row["time_ms"]), row)
    expected = sorted(seen.values(), key=lambda row: row["user_id"])
    log, facts = KuaiRandConfig(path=str(folder)).read()
    assert facts["impressions"] == len(rows)
    assert facts["duplicates_removed"] == len(rows) - len(expected)
    assert facts["source"] == f"{EARLY}, {LATE}"
    assert log.users().tolist() == [[3, 7, 20, 21].index(row["user_id"]) for row in expected]
    assert log.items.tolist() == [row["video_id"] // 5 for row in expected]
    assert log.times.tolist() == [row["time_ms"] // 1000 for row in expected]
    assert log.scenarios.tolist() == [row["tab"] for row in expected]
    labels = np.array(log.schema.action_labels)[log.actions]
    flags = ("is_click", "long_view", "is_like")
    assert labels.tolist() == [[row[flag] for flag in flags] for row in expected]


def test_equal_milliseconds_keep_the_order_of_the_file(folder: Path) -> None:
    videos = [25, 0, 35, 10]
    write_csv(folder / "data" / LATE, [impression(3, video, 5.0) for video in videos])
    (folder / "data" / EARLY).unlink()
    assert log_of(KuaiRandConfig(path=str(folder))).items.tolist() == [2, 0, 3, 1]


def test_attributes_are_looked_up_and_0_where_unknown(folder: Path) -> None:
    log = log_of(KuaiRandConfig(path=str(folder)))
    attributes = {name: a.of_item.tolist() for name, a in log.schema.item_attributes.items()}
    assert attributes["author"] == [1, 1, 2, 2, 3, 3, 4, 4, 0]
    tag, duration = attributes["tag"], attributes["duration"]
    assert tag[1] == tag[8] == duration[1] == duration[8] == 0
    assert len({*tag}) == 2
    assert duration[0] == 1 + 6, "8 s are 6 half octaves above 1 s"
    assert log.user_attributes[:, 0].tolist() == [2, 1, 2, 0]
    assert log.user_attributes[:, 1].tolist() == [1, 1, 1, 0]


def test_requests_are_of_one_tab_without_long_pauses(folder: Path) -> None:
    for pause, tabs, sizes in (
        (29.0, [1, 1, 1], [3]),
        (31.0, [1, 1, 1], [1, 1, 1]),
        (1.0, [1, 2, 2], [1, 2]),
    ):
        rows = [impression(3, 5 * i, i * pause, tab) for i, tab in enumerate(tabs)]
        (folder / "data" / EARLY).unlink(missing_ok=True)
        later = [impression(7, 0, 10_000 + 100 * i) for i in range(60)]
        write_csv(folder / "data" / LATE, rows + later)
        table = KuaiRandConfig(path=str(folder)).open().tables["train"].whole()
        mine = table.select(table.user == 0)
        assert (mine.stop - mine.start).tolist() == sizes


def test_identity_is_of_the_content_wherever_it_lies(folder: Path, tmp_path: Path) -> None:
    config = KuaiRandConfig(path=str(folder))
    other = shutil.copytree(folder, tmp_path / "elsewhere")
    moved = KuaiRandConfig(path=str(other))
    assert config.fingerprint() == moved.fingerprint()
    assert config.digest() == moved.digest()
    assert (
        config.fingerprint() != KuaiRandConfig(path=str(folder), same_scenario=False).fingerprint()
    )
    assert KuaiRandConfig.from_dict(config.to_dict()) == config
    write_csv(other / "data" / LATE, some_impressions(2, 0))
    assert config.fingerprint() != moved.fingerprint()
    assert config.prepare() != moved.prepare()


def test_the_folder_can_come_from_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIMBER_KUAIRAND", str(folder))
    assert KuaiRandConfig().fingerprint() == KuaiRandConfig(path=str(folder)).fingerprint()
    paths = fetch("kuairand")
    assert [path.name for path in paths[:4]] == [EARLY, LATE, USERS, VIDEOS]
    assert prepare(KuaiRandConfig()) == paths[-1]
    monkeypatch.chdir(folder.parent)
    assert KuaiRandConfig(path=folder.name).path == os.fspath(folder)


def test_a_prepared_log_is_not_read_again(folder: Path) -> None:
    config = KuaiRandConfig(path=str(folder))
    path = config.prepare()
    changed = (path / "manifest.json").stat().st_mtime_ns
    assert config.prepare() == path
    assert (path / "manifest.json").stat().st_mtime_ns == changed
    assert config.open() is config.open()


def test_what_is_missing_is_named_with_the_cure(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no folder .*nowhere.*Get https.*CLIMBER_KUAIRAND"):
        KuaiRandConfig(path=str(tmp_path / "nowhere")).open()
    with pytest.raises(ValueError, match=r"history: there is no file .*nowhere"):
        KuaiRandConfig(path=str(folder), history=str(tmp_path / "nowhere")).open()
    (folder / "data" / USERS).unlink()
    with pytest.raises(ValueError, match=r"must hold one user_features_\*\.csv, found none"):
        KuaiRandConfig(path=str(folder)).open()
    for name in (EARLY, LATE):
        (folder / "data" / name).unlink()
    with pytest.raises(ValueError, match=r"holds no log_standard_\*\.csv"):
        KuaiRandConfig(path=str(folder)).open()


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (LATE, "is_click", "click", r"4_22_to_5_08_pure\.csv has no column 'is_click'"),
        (VIDEOS, "author_id", "author", r"basic_pure\.csv has no column 'author_id'"),
        (USERS, "user_active_degree", "x", r"has no column 'user_active_degree'"),
        (USERS, "\n7,", "\n3,", r"features_pure\.csv, line 3, column 'user_id': 3 is not valid"),
        (VIDEOS, "8000.0", "long", r"line 2, column 'video_duration': long is not valid"),
    ],
)
def test_wrong_columns_and_values_are_named(
    folder: Path, file: str, old: str, new: str, message: str
) -> None:
    path = folder / "data" / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        KuaiRandConfig(path=str(folder)).open()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"is_click": 2}, r"line 3, column 'is_click': 2 is not valid; valid: 0, 1"),
        ({"tab": 15}, r"line 3, column 'tab': 15 is not valid; valid: 0 .. 14"),
        ({"time_ms": 1_650_812_741}, r"line 3, column 'time_ms': 1650812741 is not valid"),
        ({"video_id": "x"}, r"line 3, column 'video_id': 'x' is not a whole number"),
    ],
)
def test_a_bad_value_is_named_by_row_and_column(
    folder: Path, change: dict[str, Any], message: str
) -> None:
    write_csv(folder / "data" / LATE, [impression(3, 0, 0), impression(3, 5, 1) | change])
    with pytest.raises(ValueError, match=message):
        KuaiRandConfig(path=str(folder)).open()


def test_a_truncated_log_is_named_by_its_last_row(folder: Path) -> None:
    path = folder / "data" / LATE
    text = path.read_text()
    path.write_text(text[: text.rindex(",")])
    with pytest.raises(ValueError, match=r"line 155 is cut off: it holds 18 of 19 columns"):
        KuaiRandConfig(path=str(folder)).open()


def write_history(path: Path, rows: list[dict[str, Any]]) -> Path:
    pa_parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


def past(user: int, last: int, *lists: list[int]) -> dict[str, Any]:
    return {"user_id": user, "last_time_ms": last, **dict(zip(LISTS, lists))}


def test_history_comes_first_with_unknown_ages_and_is_no_candidate(
    folder: Path, tmp_path: Path
) -> None:
    before = START - 10**10
    path = write_history(
        tmp_path / "h.parquet",
        [
            past(7, before, [100, 0], [0], [100]),
            past(20, before, [5], [5], [5]),
            past(99, before, [1], [], []),
        ],
    )
    config = KuaiRandConfig(path=str(folder), history=str(path))
    plain = KuaiRandConfig(path=str(folder))
    log, bare = log_of(config), log_of(plain)
    assert log.num_events == bare.num_events + 3
    unknown = log.times == UNKNOWN_TIME
    assert log.users()[unknown].tolist() == [1, 1, 2]
    assert [log.schema.action_labels[a] for a in log.actions[unknown]] == [
        (0, 0, 1),
        (1, 1, 0),
        (1, 1, 1),
    ]
    assert {log.schema.scenarios[s] for s in log.scenarios[unknown]} == {"unknown"}
    dataset = config.open()
    sizes = [dataset.size(split).examples for split in SPLITS]
    assert sizes == [plain.open().size(split).examples for split in SPLITS]
    view = (View(strategy="recent", length=500),)
    batch = next(dataset.requests("test", view, batch_size=999))
    ages = batch.history[0].ages[batch.users == 1]
    assert (ages[:, :2] == -1).all()
    assert (batch.history[0].ages[batch.users == 0] >= 0).all()
    assert config.fingerprint() != plain.fingerprint()
    assert config.digest() != plain.digest()


@pytest.mark.shared
def test_the_real_log_holds_what_its_readme_says(shared: Path) -> None:
    path = shared / "data" / "KuaiRand-Pure"
    config = KuaiRandConfig(path=str(path))
    facts = config.open().describe()
    assert facts["impressions"] == 228_329
    assert facts["duplicates_removed"] == 5_885
    assert (facts["users"], facts["items"]) == (25_156, 6_361)
    splits = facts["splits"]
    assert sum(splits[split]["examples"] for split in SPLITS) == 228_329 - 5_885
    total = sum(splits[split]["requests"] for split in SPLITS)
    assert (228_329 - 5_885) / total == pytest.approx(1.15, abs=0.01)
    # The README's rates are those before repeats are removed, which were clicked less (15 %).
    for name, rate in (("click", 0.44), ("long_view", 0.31), ("like", 0.017)):
        mean = sum(splits[s]["rates"][name] * splits[s]["examples"] for s in SPLITS)
        assert mean / (228_329 - 5_885) == pytest.approx(rate, rel=0.03)


@pytest.mark.shared
def test_the_real_history_is_of_unknown_age(shared: Path) -> None:
    path = shared / "data" / "KuaiRand-Pure"
    history = str(path / "history_before_25_april.parquet")
    dataset = KuaiRandConfig(path=str(path), history=history).open()
    facts = dataset.describe()
    assert facts["events"] - facts["events_of_unknown_time"] == 228_329 - 5_885
    assert facts["history_users_left_out"] == 3
    assert facts["users"] == 25_156
    batch = next(dataset.requests("test", (View(strategy="long_view", length=64),), batch_size=256))
    ages = batch.history[0].ages[batch.history[0].mask]
    assert ((ages == -1) | (ages >= 0)).all()
    assert (ages == -1).any()
