"""Memories are extended by events that came behind, and only then."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from scaling.batch import Batch, Schema
from scaling.models.base import MODELS, ModelConfig, Ranker
from scaling.models.turbo import Asked, Engine
from scaling.models.turbo_precision import CacheDtype

MakeBatch = Callable[..., Batch]
USERS = 5


@pytest.fixture(params=["transformer", "astro", "lightning", "hybrid"])
def config(request: pytest.FixtureRequest, schema: Schema) -> ModelConfig:
    example = MODELS.get(request.param).example(schema)
    return dataclasses.replace(example, request_free_history=True)  # type: ignore[call-arg]


@pytest.fixture
def ranker(config: ModelConfig, schema: Schema) -> Ranker:
    torch.manual_seed(0)
    ranker = config.build(schema)
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return ranker


@pytest.fixture
def whole(config: ModelConfig, make_batch: MakeBatch) -> list[Asked]:
    """Users with full views, as they are on the second day."""
    batch = make_batch(config.views(), requests=USERS, full=True)
    return [
        Asked(
            user=f"user {row}",
            version="2",
            history=tuple(view.rows(slice(row, row + 1)) for view in batch.history),
            context=batch.context.rows(slice(row, row + 1)),
            items=batch.candidates.items[row],
        )
        for row in range(USERS)
    ]


def yesterday(one: Asked, missing: int) -> Asked:
    """The user a day earlier in another scenario, without the newest events."""
    assert not callable(one.history)
    day = 86400
    context = dataclasses.replace(
        one.context, time=one.context.time - day, scenario=(one.context.scenario + 1) % 3
    )
    history = tuple(
        dataclasses.replace(old, ages=torch.where(old.ages < 0, old.ages, (old.ages - day).round()))
        for view in one.history
        for old in [view.events(slice(view.mask.shape[1] - missing))]
    )
    return dataclasses.replace(one, version="1", context=context, history=history)


def older(one: Asked) -> Asked:
    """Whole seconds, all events more than a day ago."""
    assert not callable(one.history)
    history = tuple(
        dataclasses.replace(
            view, ages=torch.where(view.ages < 0, view.ages, view.ages.round() + 90000)
        )
        for view in one.history
    )
    return dataclasses.replace(one, history=history)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("int8", 0.05)])
def test_extended_scores_are_those_of_the_whole_history(
    config: ModelConfig,
    ranker: Ranker,
    schema: Schema,
    whole: list[Asked],
    dtype: CacheDtype,
    tolerance: float,
) -> None:
    whole = [older(one) for one in whole]
    engine = Engine(ranker, config, schema, cache_bytes=10**9, cache_dtype=dtype)
    # Users lack different numbers of events, one of them none.
    engine.score([yesterday(one, row) for row, one in enumerate(whole)])
    found = engine.score(whole)
    wanted = Engine(ranker, config, schema, cache_bytes=0).score(whole)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)
    counted = engine.statistics()
    assert (counted["misses"], counted["extended"], counted["hits"]) == (USERS, USERS, 0)
    assert (counted["entries"], counted["replaced"]) == (USERS, USERS)
    for one, other in zip(engine.score(whole), found, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)
    assert engine.statistics()["hits"] == USERS


def test_event_by_event(
    config: ModelConfig, ranker: Ranker, schema: Schema, whole: list[Asked]
) -> None:
    one = older(whole[0])
    engine = Engine(ranker, config, schema, cache_bytes=10**9)
    for missing in range(7, -1, -1):
        found = engine.score([dataclasses.replace(yesterday(one, missing), version=str(missing))])
    (wanted,) = Engine(ranker, config, schema, cache_bytes=0).score([yesterday(one, 0)])
    np.testing.assert_allclose(found[0], wanted, rtol=0, atol=1e-5)
    assert engine.statistics()["extended"] == 7


@pytest.mark.parametrize("change", ["moved on", "item", "time", "shorter"])
def test_what_is_no_longer_its_beginning_is_encoded_anew(
    config: ModelConfig, ranker: Ranker, schema: Schema, whole: list[Asked], change: str
) -> None:
    one = older(whole[0])
    assert not callable(one.history)
    engine = Engine(ranker, config, schema, cache_bytes=10**9)
    engine.score([yesterday(one, 2)])
    first, *rest = one.history
    if change == "moved on":  # the window was full: its oldest event is gone
        first = first.events(slice(1, None))
    elif change == "item":
        items = first.items.clone()
        items[0, 3] = (items[0, 3] + 1) % schema.num_items
        first = dataclasses.replace(first, items=items)
    elif change == "time":
        ages = first.ages.clone()
        ages[0, 3] += 60
        first = dataclasses.replace(first, ages=ages)
    else:
        first = first.events(slice(3))
    changed = dataclasses.replace(one, history=(first, *rest))
    (wanted,) = Engine(ranker, config, schema, cache_bytes=0).score([changed])
    np.testing.assert_allclose(engine.score([changed])[0], wanted, rtol=0, atol=1e-5)
    assert engine.statistics()["extended"] == 0
    assert engine.statistics()["misses"] == 2
