"""Tables of requests are those of a plain loop, for any block size, and kept for others."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaling.batch import SPLITS
from scaling.config import digest_of
from scaling.datasets import log_blocks, request_index
from scaling.datasets.fractions import first_kept_time, user_is_kept
from scaling.datasets.log import UNKNOWN_TIME, EventLog
from scaling.datasets.logged import LoggedConfig, LoggedDataset
from scaling.datasets.request_tables import open_tables

MakeLog = Callable[[int], EventLog]
MakeConfig = Callable[..., LoggedConfig]

OPTIONS: list[dict[str, Any]] = [
    {},
    {"gap_seconds": 200},
    {"time_fraction": 0.5, "user_fraction": 0.6},
    {"split": "per_user", "max_gap_seconds": 50, "same_scenario": True},
    {"split": "per_user", "user_fraction": 0.5, "max_evaluation_requests": 7},
    {"split": "leave_last", "max_candidates": 3},
    {"cut_times": (3000, 5000), "max_candidates": 1, "max_evaluation_requests": 9},
]


def part_of_events(log: EventLog, config: LoggedConfig) -> list[int]:
    """By hand; -1 for history only."""
    times = log.times.tolist()
    if config.split == "leave_last":
        return [-1 if t == UNKNOWN_TIME else 0 for t in times]
    if config.split == "per_user":
        parts = []
        for user in range(log.num_users):
            mine = times[log.user_offsets[user] : log.user_offsets[user + 1]]
            unknown = mine.count(UNKNOWN_TIME)
            known = len(mine) - unknown
            first, second = ((known * percent + 50) // 100 for percent in (80, 90))
            parts += [-1] * unknown
            parts += [int(i >= first) + int(i >= second) for i in range(known)]
        return parts
    known_times = sorted(t for t in times if t != UNKNOWN_TIME)
    default = tuple(known_times[len(known_times) * percent // 100] for percent in (80, 90))
    cuts = config.cut_times or default
    gap = config.gap_seconds
    start = first_kept_time(known_times[0], cuts[0] - gap, config.time_fraction)
    parts = []
    for t in times:
        part = int(t >= cuts[0]) + int(t >= cuts[1])
        if t == UNKNOWN_TIME or any(cut - gap <= t < cut for cut in cuts):
            part = -1
        parts.append(part)
    # What a time fraction leaves out is cut as the rest is, and dropped afterwards: see below.
    return [part - 10 if part == 0 and t < start else part for part, t in zip(parts, times)]


def by_hand(log: EventLog, config: LoggedConfig) -> dict[str, list[list[int]]]:
    """Of every split, user, start, stop and size of history of each request."""
    parts, users = part_of_events(log, config), log.users().tolist()
    real = [0 if part == -10 else part for part in parts]
    requests: list[list[int]] = []
    for i, part in enumerate(real):
        if part < 0:
            continue
        last = requests[-1][-1] if requests else -2
        gap, times = config.max_gap_seconds, log.times
        if (
            last == i - 1
            and len(requests[-1]) < config.max_candidates
            and users[i] == users[last]
            and (gap is None or int(times[i]) - int(times[last]) <= gap)
            and (not config.same_scenario or log.scenarios[i] == log.scenarios[last])
            and part == real[last]
        ):
            requests[-1].append(i)
        else:
            requests.append([i])
    tables: dict[str, list[list[int]]] = {split: [] for split in SPLITS}
    for number, request in enumerate(requests):
        user, start = users[request[0]], request[0]
        part = parts[start]
        if config.split == "leave_last":
            mine = [n for n, other in enumerate(requests) if users[other[0]] == user]
            part = 0
            if len(mine) >= 3 and number in mine[-2:]:
                part = 1 if number == mine[-2] else 2
        if part == 0 and not user_is_kept(np.array([user]), config.user_fraction)[0]:
            continue
        if part >= 0:
            row = [user, start, request[-1] + 1, start - int(log.user_offsets[user])]
            tables[SPLITS[part]].append(row)
    for split in ("validation", "test"):
        rows, most = tables[split], config.max_evaluation_requests
        if most is not None and most < len(rows):
            chosen = np.random.default_rng(0).permutation(len(rows))[:most]
            rows = [rows[i] for i in chosen]
        tables[split] = sorted(rows, key=lambda row: (row[3], row[1]))
    return tables


def found(log: EventLog, config: LoggedConfig) -> dict[str, list[list[int]]]:
    tables = {}
    for split, index in open_tables(log, config, None).splits.items():
        table = index.whole()
        history = index.history_events(np.arange(len(index)))
        rows = np.stack([table.user, table.start, table.stop, history], axis=1)
        assert table.ids.tolist() == table.start.tolist()
        assert table.time.tolist() == log.times[table.start].tolist()
        assert table.scenario.tolist() == log.scenarios[table.start].tolist()
        assert table.attributes.tolist() == log.user_attributes[table.user].tolist()
        assert index.examples == int((table.stop - table.start).sum())
        assert {column.dtype for column in vars(table).values()} == {np.dtype(np.int64)}
        tables[split] = rows.tolist()
    return tables


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("options", OPTIONS)
def test_tables_are_those_of_a_plain_loop(
    random_log: MakeLog, random_config: MakeConfig, options: dict[str, Any], seed: int
) -> None:
    log, config = random_log(seed), random_config(**options)
    assert digest_of(found(log, config)) == digest_of(by_hand(log, config))


@pytest.mark.parametrize("options", OPTIONS)
def test_the_size_of_blocks_changes_nothing(
    random_log: MakeLog,
    random_config: MakeConfig,
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log, config = random_log(1), random_config(**options)
    whole = LoggedDataset(log, config, {})
    tables, facts = found(log, config), whole.describe()
    monkeypatch.setattr(log_blocks, "BLOCK_EVENTS", 60)
    monkeypatch.setattr(request_index, "BLOCK_REQUESTS", 7)
    assert len(list(log_blocks.blocks(log))) > 5
    assert found(log, config) == tables
    dataset = LoggedDataset(log, config, {})
    assert dataset.describe() == facts
    assert dataset.schema.label_rates == whole.schema.label_rates


def test_kept_tables_are_read_instead_of_cut(
    random_log: MakeLog, random_config: MakeConfig, tmp_path: Path
) -> None:
    log, folder = random_log(0), tmp_path / "requests"
    config = random_config(max_evaluation_requests=5)
    first = open_tables(log, config, folder)
    files = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = open_tables(log, config, folder)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == files
    plain = open_tables(log, config, None)
    for tables in (first, again):
        assert tables.cut_times == plain.cut_times
        assert tables.training_actions.tolist() == plain.training_actions.tolist()
        for split in SPLITS:
            assert not tables.splits[split].starts.flags.writeable
            assert tables.num_requests(split) == plain.num_requests(split)
            expected = vars(plain.splits[split].whole())
            for name, column in vars(tables.splits[split].whole()).items():
                assert column.tolist() == expected[name].tolist()


def test_an_impossible_split_keeps_nothing(
    random_log: MakeLog, random_config: MakeConfig, tmp_path: Path
) -> None:
    late = random_config(cut_times=(3000, 10**6))
    with pytest.raises(ValueError, match="the test part holds no request"):
        open_tables(random_log(0), late, tmp_path / "requests")
    wide = random_config(gap_seconds=10**5, cut_times=(3000, 3100))
    with pytest.raises(ValueError, match="the train part holds no request"):
        open_tables(random_log(0), wide, tmp_path / "requests")
    with pytest.raises(ValueError, match=r"must ascend .*got \(3, 2\)"):
        open_tables(random_log(0), random_config(cut_times=(3, 2)), tmp_path / "requests")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_costs_time_only(
    random_log: MakeLog,
    random_config: MakeConfig,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    log, config = random_log(0), random_config()
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        tables = open_tables(log, config, tmp_path / "file" / "requests")
    assert "cannot keep generated data" in caplog.text
    assert len(tables.splits["train"]) == len(found(log, config)["train"])


MEMORY_OF_OPENING = """
import sys, tracemalloc
import numpy as np
from scaling.batch import Schema
from scaling.datasets.log import build_log
from scaling.datasets import cut_times, log_blocks, request_index
from scaling.datasets.logged import LoggedDataset
from scaling.datasets.movielens import MovieLensConfig
from pathlib import Path

