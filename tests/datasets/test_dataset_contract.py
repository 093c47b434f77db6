"""What every registered data set owes to models, plans and records; absent sources are skipped."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scaling.batch import SPLITS, Batch, Split, View
from scaling.batch_check import check_batch
from scaling.datasets.base import DATASETS, Dataset, DatasetConfig
from scaling.datasets.catalogue import fetch

SHARED_KUAIRAND = Path(__file__).parents[3] / "shared" / "data" / "KuaiRand-Pure"


def every_dataset() -> list[Any]:
    """All registered names; those whose source is downloaded need the network."""
    marks = {True: [pytest.mark.network], False: []}
    needs = {name: getattr(DATASETS.get(name), "downloadable", False) for name in DATASETS.names()}
    return [pytest.param(name, marks=marks[network]) for name, network in needs.items()]


@pytest.fixture(scope="module", autouse=True)
def _environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if SHARED_KUAIRAND.is_dir() and "CLIMBER_KUAIRAND" not in os.environ:
            patch.setenv("CLIMBER_KUAIRAND", str(SHARED_KUAIRAND))
        yield


@pytest.fixture(params=every_dataset(), scope="module")
def config(request: pytest.FixtureRequest) -> DatasetConfig:
    """The default options, or those that the data set recommends for tests."""
    kind = DATASETS.get(request.param)
    chosen: DatasetConfig = getattr(kind, "tiny", kind)()
    if getattr(kind, "downloadable", False):
        fetch(request.param)
    return chosen


@pytest.fixture(scope="module")
def dataset(config: DatasetConfig) -> Dataset:
    try:
        return config.open()
    except ValueError as error:
        pytest.skip(str(error))


def some(dataset: Dataset, split: Split, views: tuple[View, ...], size: int = 16) -> list[Batch]:
    return list(itertools.islice(dataset.requests(split, views, batch_size=size, seed=0), 4))


def views_of(dataset: Dataset) -> tuple[View, ...]:
    first = dataset.schema.behaviours[0]
    names = ("recent", first, f"no_{first}")
    return tuple(View(strategy=name, length=7) for name in names)


def test_a_configuration_survives_its_record(config: DatasetConfig) -> None:
    again = type(config).from_dict(config.to_dict())
    assert again == config
    assert again.digest() == config.digest()


@pytest.mark.usefixtures("dataset")
def test_the_fingerprint_is_stable(config: DatasetConfig) -> None:
    again = type(config).from_dict(config.to_dict())
    assert again.fingerprint() == config.fingerprint()


@pytest.mark.parametrize("split", SPLITS)
def test_batches_keep_their_shapes_types_and_ranges(dataset: Dataset, split: Split) -> None:
    schema, views = dataset.schema, views_of(dataset)
    for batch in some(dataset, split, views):
        check_batch(batch, schema, views)
        b, m = batch.candidates.items.shape
        assert 1 <= b == len(batch) <= 16
        assert m == batch.num_candidates().max() <= schema.max_candidates
        assert batch.num_candidates().min() >= 1
        assert batch.labels.shape == (b, m, schema.num_behaviours)
        assert set(batch.labels.unique().tolist()) <= {0.0, 1.0}
        assert not batch.labels[~batch.candidates.mask].any()
        assert batch.context.attributes.shape == (b, len(schema.request_attributes))
        for column, size in zip(batch.context.attributes.T, schema.request_attributes.values()):
            assert 0 <= int(column.min()) <= int(column.max()) < size
        assert int(batch.context.scenario.max()) < schema.num_scenarios
        assert len(batch.history) == len(views)
        lengths = batch.lengths()
        assert (batch.distinct_events.numpy() <= lengths.sum(1)).all()
        assert (batch.distinct_events.numpy() >= lengths.max(1)).all()
        for view, got in zip(views, batch.history):
            n = got.mask.shape[1]
            assert n == max(1, int(got.mask.sum(1).max())) <= view.length
            padded = torch.arange(n) >= got.mask.sum(1, keepdim=True)
            assert torch.equal(got.mask, ~padded)
            for column, size in (
                (got.items, schema.num_items),
                (got.actions, schema.num_actions),
                (got.scenarios, schema.num_scenarios),
            ):
                assert column.dtype == torch.int64
                assert 0 <= int(column.min()) <= int(column.max()) < size
                assert not column[padded].any()
            assert got.ages.dtype == torch.float64
            assert not got.ages[padded].any()
            assert ((got.ages >= 0) | (got.ages == -1)).all()


def test_training_goes_on_at_any_batch(dataset: Dataset) -> None:
    views = views_of(dataset)
    for start, expected in enumerate(some(dataset, "train", views)):
        found = next(dataset.requests_from(start, views, batch_size=16, seed=0))
        assert torch.equal(found.requests, expected.requests)
        assert torch.equal(found.labels, expected.labels)
        for mine, theirs in zip(found.history, expected.history):
            assert torch.equal(mine.items, theirs.items)
            assert torch.equal(mine.ages, theirs.ages)


def test_views_hold_what_their_strategies_choose(dataset: Dataset) -> None:
    labels = torch.tensor(dataset.schema.action_labels)[:, 0]
    for batch in some(dataset, "test", views_of(dataset)):
        _, with_it, without_it = batch.history
        assert (labels[with_it.actions[with_it.mask]] == 1).all()
        assert (labels[without_it.actions[without_it.mask]] == 0).all()
        for view in batch.history:
            known = view.mask[:, 1:] & (view.ages[:, 1:] >= 0) & (view.ages[:, :-1] >= 0)
            assert (view.ages[:, :-1] >= view.ages[:, 1:])[known].all(), "oldest first"


@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluation_is_one_pass_the_same_for_every_model(dataset: Dataset, split: Split) -> None:
    size = dataset.size(split)
    assert size is not None
    one = list(dataset.requests(split, views_of(dataset)[:1], batch_size=256))
    other = some(dataset, split, views_of(dataset)[1:], size=50)
    ids = torch.cat([batch.requests for batch in one])
    assert len(ids) == len(ids.unique()) == size.requests
    assert sum(int(batch.candidates.mask.sum()) for batch in one) == size.examples
    few = torch.cat([batch.requests for batch in other])
    assert torch.equal(ids[: len(few)], few)


def test_training_follows_its_seed(dataset: Dataset) -> None:
    views = views_of(dataset)
    first, again = some(dataset, "train", views), some(dataset, "train", views)
    other = next(dataset.requests("train", views, batch_size=16, seed=1))
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a.requests, b.requests)
        assert torch.equal(a.history[0].items, b.history[0].items)
    assert not torch.equal(other.requests, first[0].requests)
    with pytest.raises(ValueError, match="seed"):
        next(dataset.requests("train", views, batch_size=16))


def test_splits_share_no_request(dataset: Dataset) -> None:
    views = views_of(dataset)[:1]
    ids = [{int(i) for batch in some(dataset, s, views) for i in batch.requests} for s in SPLITS]
    assert not ids[0] & ids[1]
    assert not ids[0] & ids[2]
    assert not ids[1] & ids[2]


@pytest.mark.parametrize("split", SPLITS)
def test_a_sample_is_like_the_split(dataset: Dataset, split: Split) -> None:
    views = views_of(dataset)
    lengths, candidates = dataset.sample(split, views, 40)
    assert lengths.shape == (len(candidates), len(views))
    assert 1 <= len(candidates) <= 80
    assert (lengths >= 0).all()
    assert (lengths <= [view.length for view in views]).all()
    assert (candidates >= 1).all()
    assert (candidates <= dataset.schema.max_candidates).all()


def test_an_unknown_view_is_refused_with_the_valid_ones(dataset: Dataset) -> None:
    wrong = (View(strategy="nothing", length=3),)
    with pytest.raises(ValueError, match="recent"):
        next(dataset.requests("test", wrong, batch_size=2))


def test_the_description_is_plain_and_names_its_rates(dataset: Dataset) -> None:
    facts = dataset.describe()
    assert facts
    assert all(isinstance(name, str) for name in facts)
    rates = dataset.schema.label_rates
    assert len(rates) in (0, dataset.schema.num_behaviours)
    assert all(0 <= rate <= 1 for rate in np.asarray(rates))
