"""KuaiRand 1K and 27K: events by hand, and their reader beside the one of Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaling.datasets.base import DATASETS
from scaling.datasets.kuairand import KuaiRandConfig
from scaling.datasets.kuairand_large import PERIODS, KuaiRandLargeConfig
from scaling.datasets.store import load_log

FIRST = "data/log_standard_4_08_to_4_21_1k.csv"
ONE, LONG, LIKE = 1, 2, 4
"""Bits of an action: click, long view, like."""


def test_kuairand_keeps_an_impression_once_in_the_order_of_milliseconds(prepared: Any) -> None:
    found = prepared("kuairand-1k")
    assert found.events == [
        (0, 5, 1650012742, ONE + LONG, "tab 1"),  # its repeat has another tab and no label
        (0, 77, 1650012742, LIKE, "tab 0"),
        (0, 5, 1650012742, ONE + LONG, "tab 1"),  # a millisecond later: another impression
        (0, 10, 1650012742, ONE, "tab 1"),
        (7, 4369952, 1650912741, ONE + LONG + LIKE, "tab 14"),
    ]
    assert (found.facts["rows"], found.facts["duplicates_removed"]) == (7, 2)
    assert found.log.schema.behaviours == ("click", "long_view", "like")
    assert found.log.schema.action_labels[ONE + LIKE] == (1, 0, 1)
    items = {i: tuple(row[n] for n in ("author", "tag", "duration")) for i, row in
             found.items.items()}  # fmt: skip
    assert items == {
        5: (7349781, "39", 6),
        10: (7349781, None, None),
        77: (None, None, None),
        4369952: (12, "12", 7),
    }
    assert found.users[7]["follow_user_num_range"] == "500+"


def test_the_random_log_is_read_on_demand(prepared: Any) -> None:
    found = prepared("kuairand-1k", random=True)
    assert [event for event in found.events if event[0] == 7] == [
        (7, 10, 1650912740, 0, "tab 1"),
        (7, 4369952, 1650912741, ONE + LONG + LIKE, "tab 14"),
    ]
    assert found.events[4] == (0, 5, 1650912742, LONG, "tab 1")
    assert "log_random" in found.facts["source"]


def test_kuairand_27k_is_in_parts(prepared: Any) -> None:
    found = prepared("kuairand-27k")
    assert [event[:4] for event in found.events] == [
        (0, 5, 1650012742, ONE),
        (0, 10, 1650012742, LONG),  # of one millisecond: the second part
        (0, 5, 1650912741, 0),
        (7, 5, 1650012741, 0),  # its repeat in the second part has a like
        (27284, 4369952, 1650912741, 0),
    ]
    assert found.facts["duplicates_removed"] == 1


def test_a_missing_part_is_no_smaller_log(examples: Any, tmp_path: Path) -> None:
    for name, part in (("kuairand-27k", "log_standard_4_22_to_5_08_27k_part2.csv"),
                       ("kuairand-1k", "log_random_4_22_to_5_08_1k.csv")):  # fmt: skip
        example = [e for e in examples if e.name == name][-1]
        config = example.write(tmp_path / name)
        (tmp_path / name / "data" / part).unlink()
        with pytest.raises(ValueError, match=rf"holds no data/{part}\. Get it from"):
            config.prepare()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"1650012742900,1", b"1650012742900,2", "line 2, column 'is_click': '2' is not valid"),
        (b"1650012742900", b"1650012742", "line 2, column 'time_ms': .* valid: milliseconds"),
        (b",4\n", b",15\n", r"line 4, column 'tab': '15' is not valid; valid: 0 \.\. 14"),
    ],
)
def test_kuairand_names_a_bad_value(
    prepared: Any, examples: Any, old: bytes, new: bytes, message: str
) -> None:
    content = next(e.files[FIRST] for e in examples if FIRST in e.files)
    assert old in content
    with pytest.raises(ValueError, match=rf"4_21_1k\.csv, {message}"):
        prepared("kuairand-1k", {FIRST: content.replace(old, new, 1)})


@pytest.mark.shared
@pytest.mark.parametrize("name", ["kuairand-1k", "kuairand-27k"])
def test_both_readers_of_kuairand_make_one_log(name: str, shared: Path, tmp_path: Path) -> None:
    """The real files of Pure, cut by days into those that the size has."""
    source = shared / "data" / "KuaiRand-Pure" / "data"
    config = _cut_by_days(name, source, tmp_path)
    log, facts = load_log(config.prepare())
    expected, _ = KuaiRandConfig(path=str(source)).read()
    assert (facts["rows"], facts["duplicates_removed"]) == (228_329, 5_885)
    assert (log.num_events, log.num_users, log.schema.num_items) == (222_444, 25_156, 6_361)
    for column in ("user_offsets", "items", "actions", "scenarios", "times"):
        assert np.array_equal(getattr(log, column), getattr(expected, column)), column
    labels = np.array(log.schema.action_labels)
    assert np.array_equal(
        labels[log.actions], np.array(expected.schema.action_labels)[expected.actions]
    )
    ours, theirs = log.schema.item_attributes, expected.schema.item_attributes
    pairs = [(ours[name].of_item, theirs[name].of_item) for name in theirs]
    pairs += list(zip(log.user_attributes.T, expected.user_attributes.T, strict=True))
    for one, other in pairs:
        # The codes differ, since one reader counts the values of videos without impressions, too.
        assert np.array_equal(one == 0, other == 0)
        both = {(int(a), int(b)) for a, b in zip(one, other, strict=True)}
        assert len(both) == len(np.unique(one)) == len(np.unique(other))


def _cut_by_days(name: str, source: Path, folder: Path) -> KuaiRandLargeConfig:
    kind: Any = DATASETS.get(name)
    size = name.removeprefix("kuairand-")
    (folder / "data").mkdir()
    for feature in ("user_features", "video_features_basic"):
        (folder / "data" / f"{feature}_{size}.csv").symlink_to(source / f"{feature}_pure.csv")
    lines = (source / "log_standard_4_22_to_5_08_pure.csv").read_bytes().splitlines(keepends=True)
    header, rows = lines[0], lines[1:]
    parts = 2 * len(kind.parts)
    days = sorted({row.split(b",")[2] for row in rows})
    names = [f"log_standard_{period}_{size}{part}.csv" for period in PERIODS for part in kind.parts]
    for number, file in enumerate(names):
        chosen = days[number * len(days) // parts : (number + 1) * len(days) // parts]
        content = [row for row in rows if row.split(b",")[2] in chosen]
        (folder / "data" / file).write_bytes(b"".join([header, *content]))
    config: KuaiRandLargeConfig = kind(path=str(folder))
    return config