count, users = 400_000, 4_000
rng = np.random.default_rng(0)
schema = Schema(50, ("like",), ((0,), (1,)), ("all",), {}, {}, 16)
log = build_log(
    schema,
    users=rng.integers(0, users, count),
    items=rng.integers(0, 50, count),
    actions=rng.integers(0, 2, count),
    scenarios=np.zeros(count, int),
    times=rng.integers(0, 10**9, count),
)
log_blocks.BLOCK_EVENTS, request_index.BLOCK_REQUESTS = 4_000, 250
cut_times._BINS = 1 << 10
tracemalloc.start()
dataset = LoggedDataset(log, MovieLensConfig(), {}, Path(sys.argv[1]))
dataset.describe()
print(tracemalloc.get_traced_memory()[1] / count)
"""


def test_opening_needs_far_less_memory_than_an_array_of_the_events(tmp_path: Path) -> None:
    """Bytes per event at the peak: one int64 array of all of them would be 8."""
    command = [sys.executable, "-c", MEMORY_OF_OPENING, str(tmp_path / "requests")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(ran.stdout) < 4


FIRST_BATCHES = """
import itertools, sys
from scaling.batch import View
from scaling.config import digest_of
from scaling.sweeps.benchmark_reading import GeneratedLog

config = GeneratedLog(users=300, events=60_000, items=90, max_candidates=4)
dataset = config.open()
views = (View(strategy="recent", length=20), View(strategy="like", length=20))
batches = itertools.islice(dataset.requests("train", views, batch_size=32, seed=3), 60)
read = [[b.requests.tolist(), b.history[1].items.tolist(), b.labels.tolist()] for b in batches]
print(config.fingerprint(), digest_of([read, list(dataset.schema.label_rates)]))
"""


@pytest.mark.slow
def test_processes_that_open_at_once_read_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an empty cache, all of them; and one that finds it filled."""
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path))

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", FIRST_BATCHES]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    together = [start() for _ in range(4)]
    told = {process.communicate()[0] for process in together}
    told.add(start().communicate()[0])
    assert len(told) == 1
    assert len(told.pop().split()) == 2
    kept = sorted(path.name.split("-")[0] for path in (tmp_path / "benchmark").iterdir())
    assert kept == ["log", "log", "requests"]
