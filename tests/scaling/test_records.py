"""One history with many candidates, or repeated for each: the same data, the same gradients."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from scaling.batch import Batch, View
from scaling.compute import TRAINING_FACTOR
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.astro import AstroConfig
from scaling.models.base import ModelConfig
from scaling.models.transformer import TransformerConfig
from scaling.records import counts, cut, gathered, join, split
from scaling.results import TrialResult
from scaling.sweeps.cost import memory_bytes
from scaling.sweeps.plan import make_plan
from scaling.sweeps.recipe import Recipe
from scaling.sweeps.same_data import same_data
from scaling.training import TrialRun
from scaling.trial import TrainingConfig, TrialConfig

VIEWS = (View(strategy="recent", length=6), View(strategy="like", length=4))
TRANSFORMER = TransformerConfig(depth=2, width=16, seq_len=8)
ASTRO = AstroConfig(depth=2, width=16, seq_len=8, strategies=("recent", "like"))
TRAINING = TrainingConfig(batch_size=8, lr=3e-3, embedding_lr=0.1, lr_rule="given")


@pytest.fixture(scope="module")
def batch() -> Batch:
    dataset = SyntheticConfig.tiny().open()
    found: Batch = next(iter(dataset.requests("train", VIEWS, batch_size=24, seed=3)))
    assert len(set(found.num_candidates().tolist())) > 4
    return found


def tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from tensors(one)
    else:
        for field in dataclasses.fields(value):  # type: ignore[arg-type]
            yield from tensors(getattr(value, field.name))


def assert_equal(one: Batch, other: Batch) -> None:
    for mine, theirs in zip(tensors(one), tensors(other), strict=True):
        assert mine.dtype == theirs.dtype
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("most", [1, 2, 3, 5, 100])
def test_joined_records_are_the_requests(batch: Batch, most: int) -> None:
    records = split(batch, most)
    assert records.num_candidates().max() == min(most, batch.num_candidates().max())
    assert len(records) == (-(-batch.num_candidates() // most)).sum()
    assert_equal(join(records), batch)


def test_single_items_are_the_requests_candidates_in_their_order(batch: Batch) -> None:
    records = split(batch, 1)
    row = 0
    for request in range(len(batch)):
        for place in range(int(batch.num_candidates()[request])):
            alone = records.rows(torch.tensor([row]))
            assert alone.candidates.items.tolist() == [
                [int(batch.candidates.items[request, place])]
            ]
            assert torch.equal(alone.labels[0, 0], batch.labels[request, place])
            for mine, whole in zip(tensors(alone.history), tensors(batch.history), strict=True):
                assert torch.equal(mine[0], whole[request])
            row += 1
    assert row == len(records)


def test_records_in_any_order_are_joined_by_request(batch: Batch) -> None:
    records = split(batch, 2)
    order = torch.randperm(len(records), generator=torch.Generator().manual_seed(1))
    joined = join(records.rows(order))
    ids = records.requests[order].tolist()
    assert joined.requests.tolist() == list(dict.fromkeys(ids))
    for row, request in enumerate(joined.requests.tolist()):
        mine = [i for i in order.tolist() if records.requests[i] == request]
        wanted = [
            item
            for i in mine
            for item in records.candidates.items[i][records.candidates.mask[i]].tolist()
        ]
        assert joined.candidates.items[row][joined.candidates.mask[row]].tolist() == wanted


def test_records_that_differ_in_their_history_are_no_request(batch: Batch) -> None:
    records = split(batch, 1)
    row = int(batch.num_candidates()[0]) + 1
    records.history[1].items[row, 0] += 1
    wanted = f"batch.history[1].items of row {row} differs from that of row {row - 1}"
    with pytest.raises(ValueError, match=re.escape(wanted)):
        join(records)


def test_less_than_one_item_per_record_is_refused(batch: Batch) -> None:
    with pytest.raises(ValueError, match="items_per_record must be at least 1, got 0"):
        split(batch, 0)
    with pytest.raises(ValueError, match=r"TrainingConfig\.items_per_record.*got -1"):
        dataclasses.replace(TRAINING, items_per_record=-1)


def test_records_are_full_but_for_the_last_of_a_request() -> None:
    made = cut(np.array([5, 0, 2]), 2)
    assert made.request.tolist() == [0, 0, 0, 1, 2]
    assert made.first.tolist() == [0, 2, 4, 0, 0]
    assert made.candidates.tolist() == [2, 2, 1, 0, 2]


def test_values_of_records_return_to_their_requests(batch: Batch) -> None:
    for most in (1, 3, 100):
        records = split(batch, most)
        back = gathered(records.labels, batch.num_candidates(), most)
        assert torch.equal(back, batch.labels)


def run(model: ModelConfig, budget: float = 3e8, **training: Any) -> TrialResult:
    trained = TrialRun(trial(model, budget, **training))
    trained.advance(float("inf"))
    return trained.finish()


def trial(model: ModelConfig, budget: float = 3e8, **training: Any) -> TrialConfig:
    return TrialConfig(
        model=model,
        dataset=SyntheticConfig.tiny(),
        training=dataclasses.replace(TRAINING, **training),
        budget=budget,
        seed=0,
    )


@pytest.mark.parametrize("rank_loss", [0.0, 0.5])
@pytest.mark.parametrize("model", [TRANSFORMER, ASTRO], ids=["transformer", "astro"])
def test_training_from_single_items_takes_the_same_steps(
    model: ModelConfig, rank_loss: float
) -> None:
    starts, ends = list[dict[str, Tensor]](), list[dict[str, Tensor]]()
    for most in (0, 1, 4):
        # One schedule for all: its place is the share of the budget, which costs differ in.
        config = trial(model, 1e18, items_per_record=most, rank_loss=rank_loss, warmup=0.0)
        training = TrialRun(config)
        starts.append({n: value.clone() for n, value in training.state()["model"].items()})
        for _ in range(3):
            training.advance(0.0)
        state = training.state()
        assert state["steps"] == 3
        ends.append({name: value.clone() for name, value in state["model"].items()})
    moved = distance(ends[0], starts[0])
    for other in ends[1:]:
        assert distance(other, ends[0]) < 1e-3 * moved


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return sum(float((one[name] - other[name]).square().sum()) for name in one) ** 0.5


def test_compute_is_what_was_spent_and_buys_fewer_examples() -> None:
    whole, single = run(TRANSFORMER), run(TRANSFORMER, items_per_record=1)
    for name in ("candidates_per_request", "test_requests"):
        assert whole.metrics.get(name) is None or single.metrics[name] == pytest.approx(
            whole.metrics[name], rel=0.1
        )
    assert single.metrics["examples"] < whole.metrics["examples"] / 2
    assert single.metrics["compute"] == pytest.approx(whole.metrics["compute"], rel=0.1)
    # Of single items, a request costs what its candidates cost in requests of their own.
    per_example = single.metrics["compute"] / TRAINING_FACTOR / single.metrics["examples"]
    assert per_example == pytest.approx(single.metrics["flops_per_request_single"], rel=1e-9)
    assert single.metrics["compute_causal"] < single.metrics["compute"]
    assert single.metrics["compute"] < single.metrics["compute_nominal"]


def test_a_plan_counts_records() -> None:
    dataset = SyntheticConfig.tiny()
    recipes = [Recipe(batch_size=8, items_per_record=most) for most in (0, 1)]
    sweep = same_data(
        "records", models=[TRANSFORMER], dataset=dataset, requests=2000, seeds=[0], recipes=recipes
    )
    plan = make_plan(sweep)
    whole, single = plan.trials
    assert single.trial.training.items_per_record == 1
    assert single.trial.budget > 2 * whole.trial.budget
    assert single.requests == pytest.approx(whole.requests, rel=0.05)
    assert single.memory_bytes > whole.memory_bytes
    assert memory_bytes(whole.trial, 0, 0, 4.0) < memory_bytes(single.trial, 0, 0, 4.0)


def test_counts_are_those_of_the_records(batch: Batch) -> None:
    for most in (1, 3):
        records = split(batch, most)
        lengths, candidates = counts(batch.lengths(), batch.num_candidates(), most)
        np.testing.assert_array_equal(lengths, records.lengths())
        np.testing.assert_array_equal(candidates, records.num_candidates())


def test_what_is_no_sum_over_candidates_is_refused() -> None:
    experts = dataclasses.replace(TRANSFORMER, experts=2)
    with pytest.raises(
        ValueError, match=r"transformer: what it adds to the loss.*items_per_record=0"
    ):
        TrialRun(trial(experts, items_per_record=1)).advance(0.0)
