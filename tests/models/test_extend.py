"""A memory extended by new events is the memory of the whole history."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from scaling.batch import Batch, Context, Schema, ViewBatch
from scaling.models.base import ModelConfig, Ranker
from scaling.models.event_clock import UNKNOWN, EventClock, appended

MakeBatch = Callable[..., Batch]
Lively = Callable[..., Ranker]
SECONDS = 500
"""From one request to the next."""


def events(view: ViewBatch, first: Tensor, last: Tensor, seconds: int) -> ViewBatch:
    """The events number `first` to `last` [b] of each row, at a request `seconds` earlier."""
    place = torch.arange(max(int((last - first).max()), 1))
    index = (place + first[:, None]).clamp(max=view.mask.shape[1] - 1)
    cut = {f.name: getattr(view, f.name).gather(1, index) for f in dataclasses.fields(view)}
    ages = torch.where(cut["ages"] < 0, -1.0, cut["ages"] - seconds)
    return ViewBatch(**cut | {"ages": ages, "mask": place < (last - first)[:, None]})


def older(view: ViewBatch) -> ViewBatch:
    """Known before the first of the requests."""
    known = view.mask & (view.ages >= 0)
    return dataclasses.replace(view, ages=torch.where(known, view.ages + 9 * SECONDS, view.ages))


def earlier(context: Context, seconds: int) -> Context:
    """Another request of the same users: in another scenario, too."""
    return Context((context.scenario + 1) % 3, context.time - seconds, context.attributes)


def in_parts(view: ViewBatch, shares: Sequence[float], seed: int) -> list[Tensor]:
    """Ends [b] of the parts of each row, of different sizes; some are empty."""
    draw = torch.rand(len(view.mask), generator=torch.Generator().manual_seed(seed))
    length = view.mask.sum(1)
    ends = [(length * (share * draw.double()).clamp(max=1)).long() for share in shares]
    return [torch.zeros_like(length), *ends, length]


def extended(ranker: Ranker, batch: Batch, shares: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Scores from a memory that grew in parts, and from the whole history."""
    batch = dataclasses.replace(batch, history=tuple(map(older, batch.history)))
    parts = [in_parts(view, shares, seed) for seed, view in enumerate(batch.history)]
    steps = len(parts[0]) - 1
    memory = None
    for step in range(steps):
        passed = (steps - 1 - step) * SECONDS
        new = tuple(
            events(view, ends[step], ends[step + 1], passed)
            for view, ends in zip(batch.history, parts)
        )
        context = earlier(batch.context, passed) if passed else batch.context
        memory = ranker.extend(memory, new, context) if memory else ranker.encode(new, context)
    assert memory is not None
    return ranker.score(memory, batch.candidates, batch.context), ranker(batch)


@pytest.mark.parametrize("shares", [(0.3, 0.4, 1.4), (0.0,)])
@torch.no_grad()
def test_an_extended_memory_scores_as_a_rebuilt_one(
    growing: ModelConfig, make_batch: MakeBatch, lively: Lively, shares: Sequence[float]
) -> None:
    """Requests have different lengths and numbers of new events, none among them."""
    batch, ranker = make_batch(growing.views(), seed=3), lively(growing)
    grown, whole = extended(ranker, batch, shares)
    torch.testing.assert_close(grown, whole, rtol=0, atol=1e-12)


@torch.no_grad()
def test_so_it_does_in_single_precision(
    growing: ModelConfig, schema: Schema, make_batch: MakeBatch
) -> None:
    torch.manual_seed(0)
    ranker = growing.build(schema).eval()
    for parameter in ranker.parameters():
        parameter += 0.2 * torch.randn_like(parameter)
    grown, whole = extended(ranker, make_batch(growing.views(), full=True), (0.3, 0.4, 1.4))
    assert whole.std() > 0.1
    torch.testing.assert_close(grown, whole, rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_memory_that_was_extended_stays_as_it_is(
    growing: ModelConfig, make_batch: MakeBatch, lively: Lively
) -> None:
    batch, ranker = make_batch(growing.views(), full=True), lively(growing)
    half = torch.full((5,), 3)
    old = tuple(events(view, 0 * half, half, 0) for view in batch.history)
    new = tuple(events(view, half, half + 1, 0) for view in batch.history)
    memory = ranker.encode(old, batch.context)
    before = ranker.score(memory, batch.candidates, batch.context)
    ranker.extend(memory, new, batch.context)
    assert torch.equal(ranker.score(memory, batch.candidates, batch.context), before)


@torch.no_grad()
def test_a_full_view_is_refused(
    growing: ModelConfig, make_batch: MakeBatch, lively: Lively
) -> None:
    batch, ranker = make_batch(growing.views(), full=True), lively(growing)
    memory = ranker.encode(batch.history, batch.context)
    one = torch.ones(5, dtype=torch.int64)
    new = tuple(events(view, 0 * one, one, 0) for view in batch.history)
    most = growing.views()[0].length
    with pytest.raises(
        ValueError, match=f"view 0 reads at most {most} events, and row 0 has {most}"
    ):
        ranker.extend(memory, new, batch.context)


@torch.no_grad()
def test_extend_is_there_where_it_is_declared(
    config: ModelConfig, make_batch: MakeBatch, lively: Lively
) -> None:
    batch, ranker = make_batch(config.views()), lively(config)
    memory, none = ranker.encode(batch.history, batch.context), torch.zeros(5, dtype=torch.int64)
    nothing = tuple(events(view, none, none, 0) for view in batch.history)
    if config.extendable:
        same = ranker.extend(memory, nothing, batch.context)
        scores = ranker.score(same, batch.candidates, batch.context)
        torch.testing.assert_close(scores, ranker(batch), rtol=0, atol=1e-12)
    else:
        with pytest.raises(NotImplementedError, match="encode the whole history again"):
            ranker.extend(memory, nothing, batch.context)


def test_new_rows_stand_behind_the_real_ones() -> None:
    old, new = torch.tensor([[1, 2, 0], [3, 0, 0]]), torch.tensor([[7, 0], [8, 9]])
    found = appended(old, new, torch.tensor([2, 1]), 3)
    assert found.tolist() == [[1, 2, 7], [3, 8, 9]]
    wide = appended(old[..., None], new[..., None], torch.tensor([2, 1]), 3)
    assert wide[..., 0].tolist() == found.tolist()


def test_gaps_and_ages_of_a_clock() -> None:
    """Times 90, 96, unknown, 100; a view asked for at 100, its last place padded."""
    ages = torch.tensor([[[10.0, 4.0, -1.0, 0.0, 0.0]]], dtype=torch.float64)
    mask = torch.tensor([[[True, True, True, True, False]]])
    none = torch.zeros_like(mask, dtype=torch.int64)
    clock = EventClock.of(ViewBatch(none, none, none, ages, mask), torch.tensor([100]))
    assert clock.times[0, 0, :4].tolist() == [90, 96, UNKNOWN, 100]
    assert clock.gaps()[0, 0, :4].tolist() == [-1, 6, -1, -1]
    assert clock.gaps(clock)[0, 0, :2].tolist() == [0, 6], "no gap is negative"
    assert clock.ages(torch.tensor([130]))[0, 0, :4].tolist() == [40, 34, -1, 30]
    assert clock.from_the_end[0, 0].tolist() == [3, 2, 1, 0, 0]
    assert clock.last.tolist() == clock.shortened().last.tolist() == [[100]]
