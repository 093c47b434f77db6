"""Small files in exactly the official formats, one example or more of every source."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from scaling.datasets.base import DATASETS
from scaling.datasets.log import EventLog
from scaling.datasets.store import load_log


@dataclass(frozen=True)
class Example:
    """The files of a source, and what it must make of them."""

    name: str
    files: Mapping[str, bytes]
    """By path in the folder; those ending in .gz are packed when they are written."""
    rows: int
    """Of all files that hold events."""
    events: int
    users: int
    items: int
    options: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Path, files: Mapping[str, bytes] | None = None) -> Any:
        """The configuration that reads these files (or others of the same names) in the folder."""
        for name, content in (self.files if files is None else files).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
        kind: Any = DATASETS.get(self.name)
        return kind(path=str(folder), **self.options)


TAOBAO = b"""\
1,2268318,2520377,pv,1511544070
1,2333346,2520771,pv,1511561733
1,2333346,2520771,cart,1511561733
100,2268318,2520377,fav,1512316799
100,2268318,99,buy,1512316800
100,5,7,pv,-2134949234
1000004,5,8,buy,1511539200
"""

KUAIREC = {
    "data/big_matrix.csv": b"""\
user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio
0,3649,13838,10867,2020-07-05 00:08:23.438,20200705,1593878903.438,1.2733965215790926
0,9598,13665,10984,2020-07-05 00:13:41.297,20200705,1593879221.297,1.2440823015294975
0,5262,851,7908,2020-07-05 00:16:06.687,20200705,1593879366.687,0.1076125442589782
0,5262,851,7908,2020-07-05 00:16:06.687,20200705,1593879366.687,0.1076125442589782
21,9598,30000,10984,2020-07-05 00:00:00.0,20200705,1593878400.0,2.7312454479242536
""",
    "data/small_matrix.csv": b"""\
user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio
14,148,4381,6067,2020-07-05 05:27:48.378,20200705.0,1593898068.378,0.7221031811438932
14,183,11635,6100,2020-07-05 05:28:00.057,20200705.0,1593898080.057,1.9073770491803279
14,3649,20112,9986,,,,2.014019627478470
""",
    "data/item_categories.csv": b'video_id,feat\n3649,[8]\n9598,"[27, 9]"\n5262,[9]\n148,[8]\n',
    "data/user_features.csv": b"""\
user_id,user_active_degree,is_lowactive_period,follow_user_num,follow_user_num_range,\
register_days,register_days_range
0,high_active,0,5,"(0,10]",107,61-90
14,full_active,0,386,"(250,500]",225,181-365
21,full_active,0,27,"(10,50]",327,181-365
""",
}

RATINGS_2014 = b"""\
AH2L9G3DQHHAJ,0000000116,4.0,1019865600
A2IIIDRK3PRRZY,0000000116,1.0,1395619200
AH2L9G3DQHHAJ,0000000868,4.0,1031702400
AH2L9G3DQHHAJ,0000013714,5.0,1019865600
"""

RATINGS_2018 = b"""\
0001713353,A1C6M8LCIX4M6M,5.0,1123804800
0001713353,A1REUF3A1YCPHM,0.0,1112140800
0001713353,A1C6M8LCIX4M6M,5.0,1123804800
0001061240,A1REUF3A1YCPHM,3.0,1112140800
"""

REVIEWS_2018 = b"""\
{"overall": 5.0, "verified": false, "reviewTime": "03 30, 2005", "reviewerID": "A1REUF3A1YCPHM", \
"asin": "0001713353", "style": {"Format:": " Hardcover"}, "reviewerName": "TW Ervin II", \
"reviewText": "The King, the \\"Mice\\"\\nand the Cheese", "unixReviewTime": 1112140800}
{"overall": 2.0, "vote": "5", "verified": true, "reviewTime": "08 12, 2005", \
"reviewerID": "AVP0HXC9FG790", "asin": "0001713353", "unixReviewTime": 1123804800}
"""

RATINGS_2023 = b"""\
user_id,parent_asin,rating,timestamp
AFKZENTNBQ7A7V7UXW5JJI6UGRYQ,B0BGNG1294,5.0,1392062400000
AFKZENTNBQ7A7V7UXW5JJI6UGRYQ,B07DQ4Y8CP,2.0,1588687728923
AGKASBHYZPGTEPO6LWZPVJWB2BVA,B07DQ4Y8CP,4.0,1589665266896
"""

REVIEWS_2023 = b"""\
{"rating": 1.0, "title": "Not a watercolor book! Seems like copies imo.", \
"text": "It is\xe2\x80\xa6", \
"images": [], "asin": "B09BGPFTDB", "parent_asin": "B09BGPFTDB", "user_id": \
"AFKZENTNBQ7A7V7UXW5JJI6UGRYQ", "timestamp": 1642399598485, "helpful_vote": 0, \
"verified_purchase": true}
{"rating": 4, "title": "", "text": "", "images": [{"small_image_url": "https://m/I/81aG.jpg"}], \
"asin": "1640492666", "parent_asin": "1640492677", "user_id": "AGKASBHYZPGTEPO6LWZPVJWB2BVA", \
"timestamp": 1589665266052, "helpful_vote": 2, "verified_purchase": false}
"""

SESSION_HEADER = (
    "session_id,session_position,session_length,track_id_clean,skip_1,skip_2,skip_3,not_skipped,"
    "context_switch,no_pause_before_play,short_pause_before_play,long_pause_before_play,"
    "hist_user_behavior_n_seekfwd,hist_user_behavior_n_seekback,hist_user_behavior_is_shuffle,"
    "hour_of_day,date,premium,context_type,hist_user_behavior_reason_start,"
    "hist_user_behavior_reason_end\n"
)


def session_row(
    session: str, position: int, length: int, track: str, skips: str, hour: int, date: str
) -> str:
    """A row of the logs; `skips` are skip_1, skip_2, skip_3 and not_skipped as t and f."""
    flags = ",".join({"t": "true", "f": "false"}[flag] for flag in skips)
    premium = str(session.startswith("0")).lower()
    context = "radio" if position > 2 else "user_collection"
    return (
        f"{session},{position},{length},t_{track},{flags},0,0,0,0,0,0,true,{hour},{date},{premium},"
        f"{context},trackdone,trackdone\n"
    )


SESSIONS = {
    "training_set/log_0_20180715_000000000000.csv": (
        SESSION_HEADER
        + session_row("0_00006f66", 1, 3, "0479f24c", "ffft", 16, "2018-07-15")
        + session_row("0_00006f66", 2, 3, "9099cd7b", "ffft", 16, "2018-07-15")
        + session_row("0_00006f66", 3, 3, "0479f24c", "tttf", 15, "2018-07-15")
    ).encode(),
    "training_set/log_0_20180716_000000000000.csv.gz": (
        SESSION_HEADER
        + session_row("1_0000a72b", 2, 2, "64f3743c", "fftf", 0, "2018-07-16")
        + session_row("1_0000a72b", 1, 2, "0479f24c", "fttf", 23, "2018-07-15")
    ).encode(),
    "track_features/tf_000000000000.csv": b"""\
