"""KuaiRec, Spotify's sessions and 30Music: hand-computed events of small files in their formats."""

from __future__ import annotations

from typing import Any

import pytest

from scaling.datasets.kuairec import KuaiRecConfig
from scaling.datasets.log import UNKNOWN_TIME

ENDED = "training_set/log_0_20180715_000000000000.csv"
EVENTS = "relations/events.idomaar"
LOVE = "relations/love.idomaar"


def test_kuairec_labels_by_watch_ratio_and_drops_repeats(prepared: Any) -> None:
    found = prepared("kuairec")
    assert found.events == [
        (0, 3649, 1593878903, 1, "all"),
        (0, 9598, 1593879221, 1, "all"),
        (0, 5262, 1593879366, 0, "all"),
        (21, 9598, 1593878400, 2, "all"),
    ]
    assert found.facts["duplicates_removed"] == 1
    assert found.log.schema.action_labels == ((0, 0), (1, 0), (1, 1))
    assert {item: row["tag"] for item, row in found.items.items()} == {3649: 8, 9598: 27, 5262: 9}
    assert found.users[0]["follow_user_num_range"] == "(0,10]"
    assert found.users[21]["register_days_range"] == "181-365"


def test_kuairec_keeps_impressions_without_a_time(prepared: Any) -> None:
    found = prepared("kuairec", matrix="small")
    assert found.events == [
        (14, 3649, UNKNOWN_TIME, 2, "all"),
        (14, 148, 1593898068, 0, "all"),
        (14, 183, 1593898080, 1, "all"),
    ]
    assert found.facts["events_of_unknown_time"] == 1
    assert found.items[183]["tag"] is None
    with pytest.raises(ValueError, match=r"kuairec\.matrix must be one of big, small"):
        KuaiRecConfig(matrix="large")  # type: ignore[arg-type]


def test_kuairec_names_a_bad_tag_and_a_bad_time(prepared: Any, examples: Any) -> None:
    files = next(e.files for e in examples if e.name == "kuairec")
    tags = files["data/item_categories.csv"] + b"7,[a]\n"
    with pytest.raises(ValueError, match=r"item_categories\.csv, line 6, column 'feat': '\[a\]'"):
        prepared("kuairec", {"data/item_categories.csv": tags})
    far = files["data/big_matrix.csv"].replace(b"1593878400.0", b"1593878400000")
    with pytest.raises(ValueError, match=r"big_matrix\.csv, line 6, column 'timestamp': .*seconds"):
        prepared("kuairec", {"data/big_matrix.csv": far})


def test_a_session_is_a_user_in_the_order_of_positions(prepared: Any) -> None:
    found = prepared("spotify_sessions")
    sixteen, midnight = 1531670400, 1531699200  # 15 July 2018, 16:00; 16 July, 0:00
    assert found.events == [
        ("0_00006f66", "t_0479f24c", sixteen, 3, "user_collection"),
        ("0_00006f66", "t_9099cd7b", sixteen, 3, "user_collection"),
        ("0_00006f66", "t_0479f24c", sixteen, 0, "radio"),
        ("1_0000a72b", "t_0479f24c", midnight - 3600, 0, "user_collection"),
        ("1_0000a72b", "t_64f3743c", midnight, 1, "user_collection"),
    ]
    assert found.log.schema.action_labels == ((0, 0), (1, 0), (0, 1), (1, 1))
    facts = {name: found.facts[name] for name in ("sessions", "sessions_ended", "times_raised")}
    assert facts == {"sessions": 2, "sessions_ended": 2, "times_raised": 1}


def test_tracks_and_sessions_have_attributes(prepared: Any) -> None:
    found = prepared("spotify_sessions")
    known = found.items["t_0479f24c"]
    assert [known[name] for name in ("release_year", "duration", "key", "mode")] == [
        2018,
        14,  # half octaves: 128 * sqrt(2) = 181.02 s are 15
        1,
        "major",
    ]
    assert found.items["t_9099cd7b"]["duration"] == 16
    assert found.items["t_64f3743c"]["mode_code"] == 0
    assert [found.users[user]["premium"] for user in ("0_00006f66", "1_0000a72b")] == [True, False]


def test_a_session_that_is_cut_off_is_counted(prepared: Any, examples: Any) -> None:
    files = next(e.files for e in examples if e.name == "spotify_sessions")
    short = b"".join(files[ENDED].splitlines(keepends=True)[:-1])
    found = prepared("spotify_sessions", {ENDED: short})
    assert (found.facts["sessions"], found.facts["sessions_ended"]) == (2, 1)
    wrong = files[ENDED].replace(b"radio", b"party")
    with pytest.raises(
        ValueError, match=r"line 4, column 'context_type': 'party' .*valid: catalog"
    ):
        prepared("spotify_sessions", {ENDED: wrong})


def test_a_play_of_half_the_track_is_told_from_less(prepared: Any) -> None:
    found = prepared("thirty_music")
    assert found.events == [
        (5, 7, 1390209860, 0, "all"),
        (44361, 9, UNKNOWN_TIME, 2, "all"),
        (44361, 7, 1390209860, 1, "all"),
        (44361, 8, 1390209860, 2, "all"),
        (44361, 8, 1390209960, 0, "all"),
        (44361, 9, 1390210060, 0, "all"),
    ]
    assert found.log.schema.action_labels == ((1, 0, 0), (1, 1, 0), (0, 0, 1))
    # One play without a length, one of a track without a duration.
    assert found.facts["plays_of_unknown_share"] == 2
    assert (found.facts["plays"], found.facts["loves"]) == (4, 2)


def test_tracks_and_listeners_have_attributes(prepared: Any) -> None:
    found = prepared("thirty_music")
    tracks = {i: [row[n] for n in ("artist", "album", "tag")] for i, row in found.items.items()}
    assert tracks == {7: [340951, None, None], 8: [2, 5, 11], 9: [None, None, None]}
    users = {u: [row[n] for n in ("gender", "country")] for u, row in found.users.items()}
    assert users == {44361: ["f", "US"], 5: [None, None]}


def test_tabs_and_blanks_between_the_objects_mean_the_same(prepared: Any, examples: Any) -> None:
    files = next(e.files for e in examples if e.name == "thirty_music")
    blanks = files[EVENTS].replace(b"}\t{", b"}  {")
    tabs = files[LOVE].replace(b"}    {", b"}\t{")
    assert prepared("thirty_music", {EVENTS: blanks, LOVE: tabs}).events == (
        prepared("thirty_music").events
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"objects":[{"type":"track","id":9}]', b'"objects":[]', "line 4, column 'relations'"),
        (b'"id":9}]', b'"id":"x"}]', "line 4, column 'relations'"),
        (b'{"playtime":250}', b'{"playtime":250', "line 4, column 'relations'"),
        (b"event.play\t3", b"event.skip\t3", "line 4, column 'kind': 'event.skip' is not valid"),
        (b"1390210060", b"1390210060000", "line 4, column 'time': .*seconds since 1970"),
    ],
)
def test_a_bad_relation_is_named(
    prepared: Any, examples: Any, old: bytes, new: bytes, message: str
) -> None:
    files = next(e.files for e in examples if e.name == "thirty_music")
    assert old in files[EVENTS]
    with pytest.raises(ValueError, match=rf"events\.idomaar, {message}"):
        prepared("thirty_music", {EVENTS: files[EVENTS].replace(old, new)})
