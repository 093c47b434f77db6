"""What each model's memory depends on of the request, as its configuration declares."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from scaling.batch import Batch, Context, ViewBatch
from scaling.models.base import Memory, ModelConfig, Ranker, Reads

MakeBatch = Callable[..., Batch]
Lively = Callable[..., Ranker]


def other(batch: Batch, part: Reads) -> Batch:
    """The same histories asked for at another time, in another scenario or with other attributes."""
    context = batch.context
    if part == "scenario":
        changed = dataclasses.replace(context, scenario=(context.scenario + 1) % 3)
    elif part == "attributes":
        changed = dataclasses.replace(context, attributes=1 - context.attributes)
    else:
        return later(batch, 5_000_000)
    return dataclasses.replace(batch, context=changed)


def later(batch: Batch, seconds: int) -> Batch:
    """The same events, asked for later: every known age grows."""

    def older(view: ViewBatch) -> ViewBatch:
        known = view.mask & (view.ages >= 0)
        return dataclasses.replace(view, ages=torch.where(known, view.ages + seconds, view.ages))

    context = batch.context
    moved = Context(context.scenario, context.time + seconds, context.attributes)
    return dataclasses.replace(
        batch, history=tuple(older(view) for view in batch.history), context=moved
    )


def same(one: Memory, two: Memory) -> bool:
    """Bit for bit."""

    def alike(a: object, b: object) -> bool:
        if isinstance(a, torch.Tensor):
            assert isinstance(b, torch.Tensor)
            return torch.equal(a, b)
        assert isinstance(a, tuple)
        assert isinstance(b, tuple)
        return all(alike(x, y) for x, y in zip(a, b, strict=True))

    return alike(one.tree, two.tree)


@pytest.mark.parametrize("part", ["time", "scenario", "attributes"])
def test_a_memory_depends_on_what_is_declared_and_on_nothing_else(
    config: ModelConfig, make_batch: MakeBatch, lively: Lively, part: Reads
) -> None:
    ranker, batch = lively(config), make_batch(config.views())
    changed = other(batch, part)
    with torch.no_grad():
        before = ranker.encode(batch.history, batch.context)
        after = ranker.encode(changed.history, changed.context)
    assert same(before, after) == (part not in config.encode_reads)


def test_a_history_is_free_of_its_request_where_nothing_is_read(config: ModelConfig) -> None:
    assert config.request_free_history == (not config.encode_reads)
    assert not config.extendable or (config.request_free_history and config.causal)


@pytest.mark.parametrize("part", ["time", "scenario", "attributes"])
def test_a_free_memory_depends_on_the_events_alone(
    free: ModelConfig, make_batch: MakeBatch, lively: Lively, part: Reads
) -> None:
    test_a_memory_depends_on_what_is_declared_and_on_nothing_else(free, make_batch, lively, part)
    assert free.request_free_history


def test_candidates_of_a_free_history_still_see_ages_and_scenario(
    free: ModelConfig, make_batch: MakeBatch, lively: Lively
) -> None:
    ranker, batch = lively(free), make_batch(free.views(), full=True)
    ages_matter = any(name.endswith("bias.ages") for name, _ in ranker.named_parameters())
    with torch.no_grad():
        scores = ranker(batch)
        later = (ranker(other(batch, "time")) - scores).abs().amax((1, 2)) > 1e-9
        elsewhere = (ranker(other(batch, "scenario")) - scores).abs().amax((1, 2)) > 1e-9
    assert elsewhere.all()
    known = batch.history[0].ages[:, -1] >= 0
    assert later.tolist() == (known & ages_matter).tolist()