track_id,duration,release_year,us_popularity_estimate,acousticness,key,mode,tempo
t_0479f24c,181.0,2018,99.9,0.11,1,major,120.5
t_9099cd7b,256,1999,99.1,0.45798,0,minor,99.25
""",
}


def related(user: int, track: int, blank: str = " ") -> str:
    return (
        f'{{"subjects":[{{"type":"user","id":{user}}}],{blank}'
        f'"objects":[{{"type":"track","id":{track}}}]}}'
    )


THIRTY_MUSIC = {
    "relations/events.idomaar": "".join(
        f'event.play\t{number}\t{time}\t{{"playtime":{seconds}}}\t{related(user, track)}\n'
        for number, (time, seconds, user, track) in enumerate(
            [(1390209860, 100, 44361, 7), (1390209960, 99, 44361, 8), (1390209860, -1, 5, 7),
             (1390210060, 250, 44361, 9)]
        )
    ).encode(),
    "relations/love.idomaar": "".join(
        f'preference\t{number}\t{time}\t{{"value":"love"}}    {related(user, track, "")}\n'
        for number, (time, user, track) in enumerate([(1390209860, 44361, 8), (-1, 44361, 9)])
    ).encode(),
    "entities/tracks.idomaar": (
        b'track\t7\t-1\t{"duration":200000,"playcount":4,"MBID":null,"name":"A%7D/_/Sun"}\t'
        b'{"artists":[{"type":"person","id":340951},{"type":"person","id":2}],"albums":null,'
        b'"tags":[]}\n'
        b'track\t8\t-1\t{"duration":200000,"playcount":1,"MBID":null,"name":"B/_/One"}\t'
        b'{"artists":[{"type":"person","id":2}],"albums":[{"type":"album","id":5}],'
        b'"tags":[{"type":"tag","id":11},{"type":"tag","id":12}]}\n'
        b'track\t9\t-1\t{"duration":-1,"playcount":9,"MBID":null,"name":"B/_/Two"}\t'
        b'{"artists":[],"albums":[],"tags":[]}\n'
    ),
    "entities/users.idomaar": (
        b'user\t44361\t1116715959\t{"lovedcount":2,"gender":"f","age":29,"country":"US",'
        b'"playcount":4,"subscribertype":"base"}\t{}\n'
        b'user\t5\t1187900000\t{"lovedcount":0,"gender":"","country":"","playcount":1,'
        b'"subscribertype":"base"}\t{}\n'
    ),
}  # fmt: skip


def yambda() -> bytes:
    """`multi_event.parquet` with four events."""
    table = pa.table(
        {
            "uid": pa.array([100, 100, 100, 200], pa.uint32()),
            "timestamp": pa.array([5, 10, 10, 35], pa.uint32()),
            "item_id": pa.array([7, 8, 8, 7], pa.uint32()),
            "is_organic": pa.array([0, 1, 1, 0], pa.uint8()),
            "event_type": pa.array(["listen", "listen", "like", "dislike"]),
            "played_ratio_pct": pa.array([100, 20, None, None], pa.uint16()),
        }
    )
    buffer = io.BytesIO()
    pa_parquet.write_table(table, buffer)
    return buffer.getvalue()


TABLE = b'''\
user_id,item_id,timestamp,what,"where, and how"
a,x,2020-01-01 00:00:00,click,"home, top"
b,"y ""2""",2020-01-02T00:00:00Z,click,search
b,x,2020-01-02,buy,"home, top"
007,x,2020-01-03 12:00:00.5,click,"
"
'''

TABLE_OPTIONS = {"action": "what", "scenario": "where, and how"}


def stored(name: str) -> dict[str, bytes]:
    """Files that are kept in a folder of `files`, by path."""
    folder = Path(__file__).parent / "files" / name
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


EXAMPLES = [
    Example("taobao", {"UserBehavior.csv": TAOBAO}, 7, 5, 3, 3),
    Example("kuairec", KUAIREC, 5, 4, 2, 3),
    Example("kuairec", KUAIREC, 3, 3, 1, 3, {"matrix": "small"}),
    Example("amazon", {"ratings_Books.csv": RATINGS_2014}, 4, 4, 2, 3, {"edition": "2014 ratings"}),
    Example("amazon", {"Books.csv": RATINGS_2018}, 4, 3, 2, 2, {"edition": "2018 ratings"}),
    Example("amazon", {"Books.json.gz": REVIEWS_2018}, 2, 2, 2, 1, {"edition": "2018 reviews"}),
    Example("amazon", {"Books.csv.gz": RATINGS_2023}, 3, 3, 2, 2, {"edition": "2023 ratings"}),
    Example("amazon", {"Books.jsonl": REVIEWS_2023}, 2, 2, 2, 2, {"edition": "2023 reviews"}),
    Example("spotify_sessions", SESSIONS, 5, 5, 2, 3),
    Example("thirty_music", THIRTY_MUSIC, 6, 6, 2, 3),
    Example("yambda", {"flat/50m/multi_event.parquet": yambda()}, 4, 4, 2, 2),
    Example("table", {"events.csv": TABLE}, 4, 4, 3, 2, TABLE_OPTIONS),
    Example("kuairand-1k", stored("kuairand-1k"), 7, 5, 2, 4),
    Example("kuairand-1k", stored("kuairand-1k"), 9, 7, 2, 4, {"random": True}),
    Example("kuairand-27k", stored("kuairand-27k"), 6, 5, 3, 3),
    Example("movielens-100k", stored("movielens-100k"), 5, 5, 3, 5),
    Example("movielens-100k", stored("movielens-100k-recbole"), 5, 5, 3, 5),
    Example("movielens-20m", stored("movielens-20m"), 6, 6, 3, 4),
    Example("movielens-32m", stored("movielens-32m"), 3, 3, 2, 3),
]


def title(example: Example) -> str:
    return " ".join([example.name, *map(str, example.options.values())])


@pytest.fixture(params=EXAMPLES, ids=title)
def example(request: pytest.FixtureRequest) -> Example:
    """Each example in turn."""
    found: Example = request.param
    return found


@pytest.fixture
def examples() -> list[Example]:
    return EXAMPLES


@dataclass(frozen=True)
class Prepared:
    """A prepared log by official ids."""

    events: list[tuple[Any, ...]]
    """User, item, time, action, scenario (by name), in the log's order."""
    users: dict[Any, dict[str, Any]]
    items: dict[Any, dict[str, Any]]
    """Attributes by official id."""
    facts: dict[str, Any]
    log: EventLog


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., Prepared]:
    """Prepares the files of the example with these options, or others of their names."""

    def prepare(name: str, files: Mapping[str, bytes] | None = None, **options: Any) -> Prepared:
        found = [e for e in EXAMPLES if e.name == name]
        example = next((e for e in found if e.options == options), found[0])
        folder = tmp_path / f"files{len(list(tmp_path.iterdir()))}"
        config = replace(example, options=options).write(folder, {**example.files, **(files or {})})
        path = config.prepare()
        log, facts = load_log(path)
        users, items = (
            pa_parquet.read_table(path / f"{kind}.parquet").to_pylist()
            for kind in ("users", "items")
        )
        events = zip(log.users(), log.items, log.times, log.actions, log.scenarios, strict=True)
        return Prepared(
            [
                (users[u]["id"], items[i]["id"], int(t), int(a), log.schema.scenarios[s])
                for u, i, t, a, s in events
            ],
            {row["id"]: row for row in users},
            {row["id"]: row for row in items},
            facts,
            log,
        )

    return prepare
