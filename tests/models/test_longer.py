"""LONGER token by token: merging, who sees whom, what is counted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from scaling.batch import Batch, Schema
from scaling.models.attention import Implementation, use_implementation
from scaling.models.longer import GLOBALS, Longer, LongerConfig
from scaling.models.softmax_mixer import SoftmaxMixer
from scaling.models.stack import Layer

MakeBatch = Callable[..., Batch]


def lively(config: LongerConfig, schema: Schema) -> Longer:
    torch.manual_seed(1)
    ranker = config.build(schema).double().eval()
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return ranker


def one_layer(layer: torch.nn.Module, x: list[Tensor], asking: int, causal: bool) -> list[Tensor]:
    """The last `asking` tokens after a layer over all tokens `x`, pair by pair."""
    assert isinstance(layer, Layer)
    assert isinstance(layer.mixer, SoftmaxMixer)
    size = layer.mixer.head_dim
    normed = [layer.norm_mixer(v.view(1, 1, 1, -1)).flatten() for v in x]
    projected = [v @ layer.mixer.query_key_value.weight[0] for v in normed]
    q, k, v = zip(*(p.chunk(3) for p in projected), strict=True)
    after = []
    for i in range(len(x) - asking, len(x)):
        gathered = torch.zeros_like(x[i])
        keys = range(i + 1 if causal else len(x))
        for h in range(0, len(x[i]), size):
            head = slice(h, h + size)
            scores = torch.stack([q[i][head] @ k[j][head] for j in keys]) / size**0.5
            for weight, j in zip(scores.softmax(0), keys, strict=True):
                gathered[head] += weight * v[j][head]
        mixed = x[i] + gathered @ layer.mixer.out.weight[0]
        after.append(layer.ffn(mixed.view(1, 1, 1, -1)).flatten())
    return after


def by_hand(ranker: Longer, batch: Batch, row: int, item: int) -> Tensor:
    """The logits of one candidate, which here is the last token of the sequence."""
    config, (view,) = ranker.config, batch.history
    n, size = int(view.mask[row].sum()), config.merge
    vectors = ranker.tokens.events(view)[row, :n]
    events = [v + ranker.positions.weight[n - 1 - e] for e, v in enumerate(vectors)]
    x = []
    for end in range(n, 0, -size):
        group = events[max(end - size, 0) : end]
        if ranker.inner is not None:
            group = one_layer(ranker.inner, group, len(group), causal=False)
        nothing = torch.zeros((size - len(group)) * config.width, dtype=torch.float64)
        x.insert(0, torch.cat([nothing, *group]))
    request = ranker.tokens.request_scenarios(batch.context.scenario)[row]
    for index, table in enumerate(ranker.tokens.request_attributes):
        request = request + table(batch.context.attributes[:, index])[row]
    candidate = ranker.tokens.candidates(batch.candidates, batch.context)[row, item]
    asking = min(config.recent, len(x)) + GLOBALS + 1
    x += [ranker.learned, request @ ranker.of_request.weight[0]]
    x.append(candidate @ ranker.of_candidate.weight[0])
    for layer in ranker.layers:
        x = one_layer(layer, x, min(asking, len(x)), causal=True)
    logits: Tensor = ranker.head(x[-1])
    return logits


@pytest.mark.parametrize("implementation", ["fused", "reference"])
@pytest.mark.parametrize(
    ("depth", "merge", "recent", "seq_len", "inner"),
    [(2, 2, 2, 9, True), (1, 3, 1, 7, True), (3, 1, 2, 5, False), (2, 4, 9, 8, False)],
)
def test_scores_follow_the_description(
    schema: Schema,
    make_batch: MakeBatch,
    depth: int,
    merge: int,
    recent: int,
    seq_len: int,
    inner: bool,
    implementation: Implementation,
) -> None:
    config = LongerConfig(
        depth=depth,
        width=8,
        seq_len=seq_len,
        merge=merge,
        recent=recent,
        inner_transformer=inner,
        head_dim=4,
    )
    batch, ranker = make_batch(config.views()), lively(config, schema)
    use_implementation(ranker, implementation)
    with torch.no_grad():
        scores = ranker(batch)
        for row in range(len(batch)):
            expected = by_hand(ranker, batch, row, 0)
            torch.testing.assert_close(scores[row, 0], expected, rtol=1e-9, atol=1e-9)


def test_a_shorter_batch_scores_as_one_with_padding(schema: Schema, make_batch: MakeBatch) -> None:
    config = LongerConfig(depth=2, width=8, seq_len=10, merge=4, recent=1, head_dim=4)
    batch, ranker = make_batch(config.views()), lively(config, schema)
    (view,) = batch.history
    view = dataclasses.replace(view, mask=view.mask & (torch.arange(10) < 5))
    cut = view.events(slice(5))
    with torch.no_grad():
        scores = [ranker(dataclasses.replace(batch, history=(v,))) for v in (view, cut)]
    torch.testing.assert_close(scores[0], scores[1], rtol=0, atol=1e-12)


def test_older_events_reach_candidates_and_only_recent_ones_ask(
    schema: Schema, make_batch: MakeBatch
) -> None:
    config = LongerConfig(depth=2, width=8, seq_len=12, merge=2, recent=2, head_dim=4)
    batch, ranker = make_batch(config.views(), full=True), lively(config, schema)
    (view,) = batch.history
    oldest = dataclasses.replace(view, items=torch.where(torch.arange(12) < 1, 9, view.items))
    with torch.no_grad():
        memory = ranker.encode((view,), batch.context)
        changed = ranker(dataclasses.replace(batch, history=(oldest,)))
        assert not torch.allclose(changed, ranker(batch))
    keys = [k.shape[2] for k, _, _ in memory.tree]
    assert keys == [6 + GLOBALS, 2 + GLOBALS]


def test_flops_of_real_lengths(schema: Schema) -> None:
    config = LongerConfig(
        depth=2, width=8, seq_len=16, merge=4, recent=2, inner_transformer=True, head_dim=8
    )
    d, wide, m = 8, 32, 3
    flops = config.flops(schema, np.array([[10]]), np.array([m]))
    # Ten events: groups of 2, 4 and 4, of which two ask, with the global tokens.
    assert flops.part("history.inner") == 10 * 24 * d * d + 4 * (4 * 4 + 4 * 4 + 2 * 2) * d
    keys, asking = 3 + GLOBALS, 2 + GLOBALS
    assert flops.part("history.projections") == 4 * wide**2 * (keys + asking + asking)
    assert flops.part("history.quadratic") == 4 * asking * keys * wide
    assert flops.part("history.ffn") == 16 * wide**2 * asking
    assert flops.part("candidates.quadratic") == 4 * m * (keys + 1 + asking + 1) * wide
    assert flops.part("candidates.globals") == 2 * m * d * wide
    assert flops.causal_discount == 2 * wide * asking * (asking - 1)


@pytest.mark.parametrize("field", ["merge", "recent", "depth"])
def test_bad_settings_are_named(field: str) -> None:
    with pytest.raises(ValueError, match=rf"longer\.{field} must be at least 1, got 0"):
        LongerConfig(**{"depth": 1, "width": 16, "seq_len": 8, field: 0})


def test_the_inner_transformer_is_counted(schema: Schema, make_batch: MakeBatch) -> None:
    config = LongerConfig(depth=2, width=16, seq_len=8, recent=1, inner_transformer=True)
    batch, ranker = make_batch(config.views(), full=True), config.build(schema)
    assert sum(config.params(schema).values()) == sum(p.numel() for p in ranker.parameters())
    use_implementation(ranker, "reference")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        ranker(batch)
    counted = config.flops(schema, batch.lengths(), batch.num_candidates())
    assert counter.get_total_flops() == counted.total.sum()
