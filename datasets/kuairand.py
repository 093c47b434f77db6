"""KuaiRand: impressions of a short-video app with the feedback that each got."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scaling.batch import ItemAttribute, Schema
from scaling.config import cache_dir, digest_of, register
from scaling.datasets.base import DATASETS
from scaling.datasets.kuairand_files import (
    FLAGS,
    NUM_TABS,
    USER_COLUMNS,
    KuaiRandFiles,
    file_digest,
    find_files,
    read_log,
    read_users,
    read_videos,
    without_repeats,
)
from scaling.datasets.kuairand_history import History, read_history
from scaling.datasets.log import UNKNOWN_TIME, EventLog, build_log
from scaling.datasets.logged import LoggedConfig
from scaling.datasets.tables import Table

Ints = npt.NDArray[np.int64]

URL = "https://zenodo.org/records/10439422/files/KuaiRand-Pure.tar.gz"

PREPARATION = 1
"""Raised when `build_kuairand` makes another log of the same files."""

BEHAVIOURS = ("click", "long_view", "like")
"""In the order of `FLAGS`; bit i of an action is behaviour i."""

SHOWN, SHOWN_LIKED = 8, 9
"""Actions of history events without a long view: whether they were clicked is not known. (A long
view is: 99.6 % of those in the log were clicked.)"""

DURATION_STEPS = 20


@register(DATASETS, "kuairand")
@dataclass(frozen=True, kw_only=True)
class KuaiRandConfig(LoggedConfig):
    """Requests are consecutive impressions of a user in one tab, at most 30 minutes apart."""

    licence = "CC BY-SA 4.0; cite Gao et al., KuaiRand, CIKM 2022 (https://kuairand.com)"
    redistribution = True

    path: str = ""
    """The folder that holds `data/log_standard_*.csv`; empty: the environment variable
    CLIMBER_KUAIRAND, else `kuairand/KuaiRand-Pure` in the cache. Not part of the identity."""
    history: str = ""
    """A parquet file of what users did before the log (see `kuairand_history`); empty: none. Its
    content is part of the identity, its place is not."""
    max_gap_seconds: int | None = 30 * 60
    same_scenario: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("path", "history"):
            # Absolute, since a worker may run in another folder.
            if value := getattr(self, field):
                object.__setattr__(self, field, str(Path(value).expanduser().absolute()))

    def identity(self) -> dict[str, Any]:
        """The options without places on this machine; the content is in the fingerprint."""
        hidden = ("path", "history")
        kept = {key: value for key, value in super().identity().items() if key not in hidden}
        return kept | {"with_history": bool(self.history)}

    def folder(self) -> Path:
        """Where the files are expected."""
        chosen = self.path or os.environ.get("CLIMBER_KUAIRAND")
        return Path(chosen).expanduser() if chosen else cache_dir() / self.name / "KuaiRand-Pure"

    def files(self) -> KuaiRandFiles:
        """The files, found by name; `ValueError` says how to get them where they are absent."""
        folder = self.folder()
        if not folder.is_dir():
            raise ValueError(
                f"{self.name}: there is no folder {folder}. Get {URL}, unpack it, and name the "
                "folder KuaiRand-Pure by the environment variable CLIMBER_KUAIRAND or the field "
                f"`path` (or move it to {cache_dir() / self.name / 'KuaiRand-Pure'})"
            )
        return find_files(folder)

    def content(self) -> str:
        history = Path(self.history) if self.history else None
        if history is not None and not history.is_file():
            raise ValueError(f"{self.name}.history: there is no file {history}")
        return digest_of(
            {
                "preparation": PREPARATION,
                "files": {path.name: file_digest(path) for path in self.files().all()},
                "history": None if history is None else file_digest(history),
            }
        )

    def fetch(self) -> list[Path]:
        """The files that are there and what was prepared of them; they are not downloaded."""
        return [*self.files().all(), self.prepare()]

    def read(self) -> tuple[EventLog, dict[str, Any]]:
        files = self.files()
        log, repeats = without_repeats(read_log(files.logs))
        history = None
        if self.history:
            users, first = np.unique(log["user_id"], return_index=True)
            known = dict(zip(users.tolist(), log["time_ms"][first].tolist()))
            history = read_history(Path(self.history), known)
        facts: dict[str, Any] = {
            "source": ", ".join(path.name for path in files.logs),
            "impressions": len(log["user_id"]) + repeats,
            "duplicates_removed": repeats,
        }
        if history is not None:
            facts["history_users_left_out"] = history.users_left_out
        return build_kuairand(
            log, read_users(files.users), read_videos(files.videos), history
        ), facts


def build_kuairand(log: Table, users: Table, videos: Table, history: History | None) -> EventLog:
    """The log of impressions in order of time, with each user's history before them."""
    user_ids, user = np.unique(log["user_id"], return_inverse=True)
    flags = [log[name] << bit for bit, name in enumerate(FLAGS)]
    columns = {
        "videos": log["video_id"],
        "users": user,
        "actions": np.bitwise_or.reduce(flags),
        "scenarios": log["tab"],
        "times": log["time_ms"] // 1000,
    }
    scenarios = tuple(f"tab {tab}" for tab in range(NUM_TABS))
    labels = [
        tuple(code >> bit & 1 for bit in range(len(FLAGS))) for code in range(1 << len(FLAGS))
    ]
    if history is not None:
        codes = np.array([[SHOWN, SHOWN_LIKED], [0b011, 0b111]])
        earlier = {
            "videos": history.videos,
            "users": np.searchsorted(user_ids, history.users),
            "actions": codes[history.long_views.astype(int), history.likes.astype(int)],
            "scenarios": np.full(len(history.users), len(scenarios)),
            "times": np.full(len(history.users), UNKNOWN_TIME),
        }
        columns = {name: np.concatenate([earlier[name], columns[name]]) for name in columns}
        scenarios = (*scenarios, "unknown")
        labels += [(0, 0, 0), (0, 0, 1)]
    video_ids, items = np.unique(columns.pop("videos"), return_inverse=True)
    request_attributes, user_attributes = _user_attributes(user_ids, users)
    schema = Schema(
        num_items=len(video_ids),
        behaviours=BEHAVIOURS,
        action_labels=tuple(labels),
        scenarios=scenarios,
        item_attributes=_item_attributes(video_ids, videos),
        request_attributes=request_attributes,
        max_candidates=KuaiRandConfig.max_candidates,
    )
    return build_log(schema, items=items, user_attributes=user_attributes, **columns)


