"""Random logs that the data set tests share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaling.batch import ItemAttribute, Schema
from scaling.datasets.log import UNKNOWN_TIME, EventLog, build_log
from scaling.datasets.logged import LoggedConfig

Columns = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class RandomConfig(LoggedConfig):
    """A source whose log a test holds in memory."""

    name = "random"
    licence = "none"

    def content(self) -> str:
        return "0"

    def read(self) -> tuple[EventLog, dict[str, Any]]:
        raise AssertionError("not stored")

    def fetch(self) -> list[Path]:
        return []


@pytest.fixture(scope="session")
def random_config() -> Callable[..., LoggedConfig]:
    """The options of a data set, apart from where its log comes from."""
    return RandomConfig


@pytest.fixture(scope="session")
def schema() -> Schema:
    return Schema(
        num_items=20,
        behaviours=("click", "like"),
        action_labels=((0, 0), (1, 0), (0, 1), (1, 1)),
        scenarios=("home", "search", "radio"),
        item_attributes={"genre": ItemAttribute(size=4, of_item=np.arange(20) % 4)},
        request_attributes={"age": 5},
        max_candidates=4,
    )


@pytest.fixture(scope="session")
def random_columns() -> Callable[[int], Columns]:
    """400 events in no order, with ties, events of unknown time, 3 of 15 users without events."""
    return _random_columns


@pytest.fixture(scope="session")
def random_log(schema: Schema) -> Callable[[int], EventLog]:
    return lambda seed: build_log(schema, **_random_columns(seed))


def _random_columns(seed: int, num_events: int = 400, num_users: int = 15) -> Columns:
    rng = np.random.default_rng(seed)
    times = rng.integers(0, 5_000, num_events) * rng.integers(1, 3, num_events)
    return {
        "users": rng.choice(rng.permutation(num_users)[: num_users - 3], num_events),
        "items": rng.integers(0, 20, num_events),
        "actions": rng.integers(0, 4, num_events),
        "scenarios": rng.integers(0, 3, num_events),
        "times": np.where(rng.random(num_events) < 0.1, UNKNOWN_TIME, times),
        "user_attributes": rng.integers(0, 5, (num_users, 1)),
    }
