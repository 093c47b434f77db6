"""What KuaiRand's users did before the log begins: lists whose order alone is known.

A parquet file with one row per user: `watch_seq` (videos shown), `like_seq` and `long_watch_seq`
(those of them with the feedback), oldest first, each cut to the last 50 on its own, so that the
sparser lists reach further back; `last_time_ms` of the newest event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    """One list (video, long view, like), oldest first; the order within each list is kept.

    Seen from the newest event, each sparser list is a part of the watched ones in the same order
    (true of all but 2 of KuaiRand-Pure's 52,938 lists), until it reaches further back than they do.
    Those older events stand before them. Among these, a like that is no long view stands as early
    as its list allows: the likes, being fewer, reach back furthest.
    """
    long_at = _align(watched, long_watched)
    liked_at = _align(watched, liked)
    older_long = long_watched[: len(long_watched) - len(long_at)]
    older_liked = liked[: len(liked) - len(liked_at)]
    both_at = _align(older_long, older_liked, gaps=True)
    matched = set(both_at.values())

    def likes_alone(first: int) -> Iterator[tuple[int, bool, bool]]:
        for place in range(first, len(older_liked)):
            if place in matched:
                return
            yield older_liked[place], False, True

    merged = list(likes_alone(0))
    for place, video in enumerate(older_long):
        merged.append((video, True, place in both_at))
        if place in both_at:
            merged.extend(likes_alone(both_at[place] + 1))
    merged.extend((video, i in long_at, i in liked_at) for i, video in enumerate(watched))
    return merged


def _align(whole: Sequence[int], part: Sequence[int], *, gaps: bool = False) -> dict[int, int]:
    """From places in `whole` to the places in `part` of the same events, matched from the newest.

    Stops at the first event of `part` that `whole` lacks, or leaves it out if `gaps` are expected.
    """
    places: dict[int, int] = {}
    at = len(whole)
    for mine in reversed(range(len(part))):
        place = at - 1
        while place >= 0 and whole[place] != part[mine]:
            place -= 1
        if place >= 0:
            places[place] = mine
            at = place
        elif not gaps:
            break
    return places
