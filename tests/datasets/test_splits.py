"""Splits are disjoint, in order, and of the promised sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scaling.batch import Schema
from scaling.datasets.log import UNKNOWN_TIME, EventLog, build_log
from scaling.datasets.splits import per_user_parts, temporal_parts

MakeLog = Callable[[int], EventLog]


@pytest.mark.parametrize("seed", range(3))
def test_a_temporal_split_is_ordered_over_all_users(random_log: MakeLog, seed: int) -> None:
    log = random_log(seed)
    parts, (first, second) = temporal_parts(log)
    train, validation, test = (log.times[parts == part] for part in range(3))
    assert train.max() < first <= validation.min()
    assert validation.max() < second <= test.min()
    assert ((parts == -1) == (log.times == UNKNOWN_TIME)).all()
    known = (parts >= 0).sum()
    assert len(train) / known == pytest.approx(0.8, abs=0.02)
    assert len(test) / known == pytest.approx(0.1, abs=0.02)


def test_cut_times_can_be_given(random_log: MakeLog) -> None:
    log = random_log(0)
    parts, cut_times = temporal_parts(log, (2000, 3000))
    assert cut_times == (2000, 3000)
    known = log.times != UNKNOWN_TIME
    expected = [0 if t < 2000 else 1 if t < 3000 else 2 for t in log.times[known]]
    assert parts[known].tolist() == expected
    with pytest.raises(ValueError, match=r"must ascend .*got \(3, 2\)"):
        temporal_parts(log, (3, 2))


@pytest.mark.parametrize("seed", range(3))
def test_a_per_user_split_is_ordered_within_each_user(random_log: MakeLog, seed: int) -> None:
    log = random_log(seed)
    parts = per_user_parts(log)
    for user in range(log.num_users):
        mine = slice(log.user_offsets[user], log.user_offsets[user + 1])
        known = parts[mine][log.times[mine] != UNKNOWN_TIME]
        assert (parts[mine][log.times[mine] == UNKNOWN_TIME] == -1).all()
        assert (np.diff(known) >= 0).all()
        counts = np.bincount(known, minlength=3)
        assert counts[0] == (len(known) * 8 + 5) // 10
        assert abs(int(counts[1]) - int(counts[2])) <= 1


def test_a_log_without_times_has_no_temporal_split(
    schema: Schema, random_columns: Callable[[int], dict[str, Any]]
) -> None:
    log = build_log(schema, **(random_columns(0) | {"times": np.full(400, UNKNOWN_TIME)}))
    with pytest.raises(ValueError, match="no event has a known one"):
        temporal_parts(log)
    assert (per_user_parts(log) == -1).all()
