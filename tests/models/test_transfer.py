"""The coordinate check: training moves activations by as much at every width.

Yang et al. 2022 (arXiv 2203.03466), appendix D.1: with rates that don't fit the width, the change of
the activations after a few steps grows or shrinks with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from scaling import optim
from scaling.batch import Batch, Schema
from scaling.losses import training_loss
from scaling.models.base import MODELS, Ranker
from scaling.models.grouped import GroupedLinear
from scaling.optim import Optimizers
from scaling.trial import TrainingConfig

MakeBatch = Callable[..., Batch]
WIDTHS = (32, 64, 128, 256)
STEPS = 4
FLAT, STEEP = 0.2, 0.4
"""Exponents of the change against the width: what counts as none, and as some."""


def changes(
    architecture: str, width: int, schema: Schema, make_batch: MakeBatch, seeds: int
) -> dict[str, float]:
    """Root mean square of how far a few steps move logits, and what enters the head."""
    found: dict[str, list[float]] = {"head": [], "logits": []}
    for seed in range(seeds):
        config = MODELS.get(architecture).example(schema).scaled(width=width, depth=2)
        torch.manual_seed(seed)
        ranker = config.build(schema)
        batch = make_batch(config.views(), requests=16, seed=seed, full=True)
        training = TrainingConfig(
            batch_size=16, lr=4e-3, embedding_lr=0.1, lr_rule="given", warmup=0.0
        )
        optimizers = Optimizers(ranker, training)
        before = activations(ranker, batch)
        for _ in range(STEPS):
            training_loss(ranker(batch), batch).backward()  # type: ignore[no-untyped-call]
            optimizers.step(0.0)
        for name, after in activations(ranker, batch).items():
            found[name].append(float((after - before[name]).square().mean()))
    return {name: math.sqrt(np.mean(squares)) for name, squares in found.items()}


@torch.no_grad()
def activations(ranker: Ranker, batch: Batch) -> dict[str, torch.Tensor]:
    """What the head gets, and what it gives."""
    caught: list[torch.Tensor] = []
    hook = ranker.head.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))  # type: ignore[operator,union-attr]
    logits = ranker(batch)
    hook.remove()
    return {"head": caught[0], "logits": logits}


def exponents(
    architecture: str, schema: Schema, make_batch: MakeBatch, seeds: int = 3
) -> dict[str, float]:
    """Slope of log change against log width."""
    by_width = [changes(architecture, w, schema, make_batch, seeds) for w in WIDTHS]
    return {
        name: float(np.polyfit(np.log(WIDTHS), np.log([c[name] for c in by_width]), 1)[0])
        for name in by_width[0]
    }


@pytest.mark.parametrize("architecture", ["transformer", "astro", "hstu"])
def test_activations_move_alike_at_every_width(
    architecture: str, schema: Schema, make_batch: MakeBatch
) -> None:
    found = exponents(architecture, schema, make_batch)
    assert all(abs(slope) < FLAT for slope in found.values()), found


def test_one_rate_for_all_matrices_would_move_wide_models_more(
    schema: Schema, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check can fail: without the rule by fan-in the change grows with the width."""
    plain = optim._groups

    def unscaled(ranker: Ranker, dense: list[torch.nn.Parameter], training: TrainingConfig):  # type: ignore[no-untyped-def]
        for module in ranker.modules():
            if isinstance(module, GroupedLinear):
                module.gain = module.weight.shape[1] / optim.LR_FAN_IN
        return plain(ranker, dense, training)

    monkeypatch.setattr(optim, "_groups", unscaled)
    found = exponents("transformer", schema, make_batch)
    assert found["head"] > STEEP, found
