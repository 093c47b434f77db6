"""What KuaiRand's users did before the log begins: lists whose order alone is known.

A parquet file with one row per user: `watch_seq` (videos shown), `like_seq` and `long_watch_seq`
(those of them with the feedback), oldest first, each cut to the last 50 on its own, so that the
sparser lists reach further back; `last_time_ms` of the newest event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pa_parquet

Ints = npt.NDArray[np.int64]

LISTS = ("watch_seq", "long_watch_seq", "like_seq")


@dataclass(frozen=True, eq=False)
class History:
    """Events of unknown time, of each user oldest first."""

    users: Ints
    """[E]: `user_id`."""
    videos: Ints
    """[E]: `video_id`."""
    long_views: npt.NDArray[np.bool_]
    """[E]"""
    likes: npt.NDArray[np.bool_]
    """[E]"""
    users_left_out: int
    """Users whose newest event is not before their first impression."""


def read_history(path: Path, first_impression_ms: dict[int, int]) -> History:
    """Merges the three lists of each user who has impressions.

    Args:
        first_impression_ms: by `user_id`, the time of the first impression of the log.

    Raises:
        ValueError: an unreadable file, a missing column, or a history that overlaps the log of
            many users (it would tell the labels).
    """
    columns = ("user_id", "last_time_ms", *LISTS)
    try:
        table = pa_parquet.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path} is no whole parquet file ({error})") from error
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise ValueError(f"{path} has no column {missing[0]!r}; it holds {table.column_names}")
    users: list[int] = []
    events: list[tuple[int, bool, bool]] = []
    for name in columns:
        if table[name].null_count:
            row = table[name].is_null().index(True).as_py()
            raise ValueError(f"{path}, row {row}, column {name!r} is empty; every user needs one")
    overlapping = matched = 0
    for user, last, *lists in zip(*(table[name].to_pylist() for name in columns)):
        first = first_impression_ms.get(user)
        if first is None:
            continue
        matched += 1
        # Of equal times it can't be said which came first: the event may be the impression itself.
        if last >= first:
            overlapping += 1
            continue
        merged = merge_lists(*lists)
        users.extend([user] * len(merged))
        events.extend(merged)
    if overlapping > max(0.01 * matched, 1):
        raise ValueError(
            f"{path} holds events at or after the first impression of {overlapping} of {matched} "
            "users: it is no history of this log; leave out the log files that it covers"
        )
    rows = np.array(events, np.int64).reshape(-1, 3)
    return History(
        users=np.array(users, np.int64),
        videos=rows[:, 0],
        long_views=rows[:, 1].astype(bool),
        likes=rows[:, 2].astype(bool),
        users_left_out=overlapping,
    )


def merge_lists(
    watched: Sequence[int], long_watched: Sequence[int], liked: Sequence[int]
) -> list[tuple[int, bool, bool]]:
    """One list (video, long view, like), oldest first.

    Seen from the newest event, each sparser list is a part of the watched ones in the same order,
    until it reaches further back than they do. Those older events stand before them; where only
    their order within each list is known, a like stands before the long views it may follow.
    """
    long_at, older_long = _align(watched, long_watched)
    liked_at, older_liked = _align(watched, liked)
    like_of_long, older_only_liked = _align(older_long, older_liked)
    return [
        *((video, False, True) for video in older_only_liked),
        *((video, True, i in like_of_long) for i, video in enumerate(older_long)),
        *((video, i in long_at, i in liked_at) for i, video in enumerate(watched)),
    ]


def _align(whole: Sequence[int], part: Sequence[int]) -> tuple[set[int], Sequence[int]]:
    """The places in `whole` of the newest items of `part`, and the older ones that it lacks."""
    places: set[int] = set()
    at = len(whole)
    for left in range(len(part), 0, -1):
        place = at - 1
        while place >= 0 and whole[place] != part[left - 1]:
            place -= 1
        if place < 0:
            return places, part[:left]
        places.add(place)
        at = place
    return places, ()
