"""Softmax attention for CPUs, block of queries by block of queries.

Torch's own fused kernel takes no trainable bias, and on a CPU it reaches a fifth of the machine's
peak at the head sizes used here. This form does the same with batched matrix products on pieces that
stay in the cache. Where the attention weights are many, forward keeps nothing but its inputs and
backward computes them again (as FlashAttention does: Dao et al. 2022, arXiv 2205.14135). What lies
above the diagonal is never computed beyond the block that the diagonal crosses.

Shapes: b requests, h heads, n events, d head size.
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


def blocked_attention(
    projected: Tensor, scale: Tensor, bias: Tensor, causal: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """softmax(scale q k^T + bias) v, each query on itself and earlier keys if `causal`.

    Args:
        projected: queries, keys and values, [b, n, 3, h, d].
        scale: [b or 1, h or 1]
        bias: [b, h, n], of the key.
        causal: whether later keys are hidden.

    Returns:
        What was gathered, [b, n, h, d]; the keys and the values, [b, h, n, d].
    """
    found: tuple[Tensor, Tensor, Tensor] = _Blocked.apply(  # type: ignore[no-untyped-call]
        projected, scale, bias.to(projected.dtype), causal
    )
    return found


class _Blocked(torch.autograd.Function):
    """See `blocked_attention`. Rows are requests times heads."""

    @staticmethod
    def forward(
        ctx: Any, projected: Tensor, scale: Tensor, bias: Tensor, causal: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        b, n, _, h, d = projected.shape
        heads = projected.permute(2, 0, 3, 1, 4).contiguous()
        if heads.data_ptr() == projected.data_ptr():  # of one event, say: nothing was copied
            heads = heads.clone()
        heads[0] *= scale[..., None, None]
        q, k, v = heads.view(3, b * h, n, d).unbind(0)
        bias = bias.reshape(b * h, n)
        gathered = projected.new_empty(b, n, h, d)
        above = _above_diagonal(q) if causal else None
        kept: list[Tensor] = []
        few = b * h * n**2 <= KEPT
        for requests, rows in _pieces(b, h, n):
            for first, last, seen in _queries(n, causal):
                weights = _weights(q, k, bias, above, rows, first, last, seen)
                # Assigned, not given as `out=`: into a slice, products run one matrix at a time.
                part = torch.bmm(weights, v[rows, :seen])
                gathered[requests, first:last] = part.view(-1, h, last - first, d).transpose(1, 2)
                if few:
                    kept.append(weights)
        ctx.save_for_backward(heads, scale, bias, *kept)
        ctx.causal = causal
        ctx.set_materialize_grads(False)
        return gathered, k.view(b, h, n, d), v.view(b, h, n, d)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        heads, scale, bias, *kept = ctx.saved_tensors
        dgathered, dk_outside, dv_outside = gradients
        _, b, h, n, d = heads.shape
        q, k, v = heads.view(3, b * h, n, d).unbind(0)
        dbias = torch.zeros_like(bias)
        dscale = scale.new_zeros(b, h)
        dprojected = heads.new_zeros(b, n, 3, h, d)
        dq_all, dk_all, dv_all = dprojected.permute(2, 0, 3, 1, 4).unbind(0)
        above = _above_diagonal(q) if ctx.causal else None
        blocks = _queries(n, ctx.causal)
        for number, (requests, rows) in enumerate(_pieces(b, h, n)):
            if dgathered is None:
                break
            dk, dv = torch.zeros_like(k[rows]), torch.zeros_like(v[rows])
            for block, (first, last, seen) in enumerate(blocks):
                weights = (
                    kept[number * len(blocks) + block]
                    if kept
                    else _weights(q, k, bias, above, rows, first, last, seen)
                )
                dpart = dgathered[requests, first:last].transpose(1, 2).flatten(0, 1)
                dweights = torch.bmm(dpart, v[rows, :seen].transpose(1, 2))
                dscores = torch._softmax_backward_data(dweights, weights, -1, weights.dtype)
                dv[:, :seen] += torch.bmm(weights.transpose(1, 2), dpart)
                dk[:, :seen] += torch.bmm(dscores.transpose(1, 2), q[rows, first:last])
                dbias[rows, :seen] += dscores.sum(1)
                dq = torch.bmm(dscores, k[rows, :seen])
                if ctx.needs_input_grad[1]:
                    along = (dq * q[rows, first:last]).sum((1, 2)).view(-1, h)
                    dscale[requests] += along
                dq_all[requests, :, first:last] = dq.view(-1, h, last - first, d)
            dk_all[requests], dv_all[requests] = dk.view(-1, h, n, d), dv.view(-1, h, n, d)
        dq_all *= scale[..., None, None]
        dscale = (dscale / scale).sum_to_size(scale.shape)
        for inside, outside in ((dk_all, dk_outside), (dv_all, dv_outside)):
            if outside is not None:
                inside += outside
        return dprojected, dscale, dbias.view(b, h, n), None


def _pieces(requests: int, heads: int, length: int) -> list[tuple[slice, slice]]:
    """Requests taken at a time, so that their scores fit the scratch; and their rows."""
    step = max(1, SCRATCH // (heads * _block(length) * length))
    return [
        (slice(first, first + step), slice(first * heads, (first + step) * heads))
        for first in range(0, requests, step)
    ]


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
    scores = torch.baddbmm(bias[some, None, :seen], queries, keys)
    if above is not None:
        size = last - first
        scores[:, :, first:] += above[:size, :size]
    return torch.softmax(scores, -1)
