"""What every source owes: sorted events, labels as declared, an identity of its content."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from scaling.datasets.base import DATASETS
from scaling.datasets.log import UNKNOWN_TIME
from scaling.datasets.source import SourceConfig
from scaling.datasets.store import load_log


def test_every_source_has_an_example(examples: list[Any]) -> None:
    kinds = {name: DATASETS.get(name) for name in DATASETS.names()}
    sources = {name for name, kind in kinds.items() if issubclass(kind, SourceConfig)}
    assert sources == {example.name for example in examples}


def test_the_log_is_whole_and_sorted(example: Any, tmp_path: Path) -> None:
    log, facts = load_log(example.write(tmp_path).prepare())
    assert (log.num_events, log.num_users, log.schema.num_items) == (
        example.events,
        example.users,
        example.items,
    )
    removed = sum(facts.get("removed", {}).values()) + facts.get("duplicates_removed", 0)
    assert facts.get("rows", example.rows) == example.rows == log.num_events + removed
    for start, stop in zip(log.user_offsets[:-1], log.user_offsets[1:]):
        assert stop > start
        times = log.times[start:stop]
        assert (times[1:] >= times[:-1]).all()
    known = log.times[log.times != UNKNOWN_TIME]
    assert (known < 4_102_444_800).all()


def test_actions_and_scenarios_are_declared(example: Any, tmp_path: Path) -> None:
    log, _ = load_log(example.write(tmp_path).prepare())
    assert log.actions.max() < log.schema.num_actions
    assert log.scenarios.max() < log.schema.num_scenarios
    for labels in log.schema.action_labels:
        assert len(labels) == log.schema.num_behaviours
        assert set(labels) <= {0, 1}
    for name, attribute in log.schema.item_attributes.items():
        assert attribute.of_item.shape == (log.schema.num_items,), name
        assert attribute.of_item.max() < attribute.size


def test_content_is_that_of_the_files_and_not_their_place(example: Any, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    config, elsewhere = example.write(here), example.write(there)
    assert config.content() == elsewhere.content()
    assert config.fingerprint() == elsewhere.fingerprint()
    first = config.files(here)[0]
    copy = there / first.relative_to(here)
    copy.write_bytes(copy.read_bytes() + b"\n")
    assert elsewhere.content() != config.content()
    assert type(config)(
        **{**example.options, "path": str(here), "min_user_events": 2}
    ).content() != (config.content())


def test_an_absent_file_names_the_way_to_get_it(example: Any, tmp_path: Path) -> None:
    config = example.write(tmp_path)
    for path in config.files(tmp_path):
        path.unlink()
    with pytest.raises(ValueError, match=f"{config.name}: .*--from FOLDER") as error:
        config.open()
    assert config.homepage in str(error.value)
    assert config.variable() in str(error.value)
    shutil.rmtree(tmp_path)
    with pytest.raises(ValueError, match=r"is no folder with"):
        config.prepare()


def test_terms_and_origin_are_stated(example: Any, tmp_path: Path) -> None:
    config = example.write(tmp_path)
    assert config.licence
    assert ("no redistribution" in config.terms()) is not config.redistribution
    assert config.homepage.startswith("http") or config.name == "table"
