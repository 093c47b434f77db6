"""Splits are disjoint, in order, and of the promised sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scaling.batch import Schema
from scaling.datasets.cut_times import default_cut_times, known_period, times_of_ranks
from scaling.datasets.cutting import Cutting
from scaling.datasets.log import UNKNOWN_TIME, EventLog, build_log
from scaling.datasets.log_blocks import LogBlock, blocks
from scaling.datasets.splits import Splitting, leave_last_parts, per_user_parts, temporal_parts

MakeLog = Callable[[int], EventLog]


def whole(log: EventLog) -> LogBlock:
    (block,) = blocks(log)
    return block


@pytest.mark.parametrize("events", [1, 30, 100, 10_000])
def test_blocks_hold_every_user_once_and_whole(random_log: MakeLog, events: int) -> None:
    log, seen = random_log(0), 0
    for block in blocks(log, events):
        assert block.first_user == seen
        assert block.num_users == 1 or len(block.items) <= events
        for user in range(block.num_users):
            mine = slice(block.user_offsets[user], block.user_offsets[user + 1])
            first, stop = log.user_offsets[seen : seen + 2]
            assert block.first_event + mine.start == first
            for field in ("items", "actions", "scenarios", "times"):
                expected = getattr(log, field)[first:stop].tolist()
                assert getattr(block, field)[mine].tolist() == expected
            seen += 1
    assert seen == log.num_users


@pytest.mark.parametrize("seed", range(3))
def test_a_temporal_split_is_ordered_over_all_users(random_log: MakeLog, seed: int) -> None:
    log = random_log(seed)
    first, second = default_cut_times(log)
    parts = temporal_parts(whole(log), (first, second))
    train, validation, test = (log.times[parts == part] for part in range(3))
    assert train.max() < first <= validation.min()
    assert validation.max() < second <= test.min()
    assert ((parts == -1) == (log.times == UNKNOWN_TIME)).all()
    known = (parts >= 0).sum()
    assert len(train) / known == pytest.approx(0.8, abs=0.02)
    assert len(test) / known == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("spread", [1, 1000, 10**6, 10**11])
def test_times_of_ranks_are_those_of_sorting(
    schema: Schema, random_columns: Callable[[int], dict[str, Any]], spread: int
) -> None:
    """Also where one pass of bins doesn't decide, and for times before 1970."""
    rng = np.random.default_rng(spread)
    times = rng.integers(-spread, spread, 400)
    times[:40] = UNKNOWN_TIME
    log = build_log(schema, **(random_columns(0) | {"times": times}))
    known = np.sort(log.times[log.times != UNKNOWN_TIME])
    assert known_period(log) == (360, known[0], known[-1])
    ranks = [0, 1, 100, 288, 359]
    assert times_of_ranks(log, ranks, int(known[0]), int(known[-1])) == known[ranks].tolist()
    assert default_cut_times(log) == (known[288], known[324])


def test_cut_times_can_be_given(random_log: MakeLog) -> None:
    log = random_log(0)
    parts = temporal_parts(whole(log), (2000, 3000))
    known = log.times != UNKNOWN_TIME
    expected = [0 if t < 2000 else 1 if t < 3000 else 2 for t in log.times[known]]
    assert parts[known].tolist() == expected


def test_what_lies_in_a_gap_is_history_only(random_log: MakeLog) -> None:
    log = random_log(0)
    without = temporal_parts(whole(log), (2000, 3000))
    parts = temporal_parts(whole(log), (2000, 3000), gap_seconds=300)
    inside = np.zeros(400, bool)
    for cut in (2000, 3000):
        inside |= (log.times >= cut - 300) & (log.times < cut)
    assert inside.sum() > 10
    assert (parts[inside] == -1).all()
    assert (parts[~inside] == without[~inside]).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_per_user_split_is_ordered_within_each_user(random_log: MakeLog, seed: int) -> None:
    log = random_log(seed)
    parts = per_user_parts(whole(log))
    for user in range(log.num_users):
        mine = slice(log.user_offsets[user], log.user_offsets[user + 1])
        known = parts[mine][log.times[mine] != UNKNOWN_TIME]
        assert (parts[mine][log.times[mine] == UNKNOWN_TIME] == -1).all()
        assert (np.diff(known) >= 0).all()
        counts = np.bincount(known, minlength=3)
        assert counts[0] == (len(known) * 8 + 5) // 10
        assert abs(int(counts[1]) - int(counts[2])) <= 1


def test_the_last_request_of_a_user_tests_and_the_one_before_validates(random_log: MakeLog) -> None:
    users = [0, 0, 0, 0, 2, 3, 3, 5, 5, 5]
    assert leave_last_parts(np.array(users)).tolist() == [0, 0, 1, 2, 0, 0, 0, 0, 1, 2]
    assert leave_last_parts(np.zeros(0, np.int64)).tolist() == []
    log = random_log(0)
    start, stop, parts = Splitting(rule="leave_last").requests(
        whole(log), Cutting(max_candidates=3)
    )
    owner = log.users()[start]
    for user in np.unique(owner):
        mine = parts[owner == user]
        assert mine.tolist() == [0] * (len(mine) - 2) + [1, 2]
    assert (stop > start).all()
    assert (log.times[start] != UNKNOWN_TIME).all()


def test_a_log_without_times_has_no_temporal_split(
    schema: Schema, random_columns: Callable[[int], dict[str, Any]]
) -> None:
    log = build_log(schema, **(random_columns(0) | {"times": np.full(400, UNKNOWN_TIME)}))
    with pytest.raises(ValueError, match="no event has a known one"):
        default_cut_times(log)
    assert (per_user_parts(whole(log)) == -1).all()
