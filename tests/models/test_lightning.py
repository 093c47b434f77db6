"""Linear attention with decay: the recurrence in any form, constant memory, the hybrid's pattern."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from scaling.batch import Batch, Schema, View
from scaling.models.astro import AstroConfig
from scaling.models.attention import Implementation, use_implementation
from scaling.models.base import MODELS, ModelConfig
from scaling.models.hybrid import HybridConfig
from scaling.models.lightning import LightningConfig
from scaling.models.lightning_mixer import LightningMixer, decay_rates
from scaling.models.linear_attention import candidate_linear_attention, linear_attention
from scaling.models.mixer import LayerFacts
from scaling.models.stack_shape import StackShape
from scaling.models.transformer import TransformerConfig

MakeBatch = Callable[..., Batch]

HEADS, SIZE = 3, 4
RATES = torch.tensor([1e-3, 0.2, 3.0], dtype=torch.float64)
"""From hardly forgetting to next to nothing after ten events."""


def random_qkv(rows: int, length: int, seed: int = 0, size: int = SIZE) -> list[Tensor]:
    g = torch.Generator().manual_seed(seed)
    shape = (rows, HEADS, length, size)
    return [torch.randn(shape, generator=g, dtype=torch.float64) for _ in range(3)]


def right_padded(lengths: list[int], length: int) -> Tensor:
    return torch.arange(length) < torch.tensor(lengths)[:, None]


def by_loops(q: Tensor, k: Tensor, v: Tensor, lengths: list[int]) -> tuple[Tensor, Tensor]:
    """S_t = lambda S_{t-1} + k_t v_t^T and o_t = S_t^T q_t, number by number of the definition."""
    states, gathered = torch.zeros(len(q), HEADS, SIZE, SIZE).double(), torch.zeros_like(q)
    for row, count in enumerate(lengths):
        for head in range(HEADS):
            state = torch.zeros(SIZE, SIZE, dtype=torch.float64)
            for t in range(count):
                state = math.exp(-RATES[head]) * state
                state = state + torch.outer(k[row, head, t], v[row, head, t])
                gathered[row, head, t] = state.T @ q[row, head, t]
            states[row, head] = state
    return states, gathered


@pytest.mark.parametrize("implementation", ["fused", "reference"])
@pytest.mark.parametrize("length", [1, 7, 32, 33, 65, 101])
def test_every_form_is_the_recurrence(length: int, implementation: Implementation) -> None:
    lengths = [length, 0, 1, length // 2, max(0, length - 33)]
    q, k, v = random_qkv(5, length)
    mask = right_padded(lengths, length)
    state, gathered = linear_attention(q, k, v, RATES, mask, implementation)
    expected_state, expected = by_loops(q, k, v, lengths)
    torch.testing.assert_close(state, expected_state, rtol=1e-12, atol=1e-12)
    assert gathered is not None
    real = mask[:, None, :, None]
    torch.testing.assert_close(gathered * real, expected, rtol=1e-12, atol=1e-12)
    alone, nothing = linear_attention(None, k, v, RATES, mask, implementation)
    torch.testing.assert_close(alone, state, rtol=0, atol=0)
    assert nothing is None


def test_the_block_wise_form_has_the_recurrences_gradients() -> None:
    length, found = 101, []
    mask = right_padded([length, 0, 40, 64], length)
    for implementation in ("fused", "reference"):
        inputs = [t.requires_grad_() for t in random_qkv(4, length)]
        state, gathered = linear_attention(*inputs, RATES, mask, implementation)  # type: ignore[arg-type]
        assert gathered is not None
        ((gathered * mask[:, None, :, None]).square().sum() + state.square().sum()).backward()
        found.append([t.grad for t in inputs])
    for fused, reference in zip(*found):
        torch.testing.assert_close(fused, reference, rtol=1e-11, atol=1e-11)


def test_wide_heads_have_long_blocks_and_the_same_result() -> None:
    q, k, v = random_qkv(2, 130, size=48)
    mask = right_padded([130, 77], 130)
    fused = linear_attention(q, k, v, RATES, mask)
    reference = linear_attention(q, k, v, RATES, mask, "reference")
    torch.testing.assert_close(fused[0], reference[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("implementation", ["fused", "reference"])
def test_a_candidate_is_the_next_event(implementation: Implementation) -> None:
    q, k, v = random_qkv(4, 50)
    lengths = [49, 0, 20, 33]
    states, _ = linear_attention(None, k, v, RATES, right_padded(lengths, 50))
    places = torch.tensor(lengths)
    rows = torch.arange(4)
    candidate = [t[rows, :, places].unsqueeze(2) for t in (q, k, v)]
    found = candidate_linear_attention(*candidate, states, RATES, implementation)
    _, expected = by_loops(q, k, v, [length + 1 for length in lengths])
    torch.testing.assert_close(found[:, :, 0], expected[rows, :, places], rtol=1e-12, atol=1e-12)


def test_what_is_padded_neither_adds_nor_decays() -> None:
    q, k, v = random_qkv(2, 90)
    padded, _ = linear_attention(q, k, v, RATES, right_padded([40, 3], 90))
    for row, length in enumerate((40, 3)):
        short = [t[row : row + 1, :, :length] for t in (q, k, v)]
        alone, _ = linear_attention(*short, RATES, right_padded([length], length))
        torch.testing.assert_close(padded[row], alone[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bf16", [False, True])
def test_long_histories_and_strong_decays_stay_exact_in_low_precision(bf16: bool) -> None:
    # lambda^-1024 would be infinite for two of the three heads.
    length, rates = 1024, torch.tensor([1e-7, 0.5, 20.0])
    exact = random_qkv(2, length, size=16)
    mask = right_padded([length, 700], length)
    inputs = [t.float().requires_grad_() for t in exact]
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        low = [t.bfloat16() for t in inputs] if bf16 else inputs
        state, gathered = linear_attention(*low, rates, mask)  # type: ignore[misc]
    assert state.dtype == torch.float32
    assert gathered is not None
    (gathered.float().sum() + state.sum()).backward()
    assert all(t.grad is not None and torch.isfinite(t.grad).all() for t in inputs)
    exact_state, exact_gathered = linear_attention(*exact, rates.double(), mask, "reference")
    assert exact_gathered is not None
    tolerance = 1e-2 if bf16 else 2e-6
    for found, wanted in ((state, exact_state), (gathered[0], exact_gathered[0])):
        assert (found - wanted).norm() <= tolerance * wanted.norm()


def test_decays_are_those_of_the_equation() -> None:
    # ALiBi's slopes for four heads are 2^-2, 2^-4, 2^-6, 2^-8.
    for layer, height in ((0, 1 + 1e-5), (1, 0.5 + 1e-5), (2, 1e-5)):
        expected = [slope * height for slope in (1 / 4, 1 / 16, 1 / 64, 1 / 256)]
        np.testing.assert_allclose(decay_rates(4, layer, 3), expected, rtol=1e-6)
    torch.testing.assert_close(decay_rates(4, 0, 1), decay_rates(4, 0, 2))  # a single layer
    assert (decay_rates(5, 1, 2) > 0).all()  # no head grows


def test_the_last_layer_pays_keys_values_and_the_state_alone() -> None:
    shape = StackShape(depth=1, width=32, length=20, head_dim=16, softmax_every=0)
    mixer = LightningMixer(shape, groups=2, layer=0)
    use_implementation(mixer, "reference")
    normed, facts = torch.randn(2, 3, 20, 32), LayerFacts(mask=torch.ones(6, 20, dtype=torch.bool))
    with FlopCounterMode(display=False) as counter:
        remembered, gathered = mixer.encode(normed, facts, last=True)
    assert gathered is None
    assert [t.shape for t in remembered] == [(6, 2, 16, 16)]
    rows = np.array([2.0 * 3])
    components, saving = LightningMixer.flops(shape, 20 * rows, 0 * rows, 0 * rows)
    assert counter.get_total_flops() == sum(c.sum() for c in components.values())
    assert components["history.projections"] == 20 * rows * 2 * 32 * 64
    assert components["history.state"] == 20 * rows * 2 * 32 * 16
    assert saving == 0


@pytest.mark.parametrize("name", ["lightning", "hybrid"])
def test_flops_equal_the_profilers_beyond_one_block(
    name: str, schema: Schema, make_batch: MakeBatch
) -> None:
    config = MODELS.get(name).example(schema).scaled(seq_len=70, depth=2)
    config = dataclasses.replace(config, head_dim=8)  # type: ignore[call-arg]
    batch = make_batch(config.views(), requests=2, full=True)
    ranker = config.build(schema)
    use_implementation(ranker, "reference")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        ranker(batch)
    counted = config.flops(schema, batch.lengths(), batch.num_candidates())
    assert counter.get_total_flops() == counted.total.sum()


@pytest.mark.parametrize("name", ["lightning", "hybrid"])
def test_a_long_history_scores_alike_in_both_forms(
    name: str, schema: Schema, make_batch: MakeBatch
) -> None:
    config = MODELS.get(name).example(schema).scaled(seq_len=71)
    batch = make_batch(config.views())
    torch.manual_seed(0)
    ranker = config.build(schema).double().eval()
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
        fused = ranker(batch)
        use_implementation(ranker, "reference")
        torch.testing.assert_close(ranker(batch), fused, rtol=1e-9, atol=1e-9)


def test_memory_has_one_size_at_any_length(schema: Schema, make_batch: MakeBatch) -> None:
    sizes = set()
    for length in (1, 16, 100):
        config = LightningConfig(depth=2, width=32, seq_len=length, head_dim=8)
        batch = make_batch(config.views(), requests=3)
        with torch.no_grad():
            sizes.add(config.build(schema).encode(batch.history, batch.context).nbytes)
    # requests, layers, heads, head size by head size, bytes
    assert sizes == {3 * 2 * 4 * 8 * 8 * 4}


def test_flops_of_the_history_are_linear_in_its_length(schema: Schema) -> None:
    config = LightningConfig(depth=3, width=32, seq_len=64)
    lengths = np.array([[10], [20], [30]])
    flops = config.flops(schema, lengths, np.array([1, 1, 1]))
    assert np.ptp(np.diff(flops.part("history."))) == 0
    assert np.ptp(flops.part("candidates.")) == 0
    np.testing.assert_array_equal(flops.total, flops.total_causal)


def test_order_matters_and_only_to_the_events_after(schema: Schema) -> None:
    shape = StackShape(depth=2, width=32, length=8, head_dim=16, softmax_every=0)
    torch.manual_seed(0)
    mixer = LightningMixer(shape, groups=1, layer=0).double()
    x = torch.randn(1, 1, 8, 32, dtype=torch.float64)
    facts = LayerFacts(mask=torch.ones(1, 8, dtype=torch.bool))
    (state,), events = mixer.encode(x, facts, last=False)
    (turned,), _ = mixer.encode(x.flip(2), facts, last=False)
    assert not torch.allclose(state, turned)
    changed = x.clone()
    changed[:, :, 5] += 1
    _, others = mixer.encode(changed, facts, last=False)
    assert events is not None
    assert others is not None
    torch.testing.assert_close(events[:, :, :5], others[:, :, :5], rtol=0, atol=1e-12)
    assert ((events - others)[:, :, 5:].abs().amax(-1) > 1e-6).all()


def pattern(depth: int, softmax_every: int = 8) -> str:
    config = HybridConfig(depth=depth, width=32, seq_len=16, softmax_every=softmax_every)
    return "".join("S" if mixing == "softmax" else "L" for mixing in config.shape().mixing)


def test_a_hybrid_has_one_softmax_layer_after_every_seven() -> None:
    assert pattern(16) == "LLLLLLLSLLLLLLLS"
    assert pattern(10) == "LLLLLLLSLL"
    assert pattern(6, softmax_every=3) == "LLSLLS"
    assert HybridConfig(depth=1, width=32, seq_len=16).softmax_every == 8


def test_a_shallow_hybrid_ends_in_its_softmax_layer() -> None:
    assert [pattern(depth) for depth in (1, 2, 3, 7)] == ["S", "LS", "LLS", "LLLLLLS"]


def test_a_hybrid_of_softmax_alone_is_the_transformer(
    schema: Schema, make_batch: MakeBatch
) -> None:
    sizes = {"depth": 2, "width": 32, "seq_len": 16}
    plain, mixed = TransformerConfig(**sizes), HybridConfig(**sizes, softmax_every=1)
    batch = make_batch(plain.views())
    rankers = []
    for config in (plain, mixed):
        torch.manual_seed(0)
        rankers.append(config.build(schema))
    rankers[1].load_state_dict(rankers[0].state_dict())
    torch.testing.assert_close(rankers[0](batch), rankers[1](batch), rtol=0, atol=0)
    assert plain.params(schema) == mixed.params(schema)


def test_lightning_layers_work_in_parallel_stacks(schema: Schema, make_batch: MakeBatch) -> None:
    """Groups of one computation are the stacks computed apart."""
    shape = StackShape(depth=2, width=32, length=40, head_dim=16, softmax_every=0)
    torch.manual_seed(0)
    mixer = LightningMixer(shape, groups=2, layer=0).double()
    x = torch.randn(2, 3, 40, 32, dtype=torch.float64)
    mask = right_padded([40, 0, 7, 33, 20, 1], 40)
    (state,), together = mixer.encode(x, LayerFacts(mask=mask), last=False)
    assert together is not None
    for group in range(2):
        alone = LightningMixer(shape, groups=1, layer=0).double()
        weights = {name: w[group : group + 1] for name, w in mixer.state_dict().items()}
        alone.load_state_dict(weights)
        rows = slice(3 * group, 3 * group + 3)
        facts = LayerFacts(mask=mask[rows])
        (own,), apart = alone.encode(x[group : group + 1], facts, last=False)
        assert apart is not None
        torch.testing.assert_close(own, state[rows], rtol=0, atol=1e-12)
        torch.testing.assert_close(apart[0], together[group], rtol=0, atol=1e-12)


def test_the_merged_view_is_read_too() -> None:
    of = AstroConfig(depth=1, width=32, seq_len=16, strategies=("recent", "like")).views()
    for kind in (LightningConfig, HybridConfig):
        config = kind(depth=1, width=32, seq_len=16, strategy="merged", of=of)
        assert config.views() == (View(strategy="merged", length=16, of=of),)
        assert ModelConfig.from_dict(config.to_dict()) == config


def test_bad_configurations_are_refused() -> None:
    with pytest.raises(ValueError, match=r"hybrid\.softmax_every must be at least 1, got 0"):
        HybridConfig(depth=2, width=32, seq_len=16, softmax_every=0)
    with pytest.raises(ValueError, match=r"lightning\.width must be a multiple of head_dim 24"):
        LightningConfig(depth=2, width=32, seq_len=16, head_dim=24)
    with pytest.raises(ValueError, match=r"one direction.*softmax_every 1.*got 8"):
        StackShape(depth=8, width=32, length=16, head_dim=16, softmax_every=8, causal=False)
    given = LightningConfig(depth=2, width=32, seq_len=16).to_dict() | {"bidirectional": True}
    with pytest.raises(ValueError, match="no field 'bidirectional'"):
        ModelConfig.from_dict(given)
