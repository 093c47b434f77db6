"""DIN's own promise: the activation unit and the sum of the paper, event by event."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from scaling.batch import Batch, Schema
from scaling.models.din import ActivationUnit, Din, DinConfig


@pytest.fixture
def unit() -> ActivationUnit:
    torch.manual_seed(0)
    unit = ActivationUnit(width=6, units=3).double()
    torch.nn.init.normal_(unit.hidden.bias)
    torch.nn.init.normal_(unit.out.bias)
    return unit


def weight(unit: ActivationUnit, h: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """a(h, c) as it is written."""
    hidden = unit.hidden.weight @ torch.cat([h, c, h - c, h * c]) + unit.hidden.bias
    return unit.out.weight[0] @ torch.nn.functional.silu(hidden) + unit.out.bias[0]


@pytest.mark.parametrize("implementation", ["fused", "reference"])
def test_weights_are_those_of_the_formula(unit: ActivationUnit, implementation: str) -> None:
    unit.implementation = implementation  # type: ignore[assignment]
    events = torch.randn(2, 5, 6, dtype=torch.float64)
    x = torch.randn(2, 3, 6, dtype=torch.float64)
    expected = torch.stack(
        [torch.stack([torch.stack([weight(unit, h, c) for h in events[b]]) for c in x[b]])
         for b in range(2)]
    )  # fmt: skip
    torch.testing.assert_close(unit(events, x), expected, rtol=0, atol=1e-12)


def test_interest_is_the_weighted_sum_of_the_real_events(
    schema: Schema, make_batch: Callable[..., Batch]
) -> None:
    config = DinConfig(depth=1, width=8, seq_len=4)
    torch.manual_seed(0)
    ranker = config.build(schema).double()
    torch.nn.init.normal_(ranker.head.out.weight)
    batch = make_batch(config.views())
    (view,) = batch.history
    tokens = ranker.tokens.events(view)
    candidates = ranker.tokens.candidates(batch.candidates, batch.context)
    logits = ranker(batch)
    for row, length in enumerate(view.mask.sum(1).tolist()):
        c = candidates[row, 0]
        terms = [weight(ranker.unit, h, c) * h for h in tokens[row, :length]]
        interest = sum(terms, torch.zeros_like(c)) / config.seq_len**0.5
        expected = ranker.head(ranker.mlp(torch.cat([interest, c])))
        torch.testing.assert_close(logits[row, 0], expected, rtol=0, atol=1e-12)


def test_weights_are_no_softmax(schema: Schema, make_batch: Callable[..., Batch]) -> None:
    """The same events twice are twice the interest."""
    config = DinConfig(depth=1, width=8, seq_len=4)
    ranker = config.build(schema)
    assert isinstance(ranker, Din)
    events, x = torch.randn(1, 4, 8), torch.randn(1, 2, 8)
    once = ranker.unit(events, x) @ events
    twice = torch.cat([events, events], 1)
    torch.testing.assert_close(ranker.unit(twice, x) @ twice, 2 * once, rtol=1e-4, atol=1e-5)


def test_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"din\.seq_len must be at least 1, got 0"):
        DinConfig(depth=1, width=8, seq_len=0)
