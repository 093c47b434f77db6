"""The optimizers against their formulas."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from scaling.batch import Schema
from scaling.models.transformer import TransformerConfig
from scaling.optim import Optimizers, RowWiseAdagrad, schedule
from scaling.trial import TrainingConfig


@pytest.mark.parametrize("sparse", [True, False])
def test_only_rows_of_the_batch_move_and_they_follow_the_formula(sparse: bool) -> None:
    torch.manual_seed(0)
    table = nn.Embedding(6, 3, sparse=sparse)
    before = table.weight.detach().clone()
    optimizer = RowWiseAdagrad([table], lr=0.1, clip=1e9)
    for factor in (1.0, 0.5):
        weights = torch.randn(4, 3)
        (table(torch.tensor([2, 5, 2, 0])) * weights).sum().backward()
        gradient = torch.zeros(6, 3).index_add_(0, torch.tensor([2, 5, 2, 0]), weights)
        sums = (sums if factor == 0.5 else torch.zeros(6)) + gradient.square().mean(1)  # noqa: F821
        optimizer.step(factor)
        before = before - 0.1 * factor * gradient / (sums.sqrt() + 1e-8)[:, None]
    torch.testing.assert_close(table.weight.detach(), before)
    assert optimizer.sums[0][[1, 3, 4]].tolist() == [0, 0, 0]


def test_rows_are_clipped_together() -> None:
    tables = [nn.Embedding(4, 2, sparse=True), nn.Embedding(3, 2, sparse=True)]
    optimizer = RowWiseAdagrad(tables, lr=1.0, clip=0.5)
    (100 * (tables[0](torch.tensor([1])).sum() + tables[1](torch.tensor([2])).sum())).backward()
    optimizer.step(1.0)
    total = sum(float(sums.sum()) * 2 for sums in optimizer.sums)
    assert total == pytest.approx(0.25, rel=1e-4)


def test_the_rate_rises_over_the_warm_up_and_ends_at_zero() -> None:
    shares = [i / 1000 for i in range(1001)]
    factors = [schedule(share, 0.05) for share in shares]
    assert max(factors) == factors[50] == 1.0
    assert factors[-1] == 0.0
    assert 0 < factors[0] < 0.05
    assert factors[:51] == sorted(factors[:51])
    assert factors[50:] == sorted(factors[50:], reverse=True)
    assert schedule(1.0, 0.0) == 0.0


def test_matrices_move_by_fan_in_and_gain_and_vectors_do_not() -> None:
    """Adam's first step moves every entry by its rate, so the rates can be read off."""
    schema = Schema(10, ("like",), ((0,), (1,)), ("home",), {}, {}, 4)
    moved: dict[tuple[int, int], dict[str, float]] = {}
    for width, depth in ((32, 2), (64, 2), (64, 8)):
        ranker = TransformerConfig(depth=depth, width=width, seq_len=4).build(schema)
        training = TrainingConfig(
            batch_size=1, lr=1e-3, embedding_lr=0.1, lr_rule="given", weight_decay=0.0, warmup=0.0
        )
        optimizers = Optimizers(ranker, training)
        before = {name: p.detach().clone() for name, p in ranker.named_parameters()}
        for parameter in ranker.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizers.step(0.0)
        moved[width, depth] = {
            name: float((p.detach() - before[name]).abs().mean())
            for name, p in ranker.named_parameters()
        }
    layer = "stacks.0.layers.0."
    for name, scales in (
        (layer + "mixer.query_key_value.weight", (2, 1, 1)),
        (layer + "mixer.out.weight", (1, 0.5, 0.125)),
        (layer + "ffn.down.weight", (0.25, 0.125, 0.03125)),
        (layer + "norm_mixer.weight", (1, 1, 1)),
        ("head.out.weight", (2, 1, 1)),
        ("head.out.bias", (1, 1, 1)),
    ):
        found = [sizes[name] for sizes in moved.values()]
        assert found == pytest.approx([1e-3 * scale for scale in scales], rel=1e-3)
