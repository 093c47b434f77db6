"""What every registered architecture must hold, whoever wrote it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from scaling.batch import Batch, Candidates, Context, Schema, View, ViewBatch
from scaling.losses import training_loss
from scaling.models.attention import use_implementation
from scaling.models.base import MODELS, ModelConfig, Ranker
from scaling.records import split

MakeBatch = Callable[..., Batch]
ProfileAlone = Callable[[ModelConfig, list[int], int], tuple[float, float]]
Lively = Callable[..., Ranker]
TRAINED = [name for name in MODELS.names() if MODELS.get(name).role == "trained"]
TRAINED += ["free", "free-astro"]

trained_only = pytest.mark.parametrize("config", TRAINED, indirect=True)
"""For what a reference hasn't got: gradients, FLOPs, axes."""


def to_double(batch: Batch) -> Batch:
    return dataclasses.replace(batch, labels=batch.labels.double())


def single(batch: Batch, row: int, item: int) -> Batch:
    """The record of one candidate alone."""
    rows = slice(row, row + 1)
    return Batch(
        history=tuple(
            ViewBatch(**{f.name: getattr(v, f.name)[rows] for f in dataclasses.fields(v)})
            for v in batch.history
        ),
        context=Context(
            batch.context.scenario[rows], batch.context.time[rows], batch.context.attributes[rows]
        ),
        candidates=Candidates(
            batch.candidates.items[rows, item : item + 1],
            batch.candidates.mask[rows, item : item + 1],
        ),
        labels=batch.labels[rows, item : item + 1],
        users=batch.users[rows],
        requests=batch.requests[rows],
        distinct_events=batch.distinct_events[rows],
    )


def test_params_add_up_to_the_modules_own(config: ModelConfig, schema: Schema) -> None:
    groups = config.params(schema)
    ranker = config.build(schema)
    assert sum(groups.values()) == sum(p.numel() for p in ranker.parameters())
    tables = sum(t.weight.numel() for t in ranker.embedding_tables())
    _, embedding = config.num_params(schema)
    assert tables <= embedding
    assert (tables > 0) == (config.role == "trained")


@trained_only
@pytest.mark.parametrize("axes", [{}, {"depth": 1}, {"width": 64}, {"seq_len": 8}])
def test_flops_equal_the_profilers(
    config: ModelConfig, schema: Schema, make_batch: MakeBatch, axes: dict[str, int]
) -> None:
    config = config.scaled(**axes)
    batch = make_batch(config.views(), requests=4, full=True)
    ranker = config.build(schema)
    use_implementation(ranker, "reference")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        ranker(batch)
    counted = config.flops(schema, batch.lengths(), batch.num_candidates())
    assert counter.get_total_flops() == counted.total.sum()
    assert (counted.total_causal <= counted.total).all()


