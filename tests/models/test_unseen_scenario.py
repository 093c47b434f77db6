"""A scenario that training never saw: what is its own stays as it began, and scores stay finite."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from scaling.batch import Batch, Schema
from scaling.diagnostics import parse_temperature
from scaling.losses import training_loss
from scaling.models.astro import AstroConfig
from scaling.models.base import MODELS, ModelConfig, Ranker
from scaling.optim import Optimizers
from scaling.trial import TrainingConfig

MakeBatch = Callable[..., Batch]
TRAINED = [name for name in MODELS.names() if MODELS.get(name).role == "trained"]
UNSEEN = 2
TRAINING = TrainingConfig(batch_size=5, lr=0.01, embedding_lr=0.1, lr_rule="given", warmup=0.0)


def with_scenarios(batch: Batch, scenario: torch.Tensor) -> Batch:
    """Every request in its scenario, and all history in scenarios 0 and 1."""
    history = tuple(
        dataclasses.replace(view, scenarios=view.scenarios.clamp(max=1)) for view in batch.history
    )
    context = dataclasses.replace(batch.context, scenario=scenario)
    return dataclasses.replace(batch, history=history, context=context)


def trained(config: ModelConfig, schema: Schema, make_batch: MakeBatch) -> Ranker:
    """A few steps on the scenarios 0 and 1."""
    torch.manual_seed(0)
    ranker = config.build(schema).train()
    optimizers = Optimizers(ranker, TRAINING)
    for step in range(5):
        batch = with_scenarios(make_batch(config.views(), seed=step), torch.tensor([0, 1, 0, 1, 1]))
        training_loss(ranker(batch), batch).backward()
        optimizers.step(step / 10)
    return ranker.eval()


@pytest.mark.parametrize("name", TRAINED)
def test_its_rows_stay_and_its_scores_are_finite(
    name: str, schema: Schema, make_batch: MakeBatch
) -> None:
    config = MODELS.get(name).example(schema)
    torch.manual_seed(0)
    before = config.build(schema).state_dict()
    ranker = trained(config, schema, make_batch)
    after = ranker.state_dict()
    rows = [n for n in after if n.endswith("scenarios.weight")]
    assert len(rows) == 2, "of events and of requests"
    for row in rows:
        torch.testing.assert_close(after[row][UNSEEN], before[row][UNSEEN], rtol=0, atol=0)
        assert not torch.equal(after[row][0], before[row][0])
    with torch.no_grad():
        batch = make_batch(config.views(), seed=9)
        logits = ranker(with_scenarios(batch, torch.full((5,), UNSEEN)))
    assert torch.isfinite(logits).all()


def test_its_temperatures_stay_those_of_plain_attention(
    schema: Schema, make_batch: MakeBatch
) -> None:
    ranker = trained(AstroConfig.example(schema), schema, make_batch)
    of_stacks = [p for n, p in ranker.named_parameters() if n.endswith("log_temperature")]
    assert len(of_stacks) == 2, "of the blocks' stack and of the fusion"
    told = {parse_temperature(name): value for name, value in ranker.diagnostics().items()}
    moved = 0
    for temperature, value in told.items():
        assert temperature is not None
        if temperature.scenario == schema.scenarios[UNSEEN]:
            assert value == 1
        else:
            moved += value != 1
    assert moved > 0
    fusion = ranker.get_parameter("fusion.log_temperature")
    assert not fusion[UNSEEN].any()
    assert fusion[:UNSEEN].all()
