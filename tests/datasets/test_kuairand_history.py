"""The lists of KuaiRand's history become one, and one that tells the labels is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from scaling.datasets.kuairand_history import LISTS, merge_lists, read_history


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        (([1, 2, 3], [2], [3]), [(1, False, False), (2, True, False), (3, False, True)]),
        (([1, 1], [1], [1]), [(1, False, False), (1, True, True)]),
        (([5], [8, 9, 5], []), [(8, True, False), (9, True, False), (5, True, False)]),
        (
            ([5], [8, 9], [7, 9]),
            [(7, False, True), (8, True, False), (9, True, True), (5, False, False)],
        ),
        (([], [], []), []),
    ],
)
def test_lists_are_merged_from_their_newest_events(
    lists: tuple[list[int], list[int], list[int]], expected: list[tuple[int, bool, bool]]
) -> None:
    assert merge_lists(*lists) == expected


@pytest.mark.parametrize("seed", range(20))
def test_merging_recovers_a_past_that_the_lists_cut_off(seed: int) -> None:
    """Of a true past, cut list by list, the lists of the merged one are the cut ones again."""
    rng = np.random.default_rng(seed)
    videos = rng.permutation(60).tolist()
    long_view, like = rng.random((2, 60)) < [[0.4], [0.1]]
    watched = videos[-20:]
    long_watched = [v for v, yes in zip(videos, long_view) if yes][-20:]
    liked = [v for v, yes in zip(videos, like) if yes][-20:]
    merged = merge_lists(watched, long_watched, liked)
    assert [video for video, _, _ in merged][-20:] == watched
    assert [video for video, yes, _ in merged if yes] == long_watched
    assert [video for video, _, yes in merged if yes] == liked
    assert len(merged) == len({video for video, _, _ in merged})


def write_history(path: Path, rows: list[dict[str, Any]]) -> Path:
    pa_parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


def past(user: int, last: int, *lists: list[int]) -> dict[str, Any]:
    return {"user_id": user, "last_time_ms": last, **dict(zip(LISTS, lists))}


def test_users_without_impressions_or_with_a_tie_have_no_history(tmp_path: Path) -> None:
    rows = [past(user, 10, [user], [], [user]) for user in range(5)]
    history = read_history(write_history(tmp_path / "h", rows), {0: 11, 1: 10, 3: 99})
    assert history.users.tolist() == history.videos.tolist() == [0, 3]
    assert history.likes.tolist() == [True, True]
    assert history.long_views.tolist() == [False, False]
    assert history.users_left_out == 1


def test_a_history_that_tells_the_labels_is_refused(tmp_path: Path) -> None:
    path = write_history(tmp_path / "h", [past(user, 10, [0], [], []) for user in (3, 7)])
    with pytest.raises(ValueError, match=r"first impression of 2 of 2 users: it is no history"):
        read_history(path, {3: 5, 7: 5})


def test_damaged_histories_are_named(tmp_path: Path) -> None:
    path = write_history(tmp_path / "h", [past(3, 0, [0], [], [])])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="h is no whole parquet file"):
        read_history(path, {3: 5})
    write_history(path, [{"user_id": 3}])
    with pytest.raises(ValueError, match="h has no column 'last_time_ms'; it holds"):
        read_history(path, {3: 5})
    write_history(path, [past(3, 0, [0], [], []), past(7, 0, [0], [], []) | {"like_seq": None}])
    with pytest.raises(ValueError, match="h, row 1, column 'like_seq' is empty"):
        read_history(path, {3: 5})
