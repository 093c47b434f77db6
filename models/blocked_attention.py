"""Softmax attention for CPUs, block of queries by block of queries.

Torch's own fused kernel takes no trainable bias, and on a CPU it reaches a fifth of the machine's
peak at the head sizes used here. This form does the same with batched matrix products on pieces that
stay in the cache. Where the attention weights are many, forward keeps nothing but its inputs and
backward computes them again (as FlashAttention does: Dao et al. 2022, arXiv 2205.14135). What lies
above the diagonal is never computed beyond the block that the diagonal crosses.

Shapes: r rows (requests times heads), n events, d head size.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

QUERY_BLOCK = 64
KEPT = 1 << 21
"""Weights that are kept for the backward pass if there are no more than so many: 8 MB in fp32."""
SCRATCH = 1 << 19
"""Scores computed at a time: 2 MB in fp32, about two cores' own caches."""


def blocked_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, causal: bool) -> Tensor:
    """softmax(q k^T / sqrt(d) + bias) v, each query on itself and earlier keys if `causal`.

    Args:
        q, k, v: [b, h, n, d]
        bias: [b, h, n], of the key.
        causal: whether later keys are hidden.

    Returns:
        [b, h, n, d]
    """
    b, h, n, d = q.shape
    rows = [t.reshape(b * h, n, d) for t in (q, k, v)]
    out: Tensor = _Blocked.apply(*rows, bias.to(q.dtype).reshape(b * h, n), causal)  # type: ignore[no-untyped-call]
    return out.view(b, h, n, d)


class _Blocked(torch.autograd.Function):
    """See `blocked_attention`; all rows [r, n, d]."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor, causal: bool) -> Tensor:
        out = torch.empty_like(v)
        above = _above_diagonal(q) if causal else None
        kept: list[Tensor] = []
        few = q.shape[0] * q.shape[1] ** 2 <= KEPT
        for some in _rows(q):
            for first, last, seen in _queries(q.shape[1], causal):
                weights = _weights(q, k, bias, above, some, first, last, seen)
                # Assigned, not given as `out=`: into a slice, products run one matrix at a time.
                out[some, first:last] = torch.bmm(weights, v[some, :seen])
                if few:
                    kept.append(weights)
        ctx.save_for_backward(q, k, v, bias, *kept)
        ctx.causal = causal
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, bias, *kept = ctx.saved_tensors
        dout = gradients[0].contiguous()
        scale = q.shape[-1] ** -0.5
        above = _above_diagonal(q) if ctx.causal else None
        dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        dbias = torch.zeros_like(bias)
        blocks = _queries(q.shape[1], ctx.causal)
        for number, some in enumerate(_rows(q)):
            # The last queries come first: they see all keys, and so begin the keys' sums.
            for block in reversed(range(len(blocks))):
                (first, last, seen), index = blocks[block], number * len(blocks) + block
                weights = (
                    kept[index] if kept else _weights(q, k, bias, above, some, first, last, seen)
                )
                dpart = dout[some, first:last]
                dvalues = torch.bmm(weights.transpose(1, 2), dpart)
                dweights = torch.bmm(dpart, v[some, :seen].transpose(1, 2))
                dscores = torch._softmax_backward_data(dweights, weights, -1, weights.dtype)
                dbias[some, :seen] += dscores.sum(1)
                dscores *= scale
                dq[some, first:last] = torch.bmm(dscores, k[some, :seen])
                dkeys = torch.bmm(dscores.transpose(1, 2), q[some, first:last])
                if last == q.shape[1]:
                    dk[some], dv[some] = dkeys, dvalues
                else:
                    dk[some, :seen] += dkeys
                    dv[some, :seen] += dvalues
        return dq, dk, dv, dbias, None


def _rows(q: Tensor) -> list[slice]:
    """Rows taken at a time, so that their scores fit the scratch."""
    rows, length, _ = q.shape
    step = max(1, SCRATCH // (_block(length) * length))
    return [slice(first, first + step) for first in range(0, rows, step)]


def _block(length: int) -> int:
    """Queries per block: about `QUERY_BLOCK`, all blocks of nearly one size."""
    return math.ceil(length / math.ceil(length / QUERY_BLOCK))


def _queries(length: int, causal: bool) -> list[tuple[int, int, int]]:
    """(first query, last query + 1, number of keys seen) of each block."""
    block = _block(length)
    edges = [(first, min(first + block, length)) for first in range(0, length, block)]
    return [(first, last, last if causal else length) for first, last in edges]


def _above_diagonal(like: Tensor) -> Tensor:
    """-inf above the diagonal of one block, [QUERY_BLOCK, QUERY_BLOCK]."""
    return like.new_full((QUERY_BLOCK, QUERY_BLOCK), float("-inf")).triu_(1)


def _weights(
    q: Tensor,
    k: Tensor,
    bias: Tensor,
    above: Tensor | None,
    some: slice,
    first: int,
    last: int,
    seen: int,
) -> Tensor:
    """The softmax of one piece, [rows, last - first, seen]."""
    queries, keys = q[some, first:last], k[some, :seen].transpose(1, 2)
    # The bias comes along as what the product is added to.
    scores = torch.baddbmm(bias[some, None, :seen], queries, keys, alpha=q.shape[-1] ** -0.5)
    if above is not None:
        size = last - first
        scores[:, :, first:] += above[:size, :size]
    return torch.softmax(scores, -1)
