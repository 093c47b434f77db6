"""What is counted of a log, against counting by hand, whatever the blocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from scaling.batch import Schema
from scaling.datasets import log_blocks
from scaling.datasets.log import UNKNOWN_TIME, EventLog, build_log
from scaling.datasets.logged import LoggedConfig, LoggedDataset
from scaling.datasets.portrait import portrait_of
from scaling.datasets.synthetic import SyntheticConfig
from scaling.portrait import DISTANCES, PAUSES, Counted

MakeLog = Callable[[int], EventLog]
MakeConfig = Callable[..., LoggedConfig]


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def small(schema: Schema, times: list[int]) -> EventLog:
    """User 0: items 7 7 3 7; user 2: item 7; user 1: nothing."""
    return build_log(
        schema,
        users=[0, 0, 0, 0, 2],
        items=[7, 7, 3, 7, 7],
        actions=[1, 0, 3, 2, 1],
        scenarios=[0, 0, 2, 2, 2],
        times=times,
        user_attributes=np.zeros((3, 1), np.int64),
    )


def test_a_log_by_hand(schema: Schema) -> None:
    log = small(schema, [100, 100, 105, 105 + 3600, 50])
    found = portrait_of("by hand", log, {"train": [np.array([0, 0]), np.array([3])], "test": []})
    assert (found.users.values.tolist(), found.users.counts.tolist()) == ([1, 4], [1, 1])
    train, test = found.histories
    assert (train.name, train.values.tolist(), train.counts.tolist()) == ("train", [0, 3], [2, 1])
    assert test.total() == 0
    assert found.item_events.tolist() == [4, 1]
    assert (found.items, found.events) == (20, 5)
    assert found.top_share(0.5) == 0.8
    assert found.scenario_events.tolist() == [2, 0, 3]
    assert found.behaviour_events.tolist() == [[1, 0], [0, 0], [2, 2]]
    pauses = dict(zip([*PAUSES, "longer"], found.pauses.tolist()))
    assert {name: n for name, n in pauses.items() if n} == {
        "same second": 1, "up to 10 s": 1, "up to 1 h": 1,
    }  # fmt: skip
    assert found.tied_share() == pytest.approx(1 / 3)
    # Item 7 again after one event, then after two.
    assert found.distances[:3].tolist() == [1, 1, 0]
    assert found.repeated_share() == 0.4


def test_unknown_times_are_in_no_pause_and_no_period(schema: Schema) -> None:
    found = portrait_of("x", small(schema, [UNKNOWN_TIME] * 5), {})
    assert found.time_line is None
    assert found.tied_share() is None
    assert found.unknown_times == 5
    assert found.repeated_share() == 0.4  # the order is known
    some = portrait_of("x", small(schema, [UNKNOWN_TIME, UNKNOWN_TIME, 0, 0, 7]), {})
    assert (some.pauses.sum(), some.unknown_times) == (1, 2)
    assert some.time_line is not None
    assert some.time_line.events.sum() == 3


@pytest.mark.parametrize(
    ("first", "last", "unit", "edges", "periods"),
    [
        ("2024-02-28T10:59:59", "2024-02-28T13:00:00", "hour", ("T10:00:00", "T14:00:00"), 4),
        ("2024-02-25", "2024-03-02", "day", ("2024-02-25", "2024-03-03"), 7),
        ("1969-12-31T23:00:00", "1971-06-15", "month", ("1969-12-01", "1971-07-01"), 19),
        ("1950-07-01", "2024-02-01", "year", ("1950-01-01", "2025-01-01"), 75),
    ],
)
def test_the_unit_follows_the_span(
    schema: Schema, first: str, last: str, unit: str, edges: tuple[str, str], periods: int
) -> None:
    low, high = seconds(first), seconds(last)
    line = portrait_of("x", small(schema, [low, low, low, high, high]), {}).time_line
    assert line is not None
    assert (line.unit, len(line.events), len(line.edges)) == (unit, periods, periods + 1)
    assert edges[0] in str(line.edges[0])
    assert edges[1] in str(line.edges[-1])
    assert (line.events[0], line.events[-1], line.events.sum()) == (3, 2, 5)


def test_times_of_no_calendar_are_refused(schema: Schema) -> None:
    with pytest.raises(ValueError, match=r"are they seconds\?"):
        portrait_of("x", small(schema, [0, 0, 0, 0, 10**15]), {})


def test_blocks_change_nothing(
    random_log: MakeLog, random_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = random_log(3)
    dataset = LoggedDataset(log, random_config(), {})
    whole = dataset.portrait()
    monkeypatch.setattr(log_blocks, "BLOCK_EVENTS", 17)
    parts = dataset.portrait()
    for name in ("item_events", "behaviour_events", "pauses", "distances"):
        assert getattr(whole, name).tolist() == getattr(parts, name).tolist()
    assert whole.time_line is not None
    assert parts.time_line is not None
    assert whole.time_line.events.tolist() == parts.time_line.events.tolist()
    assert whole.time_line.cut_times == dataset.describe()["cut_times"]
    facts = dataset.describe()
    assert whole.tied_share() == facts["tied_share"]
    assert whole.users.quantile(1.0) == facts["events_per_user_max"]
    seen: dict[tuple[int, int], int] = {}
    distances = np.zeros(len(DISTANCES) + 1, np.int64)
    for place, key in enumerate(zip(log.users().tolist(), log.items.tolist())):
        if key in seen:
            distances[sum(place - seen[key] > edge for edge in DISTANCES)] += 1
        seen[key] = place
    assert whole.distances.tolist() == distances.tolist()
    for counted, split in zip(whole.histories, ("train", "validation", "test"), strict=True):
        assert counted.name == split
        assert counted.total() == dataset.tables[split].whole().user.size


def test_quantiles_and_shares() -> None:
    counted = Counted("x", np.array([0, 2, 5]), np.array([1, 2, 1]))
    assert [counted.quantile(q) for q in (0.1, 0.25, 0.5, 0.75, 0.76, 1.0)] == [0, 0, 2, 2, 5, 5]
    assert counted.at_least().tolist() == [1.0, 0.75, 0.25]
    assert counted.mean() == 2.25


def test_generated_data_show_their_test_part() -> None:
    dataset = SyntheticConfig.tiny().open()
    found = dataset.portrait()
    assert found is not None
    assert "8 test users" in found.scope
    assert [one.name for one in found.histories] == ["test"]
    assert found.histories[0].total() == 64