def _user_attributes(user_ids: Ints, users: Table) -> tuple[dict[str, int], Ints]:
    """Numbers of values and the values [U, a]; 0 where the file lacks the user."""
    sizes, columns = {}, []
    for name in USER_COLUMNS:
        values, codes = np.unique(users[name].astype(str), return_inverse=True)
        sizes[name] = len(values) + 1
        columns.append(_looked_up(user_ids, users["user_id"], codes + 1))
    return sizes, np.stack(columns, axis=1)


def _item_attributes(video_ids: Ints, videos: Table) -> Mapping[str, ItemAttribute]:
    """Author, first tag and duration (half octaves of seconds); 0 where unknown."""
    tags = np.array([text.split(",")[0] for text in videos["tag"]])
    authors, author = np.unique(videos["author_id"], return_inverse=True)
    tag_names, tag = np.unique(tags, return_inverse=True)
    seconds = videos["video_duration"] / 1000
    known = seconds > 0
    steps = np.floor(2 * np.log2(np.where(known, seconds, 1.0))).clip(0, DURATION_STEPS - 1)
    found = {
        "author": (len(authors) + 1, author + 1),
        "tag": (len(tag_names) + 1, np.where(tags == "", 0, tag + 1)),
        "duration": (DURATION_STEPS + 1, np.where(known, steps.astype(np.int64) + 1, 0)),
    }
    return {
        name: ItemAttribute(size=size, of_item=_looked_up(video_ids, videos["video_id"], values))
        for name, (size, values) in found.items()
    }


def _looked_up(wanted: Ints, keys: Ints, values: Ints) -> Ints:
    """The values of the wanted keys, 0 where a key is missing; `wanted` may hold any keys."""
    order = np.argsort(keys)
    place = np.searchsorted(keys, wanted, sorter=order).clip(max=len(keys) - 1)
    row = order[place]
    return np.where(keys[row] == wanted, values[row], 0)
