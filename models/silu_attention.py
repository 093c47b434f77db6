"""Attention of HSTU: SiLU of the scores in the place of a softmax, with a bias for every pair.

    out_i = sum_j SiLU(q_i . k_j + times[bucket_ij] + steps_ij) v_j        j <= i

Nothing is normalised here. A padded key must come with a value of 0: it then adds exactly 0 to the
result and to every gradient.

The fused form takes blocks of queries that stay in the cache, as `scaling.models.blocked_attention`
does: forward keeps the pairs' bias, which all heads share, but no scores; backward computes those
again. What lies above the diagonal is never computed beyond the block that the diagonal crosses.

Shapes: b requests, h heads, n events, s head size, t time buckets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from scaling.models.attention import Implementation

TIME_BASE = 0.301
"""Bucket of a time difference: floor(ln(max(1, |dt|)) / 0.301), at most `LAST_TIME`."""
LAST_TIME = 128
UNKNOWN_TIME = LAST_TIME + 1
TIME_BUCKETS = UNKNOWN_TIME + 1

HIDDEN = -1e30
"""Score of a key that a query may not see: its SiLU and the slope there are 0, not nan."""

QUERY_BLOCK = 64
SCRATCH = 1 << 18
"""Scores computed at a time on a CPU: 1 MB in fp32, about a core's second-level cache."""
SCRATCH_ELSEWHERE = 1 << 27


def time_bucket(apart: Tensor, unknown: Tensor) -> Tensor:
    """Buckets (int32) of time differences in seconds; `UNKNOWN_TIME` where `unknown`."""
    bucket = (torch.log(apart.abs().clamp_(min=1)) / TIME_BASE).int().clamp_(max=LAST_TIME)
    return bucket.masked_fill_(unknown, UNKNOWN_TIME)


def pair_buckets(queries: Tensor, keys: Tensor) -> Tensor:
    """Buckets [b, q, k] of the time between events, from their ages [b, q] and [b, k]; -1 is an
    unknown age."""
    unknown = (queries < 0).unsqueeze(-1) | (keys < 0).unsqueeze(-2)
    # Exact differences; their logarithms, of which there are n squared, in half the bytes.
    return time_bucket((queries.unsqueeze(-1) - keys.unsqueeze(-2)).float(), unknown)


@dataclass(frozen=True)
class Piece:
    """Some requests' queries `first` to `last`, which see the keys before `seen`."""

    requests: slice
    first: int
    last: int
    buckets: Tensor
    """Time buckets of these pairs, int32, flat."""

    @property
    def seen(self) -> int:
        return self.last

    def rows(self, heads: int) -> slice:
        """The rows of [b h, ...]."""
        return slice(self.requests.start * heads, self.requests.stop * heads)


class Pairs:
    """The time between all pairs of events, put in buckets once for all layers."""

    def __init__(self, ages: Tensor, heads: int) -> None:
        """`ages` [b, n] in seconds; -1: unknown."""
        self.ages = ages
        b, n = ages.shape
        scratch = SCRATCH if ages.device.type == "cpu" else SCRATCH_ELSEWHERE
        step = max(1, scratch // (QUERY_BLOCK * n * heads))
        self.pieces: list[Piece] = []
        for begin in range(0, b, step):
            requests = slice(begin, min(begin + step, b))
            some = ages[requests]
            for first in range(0, n, QUERY_BLOCK):
                last = min(first + QUERY_BLOCK, n)
                buckets = pair_buckets(some[:, first:last], some[:, :last]).flatten()
                self.pieces.append(Piece(requests, first, last, buckets))

    def step_bias(self, positions: Tensor) -> Sequence[Tensor]:
        """Bias by the number of steps from key to query, `HIDDEN` for later keys: [n, n] per
        column of `positions` [more than n, L]."""
        places = torch.arange(self.ages.shape[1], device=self.ages.device)
        steps = places.unsqueeze(-1) - places
        found = positions.index_select(0, steps.clamp(min=0).flatten())
        hidden = (steps < 0).unsqueeze(-1)
        return found.view(*steps.shape, -1).masked_fill(hidden, HIDDEN).unbind(-1)


def silu_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    times: Tensor,
    steps: Tensor,
    pairs: Pairs,
    implementation: Implementation = "fused",
) -> Tensor:
    """The sum in the module's text.

    Args:
        q, k, v: [b, h, n, s]; v is 0 where padded.
        times: [t], bias by time bucket.
        steps: [n, n], bias by steps; `HIDDEN` above the diagonal.
        pairs: of the same events.
        implementation: `reference` is plain matrix products, which a FLOPs profiler can see.

    Returns:
        [b, h, n, s]
    """
    if implementation == "reference":
        buckets = pair_buckets(pairs.ages, pairs.ages)
        bias = times[buckets] + steps
        return F.silu(q @ k.transpose(-1, -2) + bias.unsqueeze(1).to(q.dtype)) @ v
    b, h, n, s = q.shape
    rows = [x.reshape(b * h, n, s) for x in (q, k, v)]
    out: Tensor = _Blocked.apply(*rows, times, steps, pairs.pieces, h)  # type: ignore[no-untyped-call]
    return out.view(b, h, n, s)


