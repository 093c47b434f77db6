"""TWIN's own promise: two stages that are one target attention."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from scaling.batch import Batch, Schema
from scaling.models.attention import MASKED
from scaling.models.twin import TargetAttention, Twin, TwinConfig

CONFIG = TwinConfig(depth=1, width=32, seq_len=12, top_k=4)


def built(config: TwinConfig, schema: Schema) -> Twin:
    torch.manual_seed(0)
    ranker = config.build(schema).double()
    torch.nn.init.normal_(ranker.head.out.weight)
    return ranker


def interest_by_loops(ranker: Twin, batch: Batch, row: int, item: int, top_k: int) -> torch.Tensor:
    """The equations of the module, for one candidate."""
    (view,) = batch.history
    attention, tokens = ranker.attention, ranker.tokens
    x = tokens.candidates(batch.candidates, batch.context)[row, item]
    length = int(view.mask[row].sum())
    if not length:
        return torch.zeros_like(x)
    whole = tokens.events(view)[row, :length]
    cross = [
        tokens.actions(view.actions[row, :length]),
        tokens.scenarios(view.scenarios[row, :length]),
    ]
    inherent = tokens.inherent(view.items)[row, :length]
    cross.append(whole - inherent - cross[0] - cross[1])  # the age
    size, scores = attention.head_dim, []
    heads = range(CONFIG.width // size)
    for head in heads:
        part = slice(head * size, (head + 1) * size)
        keys = inherent @ attention.key.weight[part].T
        score = keys @ (attention.query.weight[part] @ x) / size**0.5
        for features, projection in zip(cross, attention.cross, strict=True):
            score = score + features @ projection.weight[head]  # type: ignore[operator]
        scores.append(score)
    relevance = sum(score.softmax(0) for score in scores)
    assert isinstance(relevance, torch.Tensor)
    chosen = relevance.argsort(descending=True)[:top_k]
    parts = []
    for head in heads:
        part = slice(head * size, (head + 1) * size)
        values = whole[chosen] @ attention.value.weight[part].T
        parts.append(scores[head][chosen].softmax(0) @ values)
    return attention.out.weight @ torch.cat(parts)


@pytest.mark.parametrize("top_k", [1, 4, 12, 100])
def test_scores_are_those_of_the_formula(
    schema: Schema, make_batch: Callable[..., Batch], top_k: int
) -> None:
    """With top_k at the length or above, that is plain target attention on all events."""
    ranker = built(dataclasses.replace(CONFIG, top_k=top_k), schema)
    batch = make_batch(CONFIG.views())
    logits = ranker(batch)
    x = ranker.tokens.candidates(batch.candidates, batch.context)
    for row in range(len(batch)):
        interest = interest_by_loops(ranker, batch, row, 0, top_k)
        expected = ranker.head(ranker.mlp(torch.cat([interest, x[row, 0]])))
        torch.testing.assert_close(logits[row, 0], expected, rtol=0, atol=1e-10)


def test_both_forms_agree(schema: Schema, make_batch: Callable[..., Batch]) -> None:
    ranker, batch = built(CONFIG, schema), make_batch(CONFIG.views())
    fused = ranker(batch)
    ranker.attention.implementation = "reference"
    torch.testing.assert_close(ranker(batch), fused, rtol=0, atol=1e-12)


def test_equal_events_are_chosen_newest_first() -> None:
    attention = TargetAttention(width=16, head_dim=16, top_k=3)
    scores = torch.zeros(1, 1, 1, 8)
    scores[..., 2] = 1.0
    assert set(attention.chosen(scores).flatten().tolist()) == {2, 6, 7}


def test_padding_is_chosen_after_every_event() -> None:
    attention = TargetAttention(width=16, head_dim=16, top_k=3)
    scores = torch.tensor([0.1, -5.0, 0.3, MASKED, MASKED]).view(1, 1, 1, 5)
    assert set(attention.chosen(scores).flatten().tolist()) == {0, 1, 2}


def test_what_is_not_chosen_has_no_gradient() -> None:
    attention = TargetAttention(width=16, head_dim=16, top_k=2)
    x, keys, values = torch.randn(1, 1, 16), torch.randn(1, 1, 6, 16), torch.randn(1, 1, 6, 16)
    keys.requires_grad_()
    bias = torch.tensor([0.0, 50.0, 0.0, 60.0, 0.0, 0.0]).view(1, 1, 6)
    attention(x, keys, values, bias).square().sum().backward()
    assert keys.grad is not None
    assert not keys.grad[0, 0, [0, 2, 4, 5]].any()


def test_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"twin\.top_k must be at least 1, got 0"):
        dataclasses.replace(CONFIG, top_k=0)
    with pytest.raises(ValueError, match="multiple of head_dim 16, got 24"):
        dataclasses.replace(CONFIG, width=24)
