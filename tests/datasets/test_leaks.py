"""Nothing that stands after the split is known in training, and nothing later in a history.

An item that is seen only after the split, always with all labels positive, is planted into each log
that can be opened here: a model that had heard of it would score it well.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scaling.batch import SPLITS, Batch, ItemAttribute, Split, View
from scaling.datasets.base import DATASETS
from scaling.datasets.catalogue import fetch
from scaling.datasets.cutting import candidate_events
from scaling.datasets.log import UNKNOWN_TIME, EventLog
from scaling.datasets.logged import LoggedConfig, LoggedDataset
from scaling.datasets.splits import SPLIT_RULES, SplitRule
from scaling.models.markov import MarkovConfig
from scaling.models.popularity import PopularityConfig
from scaling.models.reference import Reference

SHARED_KUAIRAND = Path(__file__).parents[3] / "shared" / "data" / "KuaiRand-Pure"
EVALUATED: tuple[Split, ...] = ("validation", "test")
BATCHES = 12


@contextmanager
def environment() -> Iterator[None]:
    """With KuaiRand where it lies beside the checkout."""
    with pytest.MonkeyPatch.context() as patch:
        if SHARED_KUAIRAND.is_dir() and "CLIMBER_KUAIRAND" not in os.environ:
            patch.setenv("CLIMBER_KUAIRAND", str(SHARED_KUAIRAND))
        yield


def default_config(name: str) -> LoggedConfig:
    config = DATASETS.get(name)()
    assert isinstance(config, LoggedConfig)
    return config


def absence(name: str) -> str:
    """Why the files of a data set can't be read here; empty where they can be, or downloaded."""
    config = default_config(name)
    if config.downloadable:
        return ""
    # The tests' own cache is empty.
    with environment(), tempfile.TemporaryDirectory() as empty, pytest.MonkeyPatch.context() as own:
        own.setenv("CLIMBER_CACHE", empty)
        try:
            config.content()
        except ValueError as error:
            return str(error)
    return ""


LOGGED = [name for name in DATASETS.names() if issubclass(DATASETS.get(name), LoggedConfig)]
ABSENT = {name: reason for name in LOGGED if (reason := absence(name))}


