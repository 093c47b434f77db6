"""In single precision, after training: scores don't depend on how they are asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from scaling.batch import Batch, Candidates, Schema
from scaling.losses import training_loss
from scaling.models.base import ModelConfig, Ranker
from scaling.models.reference import Reference
from scaling.optim import Optimizers
from scaling.trial import TrainingConfig

MakeBatch = Callable[..., Batch]
TRAINING = TrainingConfig(batch_size=16, lr=0.01, embedding_lr=0.1, lr_rule="given", warmup=0.0)
STEPS = 8


@pytest.fixture
def trained(config: ModelConfig, schema: Schema, make_batch: MakeBatch) -> Ranker:
    """The model after some steps; a reference after a batch."""
    torch.manual_seed(0)
    ranker = config.build(schema).train()
    if isinstance(ranker, Reference):
        ranker.count(make_batch(config.views(), requests=400, full=True))
        ranker.close()
        return ranker.eval()
    optimizers = Optimizers(ranker, TRAINING)
    for step in range(STEPS):
        batch = make_batch(config.views(), requests=16, seed=step)
        training_loss(ranker(batch), batch).backward()  # type: ignore[no-untyped-call]
        optimizers.step(step / STEPS)
    return ranker.eval()


def alike(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@torch.no_grad()
def test_scores_do_not_depend_on_how_they_are_asked_for(
    config: ModelConfig, make_batch: MakeBatch, trained: Ranker
) -> None:
    batch = make_batch(config.views(), requests=6, seed=99)
    items, mask, context = batch.candidates.items, batch.candidates.mask, batch.context
    scores = trained(batch)
    assert scores.dtype == torch.float32
    assert scores[mask].std() > 0.01
    memory = trained.encode(batch.history, context)
    # One candidate after the other, on one memory that is asked again and again.
    singly = [
        trained.score(memory, Candidates(items[:, [place]], mask[:, [place]]), context)
        for place in range(items.shape[1])
    ]
    alike(torch.cat(singly, dim=1)[mask], scores[mask])
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    permuted = trained.score(memory, Candidates(items[:, order], mask[:, order]), context)
    alike(permuted[mask[:, order]], scores[:, order][mask[:, order]])
    # One request alone, its history encoded alone: other shapes, other orders of sums.
    for row in range(len(batch)):
        alone = trained(batch.rows(slice(row, row + 1)))[0]
        alike(alone[mask[row]], scores[row][mask[row]])
        cached = trained.score(
            memory.select(torch.tensor([row])),
            batch.candidates.rows(slice(row, row + 1)),
            context.rows(slice(row, row + 1)),
        )
        alike(cached[0][mask[row]], scores[row][mask[row]])