@trained_only
@pytest.mark.parametrize("axes", [{}, {"depth": 1}])
def test_flops_of_real_lengths_equal_the_profilers(
    config: ModelConfig, profile_alone: ProfileAlone, axes: dict[str, int]
) -> None:
    config = config.scaled(**axes)
    # LONGER's tensors pad a group that is not full: test_flops.py counts those.
    whole = getattr(config, "merge", 1)
    for events, items in ((1, 1), (3, 6), (5, 2), (13, 4)):
        lengths = [min(-(-events // whole) * whole, view.length) for view in config.views()]
        profiled, counted = profile_alone(config, lengths, items)
        assert profiled == counted, f"{lengths} events, {items} candidates"


@trained_only
def test_flops_grow_with_real_lengths_and_candidates(config: ModelConfig, schema: Schema) -> None:
    views = len(config.views())
    lengths = np.array([[0] * views, [3] * views, [7] * views, [7] * views])
    total = config.flops(schema, lengths, np.array([2, 2, 2, 5])).total
    assert (np.diff(total) > 0).all()


def test_flops_of_a_batch_are_those_of_its_requests(
    config: ModelConfig, schema: Schema, make_batch: MakeBatch
) -> None:
    batch = make_batch(config.views(), requests=6)
    lengths, candidates = batch.lengths(), batch.num_candidates()
    together = config.flops(schema, lengths, candidates).total
    apart = [
        config.flops(schema, lengths[i : i + 1], candidates[i : i + 1]).total[0] for i in range(6)
    ]
    np.testing.assert_array_equal(together, apart)


def test_many_candidates_score_as_one_at_a_time(
    config: ModelConfig, schema: Schema, make_batch: MakeBatch, lively: Lively
) -> None:
    batch, ranker = make_batch(config.views()), lively(config)
    with torch.no_grad():
        together = ranker(batch)
        for row in range(len(batch)):
            for item in range(int(batch.num_candidates()[row])):
                alone = ranker(single(batch, row, item))[0, 0]
                torch.testing.assert_close(alone, together[row, item], rtol=0, atol=1e-12)


def test_permuted_candidates_permute_the_scores(
    config: ModelConfig, schema: Schema, make_batch: MakeBatch, lively: Lively
) -> None:
    batch, ranker = make_batch(config.views(), full=True), lively(config)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    shuffled = dataclasses.replace(
        batch, candidates=Candidates(batch.candidates.items[:, order], batch.candidates.mask)
    )
    with torch.no_grad():
        torch.testing.assert_close(ranker(shuffled), ranker(batch)[:, order], rtol=0, atol=1e-12)


def test_a_cached_memory_scores_as_a_fresh_one(
    config: ModelConfig, schema: Schema, make_batch: MakeBatch, lively: Lively
) -> None:
    batch, ranker = make_batch(config.views()), lively(config)
    rows = torch.tensor([4, 0, 2])
    with torch.no_grad():
        memory = ranker.encode(batch.history, batch.context)
        assert memory.nbytes > 0 or config.role == "reference"
        chosen = ranker.score(
            memory.select(rows),
            Candidates(batch.candidates.items[rows], batch.candidates.mask[rows]),
            Context(
                batch.context.scenario[rows],
                batch.context.time[rows],
                batch.context.attributes[rows],
            ),
        )
        torch.testing.assert_close(chosen, ranker(batch)[rows], rtol=0, atol=1e-12)


def test_padding_changes_nothing(
    config: ModelConfig, schema: Schema, make_batch: MakeBatch, lively: Lively
) -> None:
    batch, ranker = make_batch(config.views()), lively(config)
    noisy = tuple(
        dataclasses.replace(
            view,
            items=torch.where(view.mask, view.items, 7),
            actions=torch.where(view.mask, view.actions, 1),
            ages=torch.where(view.mask, view.ages, 99.0),
        )
        for view in batch.history
    )
    with torch.no_grad():
        changed = ranker(dataclasses.replace(batch, history=noisy))
        torch.testing.assert_close(changed, ranker(batch), rtol=0, atol=1e-12)


@trained_only
def test_gradient_of_a_record_is_the_sum_of_its_single_items(
    config: ModelConfig, schema: Schema, make_batch: MakeBatch, lively: Lively
) -> None:
    batch, ranker = to_double(make_batch(config.views(), requests=3)), lively(config)

    def gradients(batches: list[Batch]) -> list[torch.Tensor]:
        ranker.zero_grad()
        for part in batches:
            logits = ranker(part)[part.candidates.mask]
            labels = part.labels[part.candidates.mask]
            torch.nn.functional.binary_cross_entropy_with_logits(
                logits, labels, reduction="sum"
            ).backward()
        found = [p.grad for p in ranker.parameters()]
        assert all(g is not None for g in found)
        return [g.to_dense().clone() for g in found if g is not None]

    singles = [
        single(batch, row, item)
        for row in range(len(batch))
        for item in range(int(batch.num_candidates()[row]))
    ]
    whole = gradients([batch])
    largest = max(float(gradient.abs().max()) for gradient in whole)
    # One by one, all in one batch, and in records of two: a last one of each is not full.
    for records in (singles, [split(batch, 1)], [split(batch, 2)]):
        for one, other in zip(whole, gradients(records), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12 * largest)


@trained_only
def test_fused_equals_reference_in_values_and_gradients(
    config: ModelConfig, schema: Schema, make_batch: MakeBatch, lively: Lively
) -> None:
    batch, ranker = to_double(make_batch(config.views())), lively(config)
    results = {}
    for implementation in ("fused", "reference"):
        use_implementation(ranker, implementation)  # type: ignore[arg-type]
        ranker.zero_grad()
        logits = ranker(batch)
        logits[batch.candidates.mask].square().sum().backward()
        gradients = [p.grad.to_dense().clone() for p in ranker.parameters() if p.grad is not None]
        results[implementation] = [logits.detach(), *gradients]
    for fused, reference in zip(results["fused"], results["reference"], strict=True):
        torch.testing.assert_close(fused, reference, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("most", "rows"), [(99, slice(4)), (1, slice(4)), (99, slice(1, 3))])
def test_requests_without_history_stay_finite(
    config: ModelConfig,
    schema: Schema,
    make_batch: MakeBatch,
    lively: Lively,
    most: int,
    rows: slice,
) -> None:
    """All requests of a batch, as narrow as it is then, too, or some of them."""
    views = tuple(View(strategy="recent", length=min(v.length, most)) for v in config.views())
    batch = make_batch(views, requests=4, full=True)
    for view in batch.history:
        view.mask[rows] = False
    ranker = lively(config).float()
    loss = training_loss(ranker(batch), batch)
    assert torch.isfinite(loss)
    if config.role == "reference":
        return
    loss.backward()
    assert all(
        torch.isfinite(p.grad.to_dense()).all() for p in ranker.parameters() if p.grad is not None
    )


def test_the_first_prediction_is_the_base_rate(
    config: ModelConfig, schema: Schema, make_batch: MakeBatch
) -> None:
    batch = make_batch(config.views())
    with torch.no_grad():
        rates = torch.sigmoid(config.build(schema)(batch))
    torch.testing.assert_close(rates, torch.tensor(schema.label_rates).expand_as(rates))


@trained_only
def test_every_axis_scales_and_unknown_ones_are_refused(config: ModelConfig) -> None:
    assert config.scaled(depth=2, width=64).depth == 2
    assert config.scaled(blocks=config.blocks) == config
    with pytest.raises(ValueError, match="depth, width, seq_len, blocks"):
        config.scaled(height=3)
    for axis in ("depth", "width", "seq_len", "blocks"):
        with pytest.raises(ValueError, match=axis):
            config.scaled(**{axis: 0})


def test_configurations_survive_the_round_trip(config: ModelConfig) -> None:
    assert ModelConfig.from_dict(config.to_dict()) == config
    assert ModelConfig.from_dict(config.to_dict()).digest() == config.digest()
    if config.role == "trained":
        assert config.scaled(width=64).digest() != config.digest()
