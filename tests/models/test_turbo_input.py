"""What the engine refuses, and what it says then."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from scaling.batch import Batch, Schema
from scaling.models.astro import AstroConfig
from scaling.models.turbo import Asked, Engine

CONFIG = AstroConfig(
    depth=1, width=16, seq_len=16, head_dim=8, strategies=("recent", "click"), temperature=False
)
GOOD = 1


@pytest.fixture
def engine(schema: Schema) -> Engine:
    return Engine(CONFIG.build(schema), CONFIG, schema, cache_bytes=10**6)


@pytest.fixture
def one(make_batch: Callable[..., Batch]) -> Asked:
    batch = make_batch(CONFIG.views(), requests=1, full=True)
    return Asked("ann", "7", batch.history, batch.context, batch.candidates.items[0])


def changed(one: Asked, field: str, value: Any) -> Asked:
    """With another context's or (of the first view) history's field, or of its own."""
    if field in ("scenario", "time", "attributes"):
        return dataclasses.replace(one, context=dataclasses.replace(one.context, **{field: value}))
    if field.startswith("view."):
        assert not callable(one.history)
        first, *rest = one.history
        first = dataclasses.replace(first, **{field.removeprefix("view."): value})
        return dataclasses.replace(one, history=(first, *rest))
    return dataclasses.replace(one, **{field: value})


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("items", torch.tensor([3, 50]), r"items\[row 1\] is 50; valid: 0 \.\. 49"),
        ("items", torch.tensor([-1]), r"items\[row 0\] is -1; valid: 0 \.\. 49"),
        ("items", torch.tensor([1.0]), "items is float32 .* valid: int64"),
        ("items", torch.zeros(0, dtype=torch.int64), "at least 1"),
        ("items", torch.zeros(1, 2, dtype=torch.int64), r"items has shape \(1, 2\)"),
        ("history", (), "history holds 0 views; asked for: 2 .recent, click."),
        ("view.items", torch.full((1, 8), 77), r"history\[0\]\.items\[row 0, 0\] is 77"),
        ("view.mask", torch.ones(1, 9, dtype=torch.bool), r"1 \.\. 8 .recent's length"),
        ("view.mask", torch.tensor([[False] * 4 + [True] * 4]), "right-padded"),
        ("view.actions", torch.full((1, 8), -3), r"history\[0\]\.actions\[row 0, 0\] is -3"),
        ("scenario", torch.tensor([3]), r"context\.scenario\[row 0\] is 3; valid: 0 \.\. 2"),
        ("time", torch.tensor([3, 4]), r"context\.time is int64 of shape \(2,\)"),
        ("attributes", torch.tensor([[2]]), "values of 'device'"),
    ],
)  # fmt: skip
def test_what_is_not_the_models_is_named(
    engine: Engine, one: Asked, field: str, value: Any, complaint: str
) -> None:
    bad = dataclasses.replace(changed(one, field, value), user="bob")
    with pytest.raises(ValueError, match=rf"^asked\[1\], user 'bob': .*{complaint}"):
        engine.score([one, bad])
    assert engine.missing([one]) == [0]
    assert engine.statistics()["misses"] == 0
    assert len(engine.score([one])) == GOOD


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"cache_bytes": -1}, "cache_bytes must be at least 0, got -1"),
        ({"cache_dtype": "int4"}, "float32, bfloat16, int8, got 'int4'"),
        ({"batch_tokens": 0}, "batch_tokens must be at least 1, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(
    schema: Schema, settings: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        Engine(CONFIG.build(schema), CONFIG, schema, **{"cache_bytes": 0, **settings})


def test_nobody_asking_gets_nothing(engine: Engine) -> None:
    assert engine.score([]) == []
