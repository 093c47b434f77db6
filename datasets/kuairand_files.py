"""KuaiRand's files as they are published: logs of impressions, users and videos.

Gao et al., KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly Exposed Videos,
CIKM 2022. Pure, 1K and 27K name their files alike.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scaling.datasets.tables import Kind, Table, check_values, read_table

Ints = npt.NDArray[np.int64]

NUM_TABS = 15
FLAGS = ("is_click", "long_view", "is_like")
"""The feedback that is read, in the order of the bits of an action."""

USER_COLUMNS = ("user_active_degree", "follow_user_num_range", "register_days_range")


@dataclass(frozen=True)
class KuaiRandFiles:
    """The files of one folder that are read."""

    logs: tuple[Path, ...]
    """The standard logs in order of time; the random one is left out: its exposure differs."""
    users: Path
    videos: Path

    def all(self) -> tuple[Path, ...]:
        return (*self.logs, self.users, self.videos)


def find_files(folder: Path) -> KuaiRandFiles:
    """The files in `folder/data`, or in `folder` itself; `ValueError` names what is missing."""
    data = folder / "data" if (folder / "data").is_dir() else folder
    logs = tuple(sorted(data.glob("log_standard_*.csv")))
    if not logs:
        raise ValueError(
            f"{data} holds no log_standard_*.csv; expected KuaiRand's own files, such as "
            "data/log_standard_4_22_to_5_08_pure.csv"
        )
    return KuaiRandFiles(
        logs=logs,
        users=_only(data, "user_features_*.csv"),
        videos=_only(data, "video_features_basic_*.csv"),
    )


def read_log(paths: Sequence[Path]) -> Table:
    """Impressions in order of time: `user_id`, `video_id`, `time_ms`, `tab` and `FLAGS`.

    The sort is stable: 3.3 % of the rows share user and millisecond with an earlier one.
    """
    kinds: dict[str, Kind] = dict.fromkeys(("user_id", "video_id", "time_ms", "tab", *FLAGS), "int")
    tables = []
    for path in paths:
        table = read_table(path.read_bytes(), str(path), kinds, separator=",", quoting=True)
        for flag in FLAGS:
            values = table[flag]
            check_values(str(path), flag, values, (values == 0) | (values == 1), "0, 1")
        tab, time = table["tab"], table["time_ms"]
        check_values(str(path), "tab", tab, (tab >= 0) & (tab < NUM_TABS), f"0 .. {NUM_TABS - 1}")
        check_values(str(path), "time_ms", time, time > 10**12, "milliseconds since 1970")
        tables.append(table)
    together = {name: np.concatenate([table[name] for table in tables]) for name in kinds}
    order = np.argsort(together["time_ms"], kind="stable")
    return {name: column[order] for name, column in together.items()}


def without_repeats(log: Table) -> tuple[Table, int]:
    """The log without rows that repeat an earlier (user, video, time), and how many they were."""
    keys = np.stack([log["user_id"], log["video_id"], log["time_ms"]])
    order = np.lexsort(keys[::-1])
    repeats = np.zeros(len(order), bool)
    # The sort is stable, so of equal rows the first one stands first and is kept.
    repeats[order[1:]] = (keys[:, order[1:]] == keys[:, order[:-1]]).all(0)
    return {name: column[~repeats] for name, column in log.items()}, int(repeats.sum())


def read_users(path: Path) -> Table:
    """`user_id` and `USER_COLUMNS`, each user once."""
    columns: dict[str, Kind] = {"user_id": "int", **dict.fromkeys(USER_COLUMNS, "str")}
    return _keyed(path, "user_id", columns)


def read_videos(path: Path) -> Table:
    """`video_id`, `author_id`, `tag` (ids joined by commas), `video_duration` (ms, NaN if empty)."""
    columns: dict[str, Kind] = {"video_id": "int", "author_id": "int"}
    table = _keyed(path, "video_id", columns | {"tag": "str", "video_duration": "str"})
    text = table["video_duration"]
    numbers = np.array([bool(re.fullmatch(r"(\d+(\.\d*)?)?", value)) for value in text])
    check_values(str(path), "video_duration", text, numbers, "milliseconds, or nothing")
    return table | {"video_duration": np.array([float(value or "nan") for value in text])}


def file_digest(path: Path) -> str:
    """SHA-256 of a file; read again only when its size or time of change is another."""
    stat = path.stat()
    return _file_digest(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _file_digest(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _keyed(path: Path, key: str, columns: dict[str, Kind]) -> Table:
    table = read_table(path.read_bytes(), str(path), columns, separator=",", quoting=True)
    first = np.zeros(len(table[key]), bool)
    first[np.unique(table[key], return_index=True)[1]] = True
    check_values(str(path), key, table[key], first, "each one once")
    return table


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ValueError(f"{folder} must hold one {pattern}, found {names}")
    return found[0]
