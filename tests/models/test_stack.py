"""The parts of a stack against their formulas, and what its options change."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scaling.batch import Batch, Schema
from scaling.losses import training_loss
from scaling.models.astro import AstroConfig
from scaling.models.attention import history_attention
from scaling.models.feedforward import Experts, FeedForward
from scaling.models.fused_feedforward import LEAST_ROWS, fused_feed_forward
from scaling.models.grouped import GroupedRMSNorm
from scaling.models.stack import use_recomputation
from scaling.models.stack_shape import StackShape
from scaling.models.transformer import TransformerConfig

MakeBatch = Callable[..., Batch]
SHAPE = StackShape(depth=2, width=16, length=8, head_dim=8)
ASTRO = AstroConfig(depth=2, width=32, seq_len=16, strategies=("recent", "click"))


def with_gradients(function: Callable[..., Tensor], *inputs: Tensor) -> list[Tensor]:
    """The output, and the gradients of its weighted sum."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    out = function(*leaves)
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
    gradients = torch.autograd.grad((out * weights).sum(), leaves)
    return [out.detach(), *gradients]


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("length", [1, 64, 150])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("form", ["blocked", "blocked, weights kept", "bias dimension"])
def test_fast_attention_is_the_plain_one(
    length: int, causal: bool, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over several blocks of queries and pieces of rows, in values and in every gradient."""
    monkeypatch.setattr("scaling.models.blocked_attention.SCRATCH", 64 * 150 * 2)
    kept = 1e9 if form == "blocked, weights kept" else 0
    monkeypatch.setattr("scaling.models.blocked_attention.KEPT", kept)
    if form == "bias dimension":  # what a GPU uses
        monkeypatch.setattr("scaling.models.attention._on_cpu", lambda projected: False)
    torch.manual_seed(0)
    inputs = random(3, length, 3, 2, 8), random(3, 2, length), 0.5 * random(3, 2)

    def attend(*tensors: Tensor, implementation: str) -> Tensor:
        """All that comes out, side by side: gradients flow through keys and values too."""
        found = history_attention(*tensors, causal=causal, implementation=implementation)  # type: ignore[arg-type,misc]
        return torch.cat([tensor.flatten() for tensor in found])

    fast = with_gradients(lambda *t: attend(*t, implementation="fused"), *inputs)
    plain = with_gradients(lambda *t: attend(*t, implementation="reference"), *inputs)
    for ours, theirs in zip(fast, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_attention_in_low_precision_is_the_exact_one_rounded() -> None:
    """bf16 holds 8 bits: about 0.4 % of each number."""
    torch.manual_seed(0)
    projected, bias, w = (
        t.bfloat16() for t in (random(2, 70, 3, 2, 8), random(2, 2, 70), random(2, 2))
    )
    with torch.autocast("cpu", torch.bfloat16):
        rounded = history_attention(projected, bias, w)
    exact = history_attention(projected.double(), bias.double(), w.double())
    for ours, theirs in zip(rounded, exact, strict=True):
        assert ours.dtype == torch.bfloat16
        torch.testing.assert_close(ours.double(), theirs, rtol=8e-3, atol=8e-3)


def test_a_pairwise_bias_that_depends_on_the_key_alone_is_a_key_bias() -> None:
    torch.manual_seed(0)
    projected, bias, w = random(2, 9, 3, 2, 8), random(2, 2, 9), random(2, 2)
    pairs = bias.unsqueeze(-2).expand(-1, -1, 9, -1)
    for alone, paired in zip(
        history_attention(projected, bias, w), history_attention(projected, pairs, w)
    ):
        torch.testing.assert_close(paired, alone)


def test_the_fused_feed_forward_is_its_formula() -> None:
    torch.manual_seed(0)
    rows = 2 * LEAST_ROWS + 5  # several pieces, the last one short
    inputs = random(2, rows, 4), random(2, 4), random(2, 4, 2**12), random(2, 2**12, 4)

    def formula(x: Tensor, norm: Tensor, up: Tensor, down: Tensor) -> Tensor:
        normed = F.rms_norm(x, x.shape[-1:]) * norm.unsqueeze(1)
        return x + torch.bmm(F.silu(torch.bmm(normed, up)), down)

    for ours, theirs in zip(
        with_gradients(fused_feed_forward, *inputs), with_gradients(formula, *inputs), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("groups", "rows"), [(1, 7), (2, 7), (1, 2 * LEAST_ROWS + 5)])
def test_the_fused_feed_forward_without_gradients_is_the_same(groups: int, rows: int) -> None:
    torch.manual_seed(0)
    shapes = (groups, rows, 4), (groups, 4), (groups, 4, 2**12), (groups, 2**12, 4)
    inputs = [random(*shape) for shape in shapes]
    with torch.no_grad():
        found = fused_feed_forward(*inputs)
    torch.testing.assert_close(found, fused_feed_forward(*inputs).detach(), rtol=1e-9, atol=1e-9)


def test_the_norm_is_torchs() -> None:
    torch.manual_seed(0)
    norm = GroupedRMSNorm(1, 6).double()
    x = random(1, 2, 5, 6)
    ours = with_gradients(norm, x)
    theirs = with_gradients(lambda x: F.rms_norm(x, (6,)), x)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)
    with torch.no_grad():  # another form
        torch.testing.assert_close(norm(x), theirs[0])
        nothing = torch.zeros_like(x)
        torch.testing.assert_close(norm(nothing), nothing)


def test_equal_experts_are_one_feed_forward_part() -> None:
    """Shares of a token's experts sum to 1, so experts that agree are one of them."""
    torch.manual_seed(0)
    shape = dataclasses.replace(SHAPE, experts=4, experts_per_token=2)
    experts, dense = Experts(shape, groups=2).double(), FeedForward(SHAPE, groups=2).double()
    with torch.no_grad():
        for name in ("up", "down"):
            weight = getattr(dense, name).weight
            getattr(experts, name).weight.copy_(weight.repeat_interleave(4, 0))
    x = random(2, 3, 5, 16)
    torch.testing.assert_close(experts(x), dense(x))


def test_the_experts_load_is_balanced_by_the_objective(
    schema: Schema, make_batch: MakeBatch
) -> None:
    config = TransformerConfig(depth=2, width=32, seq_len=8, experts=4)
    ranker = config.build(schema)
    batch = make_batch(config.views())
    ranker(batch)
    term = ranker.auxiliary_loss()
    assert term is not None
    assert 0.01 <= float(term.detach()) <= 0.04  # 0.01 for an even load, 0.04 if one expert has all
    term.backward()  # type: ignore[no-untyped-call]
    routers = [m.router.weight.grad for m in ranker.modules() if isinstance(m, Experts)]
    assert all(g is not None and g.abs().sum() > 0 for g in routers)
    ranker.eval()
    ranker(batch)
    assert ranker.auxiliary_loss() is None
    assert TransformerConfig(depth=2, width=32, seq_len=8).build(schema).auxiliary_loss() is None


def test_recomputed_activations_give_the_same_gradients(
    schema: Schema, make_batch: MakeBatch
) -> None:
    ranker = ASTRO.build(schema).double()
    batch = make_batch(ASTRO.views())
    batch = dataclasses.replace(batch, labels=batch.labels.double())
    found = []
    for recompute in (False, True):
        use_recomputation(ranker, recompute)
        ranker.zero_grad()
        training_loss(ranker(batch), batch).backward()  # type: ignore[no-untyped-call]
        found.append([p.grad.to_dense() for p in ranker.parameters() if p.grad is not None])
    for kept, again in zip(*found, strict=True):
        torch.testing.assert_close(again, kept)


def test_shared_stacks_have_the_weights_of_one(schema: Schema) -> None:
    own, shared = ASTRO, dataclasses.replace(ASTRO, share_stacks=True)
    stacks = ("attention", "ffn", "bias", "temperature")
    for group in stacks:
        assert own.params(schema)[group] == 2 * shared.params(schema)[group]


def test_equal_blocks_are_one_computation_and_others_are_not(schema: Schema) -> None:
    strategies = ("recent", "click", "like", "no_click")
    for shares, expected in (((), 1), ((2, 1, 1, 1), 2), ((1, 2, 1, 2), 2), ((4, 3, 2, 1), 4)):
        config = AstroConfig(depth=1, width=32, seq_len=120, strategies=strategies, shares=shares)
        assert len(config.build(schema).stacks) == expected
        assert sum(view.length for view in config.views()) == 120


def test_unequal_blocks_are_fused_in_their_order(schema: Schema, make_batch: MakeBatch) -> None:
    """Blocks of two lengths alternate; blanking one block's view changes its vector alone."""
    strategies = ("recent", "click", "like")
    config = AstroConfig(depth=2, width=32, seq_len=16, strategies=strategies, shares=(1, 2, 1))
    ranker = config.build(schema).double()
    batch = make_batch(config.views(), full=True)
    for block in range(3):
        history = list(batch.history)
        history[block] = dataclasses.replace(
            history[block], mask=torch.zeros_like(history[block].mask)
        )
        vectors = []
        for views in (batch.history, tuple(history)):
            memory = ranker.encode(views, batch.context)
            vectors.append(ranker.stack_vectors(memory, batch.candidates, batch.context))
        moved = (vectors[0] - vectors[1]).abs().amax((1, 2, 3)) > 1e-9
        assert moved.tolist() == [index == block for index in range(3)]


def test_temperatures_start_as_the_plain_scaling_and_are_told(schema: Schema) -> None:
    told = ASTRO.build(schema).diagnostics()
    assert len(told) == 2 * (1 + 2) * 3  # blocks, layers and their mean, scenarios
    assert set(told.values()) == {1.0}
    assert told["temperature.1-click.layer0.radio"] == 1.0
    assert not dataclasses.replace(ASTRO, temperature=False).build(schema).diagnostics()


def test_a_scenarios_temperature_acts_on_its_own_requests(
    schema: Schema, make_batch: MakeBatch
) -> None:
    ranker = ASTRO.build(schema).double()
    batch = make_batch(ASTRO.views(), full=True)
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
        before = ranker(batch)
        ranker.stack_of(0).log_temperature[:, 1] += 0.5  # type: ignore[index]
        moved = (ranker(batch) - before).abs().amax((1, 2)) > 1e-9
    assert moved.tolist() == (batch.context.scenario == 1).tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shares": (1,)}, r"shares must name each of the 2 blocks, got \(1,\)"),
        ({"shares": (2, 1)}, r"seq_len 16 does not divide .* choose a multiple of 3"),
        ({"shares": (1, 0)}, "does not divide"),
        ({"experts": 2, "experts_per_token": 3}, r"must be 1 to experts \(2\), got 3"),
        ({"strategies": ()}, "at least one block"),
        ({"head_dim": 24}, "multiple of head_dim 24, got 32"),
    ],
)
def test_impossible_options_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(ASTRO, **changes)  # type: ignore[arg-type]
