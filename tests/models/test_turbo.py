"""The engine scores as the ranker does, whatever is cached and whatever else is asked."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from scaling.batch import Batch, Schema
from scaling.models.base import MODELS, ModelConfig, Ranker
from scaling.models.reference import Reference
from scaling.models.turbo import Asked, Engine
from scaling.models.turbo_precision import CacheDtype

MakeBatch = Callable[..., Batch]
Scores = list[npt.NDArray[np.float32]]
PLENTY = 10**9


@pytest.fixture(params=MODELS.names())
def config(request: pytest.FixtureRequest, schema: Schema) -> ModelConfig:
    return MODELS.get(request.param).example(schema)


def lively(config: ModelConfig, schema: Schema, batch: Batch) -> Ranker:
    """The model with no parameter left at zero; a reference has counted something."""
    torch.manual_seed(0)
    ranker = config.build(schema).eval()
    if isinstance(ranker, Reference):
        ranker.count(batch)
        ranker.close()
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return ranker


def asks(batch: Batch, version: str = "1") -> list[Asked]:
    """One entry per request of the batch."""
    counts = batch.num_candidates()
    return [
        Asked(
            user=f"user {row}",
            version=version,
            history=tuple(view.rows(slice(row, row + 1)) for view in batch.history),
            context=batch.context.rows(slice(row, row + 1)),
            items=batch.candidates.items[row, : counts[row]],
        )
        for row in range(len(batch))
    ]


def expected(ranker: Ranker, batch: Batch) -> Scores:
    with torch.no_grad():
        logits = ranker(batch).numpy()
    return [logits[row, :count] for row, count in enumerate(batch.num_candidates())]


def assert_same(found: Scores, wanted: Scores, tolerance: float = 1e-5) -> None:
    assert [one.dtype for one in found] == [np.float32] * len(wanted)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


@pytest.mark.parametrize("cache_bytes", [0, PLENTY])
def test_scores_are_the_rankers(
    config: ModelConfig, schema: Schema, make_batch: MakeBatch, cache_bytes: int
) -> None:
    batch = make_batch(config.views(), requests=12)
    ranker = lively(config, schema, batch)
    engine = Engine(ranker, config, schema, cache_bytes=cache_bytes)
    asked, wanted = asks(batch), expected(ranker, batch)
    assert_same(engine.score(asked), wanted)
    assert_same(engine.score(asked), wanted)
    assert_same(engine.score(asked[::-1]), wanted[::-1])
    for one, other in zip(asked, wanted, strict=True):
        assert_same(engine.score([one]), [other])
    counted = engine.statistics()
    cached = cache_bytes > 0 or counted["too_large"] == 0  # popularity remembers nothing, for free
    assert (counted["misses"], counted["hits"]) == ((12, 36) if cached else (48, 0))
    assert counted["entries"] == (12 if cached else 0)
    assert counted["bytes"] <= cache_bytes


@pytest.mark.parametrize("tokens", [1, 40, 10**6])
def test_batches_of_any_size_score_the_same(
    config: ModelConfig, schema: Schema, make_batch: MakeBatch, tokens: int
) -> None:
    batch = make_batch(config.views(), requests=9, seed=1)
    ranker = lively(config, schema, batch)
    engine = Engine(ranker, config, schema, cache_bytes=0, batch_tokens=tokens)
    assert_same(engine.score(asks(batch)), expected(ranker, batch))


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_rounded_memories_score_nearly_the_same(
    config: ModelConfig, schema: Schema, make_batch: MakeBatch, dtype: CacheDtype
) -> None:
    batch = make_batch(config.views(), requests=12)
    ranker = lively(config, schema, batch)
    engine = Engine(ranker, config, schema, cache_bytes=PLENTY, cache_dtype=dtype)
    cold, cached = engine.score(asks(batch)), engine.score(asks(batch))
    assert_same(cold, cached)  # nothing depends on whether a user was cached
    assert_same(cold, expected(ranker, batch), tolerance=0.05)


def test_a_user_asked_about_twice_is_encoded_once(
    config: ModelConfig, schema: Schema, make_batch: MakeBatch
) -> None:
    batch = make_batch(config.views(), requests=3)
    ranker = lively(config, schema, batch)
    engine = Engine(ranker, config, schema, cache_bytes=PLENTY)
    asked, wanted = asks(batch), expected(ranker, batch)
    halves = [
        dataclasses.replace(one, items=one.items[part])
        for one in asked
        for part in (slice(0, 1), slice(0, None))
    ]
    found = engine.score(halves)
    assert_same(found[1::2], wanted)
    assert_same(found[::2], [one[:1] for one in wanted])
    counted = engine.statistics()
    assert (counted["misses"], counted["shared"], counted["hits"]) == (3, 3, 0)


def test_the_example_of_docs_serving_engine_md(
    config: ModelConfig, schema: Schema, make_batch: MakeBatch
) -> None:
    page = Path(__file__).parents[2] / "docs" / "serving-engine.md"
    (source,) = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    batch = make_batch(config.views(), requests=1)
    (one,) = asks(batch)
    names = {"ranker": lively(config, schema, batch), "config": config, "schema": schema}
    names |= {name: getattr(one, name) for name in ("history", "context", "items")}
    exec(compile(source, page.name, "exec"), names)
    (logits,) = names["logits"]
    assert (logits.shape, logits.dtype) == ((len(one.items), len(schema.behaviours)), np.float32)