class _Blocked(torch.autograd.Function):
    """See `silu_attention`; all rows [b h, n, s]."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        times: Tensor,
        steps: Tensor,
        pieces: list[Piece],
        heads: int,
    ) -> Tensor:
        out = torch.empty_like(v)
        biases = []
        for piece in pieces:
            rows, queries = piece.rows(heads), slice(piece.first, piece.last)
            bias = times.index_select(0, piece.buckets).view(
                -1, *steps[queries, : piece.seen].shape
            )
            bias += steps[queries, : piece.seen]
            weights = F.silu(_scores(q, k, bias, piece, heads), inplace=True)
            # Assigned, not `out=`: into a slice the product would run matrix by matrix.
            out[rows, queries] = torch.bmm(weights, v[rows, : piece.seen])
            biases.append(bias)
        ctx.save_for_backward(q, k, v, *biases)
        ctx.pieces, ctx.heads = pieces, heads
        ctx.tables = times, steps
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        dout = gradients[0].contiguous()
        q, k, v, *biases = ctx.saved_tensors
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        dtimes, dsteps = (torch.zeros_like(table) for table in ctx.tables)
        for piece, bias in zip(ctx.pieces, biases, strict=True):
            rows, queries, seen = piece.rows(ctx.heads), slice(piece.first, piece.last), piece.seen
            scores = _scores(q, k, bias, piece, ctx.heads)
            dpart = dout[rows, queries]
            slope = torch.sigmoid(scores)
            weights = scores.mul_(slope)
            dv[rows, :seen] += torch.bmm(weights.transpose(1, 2), dpart)
            # With p the sigmoid and w = x p, SiLU's derivative p (1 + x (1 - p)) is p + w - w p.
            slope.addcmul_(weights, slope, value=-1).add_(weights)
            dscores = torch.bmm(dpart, v[rows, :seen].transpose(1, 2)).mul_(slope)
            dbias = dscores.view(len(bias), ctx.heads, *bias.shape[1:]).sum(1, dtype=dtimes.dtype)
            dtimes.index_add_(0, piece.buckets, dbias.flatten())
            dsteps[queries, :seen] += dbias.sum(0)
            dq[rows, queries] = torch.bmm(dscores, k[rows, :seen])
            dk[rows, :seen] += torch.bmm(dscores.transpose(1, 2), q[rows, queries])
        return dq, dk, dv, dtimes, dsteps, None, None


def _scores(q: Tensor, k: Tensor, bias: Tensor, piece: Piece, heads: int) -> Tensor:
    """The scores of one piece, [rows, last - first, seen], from its bias without heads."""
    rows, queries = piece.rows(heads), slice(piece.first, piece.last)
    scores = torch.bmm(q[rows, queries], k[rows, : piece.seen].transpose(1, 2))
    scores.view(len(bias), heads, *bias.shape[1:]).add_(bias.unsqueeze(1))
    return scores