def every_log() -> list[Any]:
    """A random log, and the sources at hand; those that are downloaded need the network."""
    params = [pytest.param("random")]
    for name in LOGGED:
        if name not in ABSENT:
            marks = [pytest.mark.network] if DATASETS.get(name).downloadable else []
            params.append(pytest.param(name, marks=marks))
    return params


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every log at hand; one test alone names those that are absent."""
    if "source" in metafunc.fixturenames:
        params = every_log()
        if metafunc.function is test_a_global_cut_leaves_no_later_training_request:
            params += [
                pytest.param(name, marks=pytest.mark.skip(reason=why))
                for name, why in ABSENT.items()
            ]
        metafunc.parametrize("source", params, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def _environment() -> Iterator[None]:
    with environment():
        yield


@pytest.fixture(scope="module")
def source(
    request: pytest.FixtureRequest,
    random_log: Callable[[int], EventLog],
    random_config: Callable[..., LoggedConfig],
) -> tuple[LoggedConfig, EventLog]:
    """A data set with the recommended options, and its log."""
    if request.param == "random":
        return random_config(), random_log(0)
    config = default_config(request.param)
    if config.downloadable:
        try:
            fetch(request.param)
        except ValueError as error:
            pytest.skip(str(error))
    return config, config.open().log


@pytest.fixture(scope="module", params=SPLIT_RULES)
def planted(
    request: pytest.FixtureRequest, source: tuple[LoggedConfig, EventLog]
) -> tuple[LoggedDataset, LoggedDataset]:
    """The data set under a split rule, without and with the planted item."""
    config, log = source
    rule: SplitRule = request.param
    config = dataclasses.replace(config, split=rule, cut_times=None)
    plain = LoggedDataset(log, config, {})
    return plain, LoggedDataset(with_item(log, plain), config, {})


def with_item(log: EventLog, plain: LoggedDataset) -> EventLog:
    """The log whose last item number stands for half of the evaluated candidates."""
    schema, items, actions = log.schema, np.array(log.items), np.array(log.actions)
    best = int(np.argmax(np.array(schema.action_labels).sum(axis=1)))
    for split in EVALUATED:
        table = plain.tables[split].whole()
        chosen = candidate_events(table.start, table.stop)[::2]
        items[chosen], actions[chosen] = schema.num_items, best
    attributes = {
        name: ItemAttribute(a.size, np.append(a.of_item, 0))
        for name, a in schema.item_attributes.items()
    }
    schema = dataclasses.replace(schema, num_items=schema.num_items + 1, item_attributes=attributes)
    return dataclasses.replace(log, schema=schema, items=items, actions=actions)


def some(dataset: LoggedDataset, split: Split, views: tuple[View, ...]) -> list[Batch]:
    return list(itertools.islice(dataset.requests(split, views, batch_size=256, seed=0), BATCHES))


def views_of(dataset: LoggedDataset) -> tuple[View, ...]:
    first = dataset.schema.behaviours[0]
    names = ["recent", "lifetime", first, f"no_{first}"]
    names += [f"user.{name}" for name in itertools.islice(dataset.schema.item_attributes, 1)]
    return tuple(View(strategy=name, length=20) for name in names)


def test_training_is_the_same_with_and_without_what_comes_after_the_split(
    planted: tuple[LoggedDataset, LoggedDataset],
) -> None:
    plain, other = planted
    new = other.schema.num_items - 1
    assert other.schema.label_rates == plain.schema.label_rates
    table = other.tables["train"].whole()
    events = candidate_events(table.start, table.stop)
    assert not (other.log.items[events] == new).any()
    found = some(other, "train", views_of(other))
    for before, after in zip(some(plain, "train", views_of(plain)), found, strict=True):
        for left, right in zip(before.history, after.history, strict=True):
            assert all(torch.equal(v, getattr(right, name)) for name, v in vars(left).items())
        assert torch.equal(before.candidates.items, after.candidates.items)
        assert torch.equal(before.labels, after.labels)
    tested = some(other, "test", views_of(other))
    assert any((batch.candidates.items == new).any() for batch in tested), "planted indeed"


def test_counted_references_know_nothing_of_it(
    planted: tuple[LoggedDataset, LoggedDataset],
) -> None:
    _, dataset = planted
    new = dataset.schema.num_items - 1
    for config in (PopularityConfig(), MarkovConfig()):
        reference = config.build(dataset.schema)
        assert isinstance(reference, Reference)
        for batch in some(dataset, "train", config.views()):
            reference.count(batch)
        reference.close()
        popularity = reference if isinstance(config, PopularityConfig) else reference.popularity
        assert popularity.shown[new] == 0
        assert popularity.shown.sum() > 0
        base = (popularity.positives.sum(0) + popularity.start) / (popularity.shown.sum() + 1)
        assert torch.allclose(popularity.rates[new], base)
        if isinstance(config, MarkovConfig):
            assert not (reference.keys % dataset.schema.num_items == new).any()
            last = reference.keys // dataset.schema.num_items // reference.actions
            assert not (last == new).any()


@pytest.mark.parametrize("split", SPLITS)
def test_no_history_event_is_later_than_its_request(
    planted: tuple[LoggedDataset, LoggedDataset], split: Split
) -> None:
    dataset, _ = planted
    log, maker = dataset.log, dataset.maker
    table = dataset.tables[split]
    rows = np.linspace(0, len(table) - 1, min(len(table), 1000)).astype(int)
    requests = table.select(rows)
    for events, mask in maker.index.read(views_of(dataset), requests):
        owner = np.nonzero(mask)[0]
        read, first = events[mask], requests.start[owner]
        assert (read < first).all()
        assert (read >= log.user_offsets[requests.user[owner]]).all()
        times = log.times[read]
        assert (times <= requests.time[owner]).all()
        assert (log.times[first] != UNKNOWN_TIME).all()


def test_a_global_cut_leaves_no_later_training_request(
    source: tuple[LoggedConfig, EventLog],
) -> None:
    config, log = source
    times = log.times[log.times != UNKNOWN_TIME]
    gap = int(times.max() - times.min()) // 50
    dataset = LoggedDataset(log, dataclasses.replace(config, gap_seconds=gap), {})
    cuts = dataset.describe()["cut_times"]
    for split, cut in zip(SPLITS, cuts):
        table = dataset.tables[split].whole()
        assert log.times[table.stop - 1].max() < cut - gap
    for split, cut in zip(SPLITS[1:], cuts):
        assert dataset.tables[split].whole().time.min() >= cut
