"""A pre-norm feed-forward part for CPUs, some rows at a time, so that the wide layer stays in cache.

    y = x + silu(norm(x) up) down,   norm(x) = x / rms(x) * weight

Written as separate operations, every step of the wide layer goes through main memory, which costs as
much as the products. Kept for the backward pass: x and the product with `up`; without gradients the
pieces share one such product's memory.

Shapes: g groups, r rows, d width, e the wide layer's width.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from scaling.models.grouped import rms_normed, rms_normed_alone, rms_normed_backward

WIDE_NUMBERS = 1 << 17
"""Numbers of the wide layer per piece: half a megabyte in fp32, half of a core's own cache."""
LEAST_ROWS = 64


def fused_feed_forward(x: Tensor, norm: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """x + silu(norm(x) up) down.

    Args:
        x: [g, ..., d]
        norm: [g, d], the norm's weight.
        up: [g, d, e]
        down: [g, e, d]

    Returns:
        As `x`.
    """
    rows = x.reshape(len(up), -1, x.shape[-1])
    if not torch.is_grad_enabled():
        if len(rows) == 1 and rows.shape[1] <= _step(up.shape[-1]):
            return _fed_at_once(rows[0], norm[0], up[0], down[0]).view(x.shape)
        return _fed(rows, norm, up, down, keep=False)[0].view(x.shape)
    out: Tensor = _FeedForward.apply(rows, norm, up, down)  # type: ignore[no-untyped-call]
    return out.view(x.shape)


def _fed_at_once(x: Tensor, norm: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """The result for the rows of one piece [r, d], as those of one request's candidates are: parts of
    tensors to write into would cost them a tenth of their products."""
    normed = rms_normed_alone(x).mul_(norm)
    return torch.addmm(x, F.silu(torch.mm(normed, up), inplace=True), down)


def _fed(x: Tensor, norm: Tensor, up: Tensor, down: Tensor, keep: bool) -> tuple[Tensor, Tensor]:
    """The result, and the wide layer before its activation if it is to be kept; x [g, r, d]."""
    # The norm's weight goes into the next matrix where that is the smaller one: d e products
    # instead of r d.
    few = x.shape[1] < up.shape[-1]
    weighted = up if few else up * norm.unsqueeze(-1)
    out = torch.empty_like(x)
    rows = x.shape[1] if keep else min(x.shape[1], _step(up.shape[-1]))
    wide = x.new_empty(x.shape[0] if keep else 1, rows, up.shape[-1])
    for group, some in _pieces(x, up.shape[-1]):
        part = x[group, some]
        before = wide[group, some] if keep else wide[0, : len(part)]
        normed = rms_normed(part)[0]
        if few:
            normed *= norm[group]
        torch.mm(normed, weighted[group], out=before)
        torch.addmm(part, F.silu(before, inplace=not keep), down[group], out=out[group, some])
    return out, wide


class _FeedForward(torch.autograd.Function):
    """See `fused_feed_forward`; x [g, r, d]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, norm: Tensor, up: Tensor, down: Tensor) -> Tensor:
        out, wide = _fed(x, norm, up, down, keep=True)
        ctx.save_for_backward(x, norm, up, down, wide)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        x, norm, up, down, wide = ctx.saved_tensors
        dout = gradients[0].contiguous()
        weighted = up * norm.unsqueeze(-1)
        dx = torch.empty_like(x)
        dweighted, ddown = torch.zeros_like(up), torch.zeros_like(down)
        for group, some in _pieces(x, up.shape[-1]):
            before, dpart = wide[group, some], dout[group, some]
            normed, inverse = rms_normed(x[group, some])
            ddown[group].addmm_(F.silu(before).t(), dpart)
            dwide = torch.ops.aten.silu_backward(dpart @ down[group].t(), before)
            dweighted[group].addmm_(normed.t(), dwide)
            dnormed = dwide @ weighted[group].t()
            dnormed = rms_normed_backward(dnormed, normed, inverse)
            torch.add(dnormed, dpart, out=dx[group, some])
        dnorm = (dweighted * up).sum(-1)
        return dx, dnorm, dweighted * norm.unsqueeze(-1), ddown


def _pieces(x: Tensor, wide: int) -> Iterator[tuple[int, slice]]:
    """Group and rows of each piece."""
    step = _step(wide)
    for group in range(x.shape[0]):
        for begin in range(0, x.shape[1], step):
            yield group, slice(begin, begin + step)


def _step(wide: int) -> int:
    """Rows of a piece."""
    return max(LEAST_ROWS, WIDE_NUMBERS // wide)
