"""GRU's own promise: torch's kernel and the equations agree, and only real events move the state."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from scaling.batch import Batch, Schema
from scaling.models.gru import GruConfig, Recurrence

CONFIG = GruConfig(depth=2, width=8, seq_len=6)


def lively(recurrence: Recurrence) -> Recurrence:
    for parameter in recurrence.parameters():
        torch.nn.init.normal_(parameter)
    return recurrence.double()


def test_the_kernel_computes_the_equations() -> None:
    torch.manual_seed(0)
    recurrence = lively(Recurrence(width=8, depth=3))
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    fused = recurrence(x)
    recurrence.implementation = "reference"
    torch.testing.assert_close(recurrence(x), fused, rtol=0, atol=1e-12)
    assert fused.shape == (2, 6, 8)
    torch.testing.assert_close(fused[0, 0], recurrence.start[-1], rtol=0, atol=0)


def test_the_linear_layers_and_the_kernel_share_their_parameters() -> None:
    recurrence = Recurrence(width=8, depth=2)
    assert recurrence.gru.weight_hh_l1 is recurrence.of_state[1].weight
    recurrence.double()
    assert recurrence.gru.weight_ih_l0 is recurrence.of_input[0].weight
    shared = {id(p) for p in recurrence.parameters()}
    assert {id(p) for p in recurrence.gru.parameters()} < shared
    loaded = Recurrence(width=8, depth=2).double()
    loaded.load_state_dict(recurrence.state_dict())
    x = torch.randn(1, 3, 8, dtype=torch.float64)
    torch.testing.assert_close(loaded(x), recurrence(x), rtol=0, atol=0)


@pytest.mark.parametrize("implementation", ["fused", "reference"])
def test_the_memory_is_the_state_at_the_last_real_event(
    schema: Schema, make_batch: Callable[..., Batch], implementation: str
) -> None:
    torch.manual_seed(0)
    ranker = CONFIG.build(schema).double()
    lively(ranker.recurrence).implementation = implementation  # type: ignore[assignment]
    batch = make_batch(CONFIG.views())
    (view,) = batch.history
    (state,) = ranker.encode(batch.history, batch.context).tree
    tokens = ranker.tokens.events(view)
    for row, length in enumerate(view.mask.sum(1).tolist()):
        alone = ranker.recurrence(tokens[row : row + 1, : max(length, 1)])[0, length]
        torch.testing.assert_close(state[row], alone, rtol=0, atol=1e-12)


def test_the_memory_does_not_grow_with_the_history(
    schema: Schema, make_batch: Callable[..., Batch]
) -> None:
    sizes = set()
    for seq_len in (4, 32):
        config = CONFIG.scaled(seq_len=seq_len)
        batch = make_batch(config.views())
        sizes.add(config.build(schema).encode(batch.history, batch.context).nbytes)
    assert len(sizes) == 1


def test_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"gru\.depth must be at least 1, got 0"):
        CONFIG.scaled(depth=0)
