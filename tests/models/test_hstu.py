"""HSTU against its equations, query by query and key by key."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from scaling.batch import Batch, Schema
from scaling.models.attention import Implementation
from scaling.models.hstu import EPSILON, Hstu, HstuConfig, HstuLayer, Normaliser
from scaling.models.silu_attention import (
    HIDDEN,
    TIME_BUCKETS,
    UNKNOWN_TIME,
    Pairs,
    silu_attention,
    time_bucket,
)

MakeBatch = Callable[..., Batch]


def lively(config: HstuConfig, schema: Schema) -> Hstu:
    torch.manual_seed(1)
    ranker = config.build(schema).double().eval()
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return ranker


def silu(x: float) -> float:
    return x / (1 + math.exp(-x))


def normed(x: Tensor) -> Tensor:
    return (x - x.mean()) / (x.var(unbiased=False) + EPSILON).sqrt()


def bias_of(ranker: Hstu, layer: int, steps: int, seconds: float) -> float:
    """rab of a pair; `seconds` is nan where unknown."""
    bucket = UNKNOWN_TIME
    if not math.isnan(seconds):
        bucket = min(math.floor(math.log(max(1.0, abs(seconds))) / 0.301), 128)
    return float(ranker.times[bucket, layer] + ranker.positions[steps, layer])


def by_hand(ranker: Hstu, batch: Batch, row: int, item: int) -> Tensor:
    """The logits of one candidate: real events and the candidate as one sequence, one by one."""
    config, (view,) = ranker.config, batch.history
    n = int(view.mask[row].sum())
    events = ranker.tokens.events(view)[row, :n]
    candidate = ranker.tokens.candidates(batch.candidates, batch.context)[row, item]
    x = [*events, candidate]
    ages = [*(float(age) if age >= 0 else math.nan for age in view.ages[row, :n]), 0.0]
    for number, layer in enumerate(ranker.layers):
        assert isinstance(layer, HstuLayer)
        projected = [torch.nn.functional.silu(normed(v) @ layer.project.weight[0]) for v in x]
        u, q, k, v = zip(*(p.chunk(4) for p in projected), strict=True)
        after = []
        for i in range(n + 1):
            big_n = {"max": config.seq_len, "actual": i + 1, "fixed": config.fixed_normaliser}
            gathered = torch.zeros(config.width, dtype=torch.float64)
            for h in range(0, config.width, config.head_dim):
                head = slice(h, h + config.head_dim)
                for j in range(i + 1):
                    # A candidate is its own key at no distance; an unknown age is unknown to itself.
                    apart = 0.0 if i == j == n else ages[j] - ages[i]
                    score = float(q[i][head] @ k[j][head]) + bias_of(ranker, number, i - j, apart)
                    gathered[head] += silu(score) / big_n[config.normaliser] * v[j][head]
            after.append(x[i] + (u[i] * normed(gathered)) @ layer.out.weight[0])
        x = after
    logits: Tensor = ranker.head(x[-1])
    return logits


@pytest.mark.parametrize("normaliser", ["max", "actual", "fixed"])
@pytest.mark.parametrize("implementation", ["fused", "reference"])
def test_scores_follow_the_equations(
    schema: Schema, make_batch: MakeBatch, normaliser: Normaliser, implementation: Implementation
) -> None:
    config = HstuConfig(
        depth=2, width=8, seq_len=5, head_dim=4, normaliser=normaliser, fixed_normaliser=7
    )
    batch, ranker = make_batch(config.views()), lively(config, schema)
    for layer in ranker.layers:
        layer.implementation = implementation
    with torch.no_grad():
        scores = ranker(batch)
        for row in range(len(batch)):
            expected = by_hand(ranker, batch, row, 0)
            torch.testing.assert_close(scores[row, 0], expected, rtol=1e-6, atol=1e-6)


def test_the_normaliser_acts_through_the_norms_epsilon_alone(
    schema: Schema, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scaling.models.hstu.EPSILON", 1e-30)
    scores = []
    for normaliser in ("max", "actual", "fixed"):
        config = HstuConfig(depth=3, width=16, seq_len=12, normaliser=normaliser)
        with torch.no_grad():
            scores.append(lively(config, schema)(make_batch(config.views())))
    torch.testing.assert_close(scores[0], scores[1], rtol=0, atol=1e-5)
    torch.testing.assert_close(scores[0], scores[2], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0, 0), (1, 0), (1.3, 0), (1.36, 1), (-60, 13), (60, 13), (86400, 37), (1e18, 128)],
)
def test_time_buckets(seconds: float, bucket: int) -> None:
    apart = torch.tensor([seconds], dtype=torch.float64)
    assert time_bucket(apart.clone(), torch.tensor([False])).tolist() == [bucket]
    assert time_bucket(apart, torch.tensor([True])).tolist() == [UNKNOWN_TIME]


def inputs(n: int) -> tuple[list[Tensor], Pairs]:
    torch.manual_seed(0)
    b, h, s = 5, 2, 4
    ages = torch.sort(torch.rand(b, n).mul(14).exp(), descending=True).values
    ages[1], ages[2, : n // 2] = -1.0, -1.0
    parts = [torch.randn(b, h, n, s) for _ in range(3)]
    tables = [torch.randn(TIME_BUCKETS), torch.randn(n + 1, 2)]
    return [x.double().requires_grad_() for x in (*parts, *tables)], Pairs(ages, h)


@pytest.mark.parametrize("n", [1, 63, 64, 65, 150])
def test_blocks_of_queries_equal_all_at_once(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaling.models.silu_attention.SCRATCH", 64 * n * 4)
    results = []
    for implementation in ("fused", "reference"):
        (q, k, v, times, positions), pairs = inputs(n)
        steps = pairs.step_bias(positions)[1]
        out = silu_attention(q, k, v, times, steps, pairs, implementation)  # type: ignore[arg-type]
        out.square().sum().backward()
        gradients = [x.grad for x in (q, k, v, times, positions)]
        results.append([out, *gradients])
    assert len(pairs.pieces) == 3 * math.ceil(n / 64)
    for fused, reference in zip(*results, strict=True):
        torch.testing.assert_close(fused, reference, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_hidden_score_has_neither_value_nor_slope(dtype: torch.dtype) -> None:
    score = torch.tensor([HIDDEN, HIDDEN + 1e5], dtype=dtype, requires_grad=True)
    value = torch.nn.functional.silu(score)
    value.sum().backward()
    assert score.grad is not None
    assert value.tolist() == [0, 0]
    assert score.grad.tolist() == [0, 0]


@pytest.mark.parametrize("implementation", ["fused", "reference"])
def test_later_events_and_padding_change_no_bit(
    schema: Schema, make_batch: MakeBatch, implementation: Implementation
) -> None:
    config = HstuConfig(depth=3, width=16, seq_len=12)
    ranker = lively(config, schema).float()
    for layer in ranker.layers:
        layer.implementation = implementation
    batch = make_batch(config.views(), full=True)
    (view,) = batch.history
    late = torch.arange(12) >= 7
    other = dataclasses.replace(
        view,
        items=torch.where(late, 3, view.items),
        actions=torch.where(late, 2, view.actions),
        ages=torch.where(late, 0.5, view.ages),
    )
    with torch.no_grad():
        memories = [ranker.encode((v,), batch.context).tree[0] for v in (view, other)]
        for (k, v), (other_k, other_v) in zip(*memories, strict=True):
            assert torch.equal(k[:, :, :7], other_k[:, :, :7])
            assert torch.equal(v[:, :, :7], other_v[:, :, :7])
            assert not torch.equal(v[:, :, 7:], other_v[:, :, 7:])
        short = (dataclasses.replace(v, mask=~late.expand(len(batch), -1)) for v in (view, other))
        scores = [ranker(dataclasses.replace(batch, history=(shortened,))) for shortened in short]
    assert torch.equal(scores[0], scores[1])


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match=r"hstu\.normaliser must be one of max, actual, fixed"):
        HstuConfig(depth=1, width=16, seq_len=4, normaliser="mean")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"hstu\.fixed_normaliser .* got 0"):
        HstuConfig(depth=1, width=16, seq_len=4, fixed_normaliser=0)
    with pytest.raises(ValueError, match=r"hstu\.width must be a multiple of head_dim 16, got 24"):
        HstuConfig(depth=1, width=24, seq_len=4)


def test_the_causal_half_and_the_last_layer_are_counted_apart(schema: Schema) -> None:
    config = HstuConfig(depth=3, width=32, seq_len=10)
    d, n, m = 32, 10, 4
    flops = config.flops(schema, np.array([[n]]), np.array([m]))
    assert flops.part("history.projections") == 2 * (2 * n * 5 * d * d) + 2 * n * 2 * d * d
    assert flops.part("history.quadratic") == 2 * 4 * n * n * d
    assert flops.part("candidates.quadratic") == 3 * 4 * m * (n + 1) * d
    assert flops.causal_discount == 2 * 2 * d * n * (n - 1)
