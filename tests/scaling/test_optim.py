"""The optimizers against their formulas."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from scaling.optim import RowWiseAdagrad, schedule


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
