"""Attention with a bias per key and a temperature per head, in one place.

Shapes: b requests, h heads, n history events, m candidates, d head size.

    R = Q K^T + sqrt(d) * bias        A = softmax(R / (sqrt(d) * exp w))

The bias depends on the key alone. What is constant along a query's keys cancels in the softmax, so
such a bias is exact as one more dimension of queries and keys, which keeps torch's fused kernel:
q' = [q / (sqrt(d) exp w), 1], k' = [k, bias / exp w], v' = [v, 0], scale 1. On a CPU the
blocked form of `scaling.models.blocked_attention` is faster than that kernel and takes the bias as
it is.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scaling.models.blocked_attention import blocked_attention
from scaling.models.candidate_attention import (
    fused_candidate_attention,
    gradient_free_candidate_attention,
)
from scaling.models.grouped import cpu_in_full_precision

Implementation = Literal["fused", "reference"]

MASKED = -1e4
"""Bias of a padded key: exp of it is 0 in every precision, and yet no row ends as NaN."""

HEAD_SIZE_STEP = 8
"""The fused kernels want head sizes that are multiples of this."""


class Attending(nn.Module):
    """A module with two forms of the same computation; see `use_implementation`."""

    implementation: Implementation = "fused"


def use_implementation(module: nn.Module, implementation: Implementation) -> None:
    """Set how everything inside `module` computes: `fused` is the fast form, `reference` is plain
    matrix products, which a FLOPs profiler can see."""
    for part in module.modules():
        if isinstance(part, Attending):
            part.implementation = implementation


def history_attention(
    projected: Tensor,
    bias: Tensor,
    log_temperature: Tensor | None,
    *,
    causal: bool = True,
    implementation: Implementation = "fused",
) -> tuple[Tensor, Tensor, Tensor]:
    """History on itself: each event on itself and what came before, or (not `causal`) on all.

    Args:
        projected: queries, keys and values, [b, n, 3, h, d].
        bias: [b, h, n], of the key; or [b, h, n, n], of query and key, which no fused kernel takes.
        log_temperature: w [b, h]; None for 0.
        causal: whether an event sees later ones.
        implementation: `reference` is plain matrix products, which a FLOPs profiler can see.

    Returns:
        What was gathered, [b, n, h, d]; the keys and the values, [b, h, n, d].
    """
    pairwise = bias.dim() == 4
    scale = projected.new_full((1, 1), projected.shape[-1] ** -0.5)
    if log_temperature is not None:
        # The bias is tempered too: the temperature divides the sum of both.
        temper = torch.exp(-log_temperature)
        scale = scale * temper.to(scale.dtype)
        bias = bias * temper.view(*temper.shape, *(1,) * (bias.dim() - 2))
    if implementation == "fused" and not pairwise and _on_cpu(projected):
        return _blocked(projected, scale, bias, causal)
    q, k, v = projected.permute(2, 0, 3, 1, 4).unbind(0)
    q = q * scale[..., None, None]
    if implementation == "reference" or pairwise:
        gathered = _plain(q, k, v, bias if pairwise else bias.unsqueeze(-2), causal)
    else:
        gathered = _with_bias_dimension(q, k, v, bias, causal)
    return gathered.transpose(1, 2), k, v


def _on_cpu(projected: Tensor) -> bool:
    return projected.device.type == "cpu"


def _blocked(
    projected: Tensor, scale: Tensor, bias: Tensor, causal: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The blocked form, at least in fp32: in bf16 torch's own kernel is three times slower."""
    dtype = projected.dtype
    full = torch.promote_types(dtype, torch.float32)
    with torch.autocast("cpu", enabled=False):
        gathered, k, v = blocked_attention(projected.to(full), scale.to(full), bias, causal)
    return gathered.to(dtype), k.to(dtype), v.to(dtype)


def _plain(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, causal: bool) -> Tensor:
    """All scores at once, queries scaled already; bias [b, h, 1 or n, n]."""
    scores = q @ k.transpose(-1, -2) + bias.to(q.dtype)
    if causal:
        above = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(above, float("-inf"))
    weights: Tensor = scores.softmax(-1).to(v.dtype)
    return weights @ v


def _with_bias_dimension(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, causal: bool) -> Tensor:
    """Torch's fused kernel on [q, 1] and [k, bias]: both scaled and tempered already."""
    size = q.shape[-1]
    q = torch.cat([q, q.new_ones(*q.shape[:-1], 1)], -1)
    k = torch.cat([k, bias.to(k.dtype).unsqueeze(-1)], -1)
    # All three must have one head size, or the fused kernel is lost.
    spare = -(size + 1) % HEAD_SIZE_STEP
    q, k, v = F.pad(q, (0, spare)), F.pad(k, (0, spare)), F.pad(v, (0, spare + 1))
    out = F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=1.0)
    return out[..., :size]


def appended_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    before: Tensor,
    bias: Tensor,
    log_temperature: Tensor | None,
) -> Tensor:
    """New events on those before them and on themselves: `history_attention`'s last rows.

    Args:
        q: [b, h, n', d], of the new events.
        k, v: [b, h, n, d], of all events.
        before: int64 [b], how many events come before the new ones.
        bias: [b, h, n], of the key; or [b, h, n', n], of query and key.
        log_temperature: w [b, h]; None for 0.

    Returns:
        [b, h, n', d]
    """
    own = before.unsqueeze(-1) + torch.arange(q.shape[2], device=q.device)
    later = torch.arange(k.shape[2], device=q.device) > own.unsqueeze(-1)
    q = q * q.shape[-1] ** -0.5
    if bias.dim() == 3:
        bias = bias.unsqueeze(-2)
    scores = q @ k.transpose(-1, -2) + bias.to(q.dtype)
    if log_temperature is not None:
        scores = scores * torch.exp(-log_temperature).to(q.dtype)[..., None, None]
    weights = scores.masked_fill(later.unsqueeze(1), float("-inf")).softmax(-1)
    return weights.to(v.dtype) @ v


def candidate_attention(
    q: Tensor,
    k_self: Tensor,
    v_self: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Tensor,
    bias_self: Tensor,
    log_temperature: Tensor | None,
    implementation: Implementation = "fused",
) -> Tensor:
    """Each candidate on the whole history and itself, never on another candidate.

    Args:
        q, k_self, v_self: [b, h, m, d], of the candidates.
        k, v: [b, h, n, d], of the history.
        bias: [b, h, n], of the history's keys; `MASKED` where padded.
        bias_self: [b, h], of a candidate as its own key.
        log_temperature: w [b, h]; None for 0.

    Returns:
        [b, h, m, d]
    """
    b, h, m, d = q.shape
    scale = d**-0.5
    fused = implementation == "fused" and cpu_in_full_precision(q)
    alone = fused and not torch.is_grad_enabled()  # a kernel that scales by itself
    if not alone:
        q = q * scale
    if log_temperature is not None:
        temper = torch.exp(-log_temperature)[..., None]
        q = q * temper.to(q.dtype)[..., None]
        bias, bias_self = bias * temper, bias_self * temper.squeeze(-1)
    if fused:
        biases = bias.to(q.dtype), bias_self.to(q.dtype)
        if alone:
            return gradient_free_candidate_attention(q, k_self, v_self, k, v, *biases, scale)
        rows = [tensor.flatten(0, 1) for tensor in (q, k_self, v_self, k, v, *biases)]
        return fused_candidate_attention(*rows).view(b, h, m, d)
    past = q @ k.transpose(-1, -2) + bias.to(q.dtype).unsqueeze(-2)
    if implementation == "reference":
        own = (q.unsqueeze(-2) @ k_self.unsqueeze(-1)).squeeze(-1)
    else:
        own = (q * k_self).sum(-1, keepdim=True)
    own = own + bias_self[..., None, None].to(own.dtype)
    weights = torch.cat([past, own.to(past.dtype)], -1).softmax(-1).to(v.dtype)
    own_weight = weights[..., -1:]
    if implementation == "reference":
        own_value = (own_weight.unsqueeze(-1) @ v_self.unsqueeze(-2)).squeeze(-2)
    else:
        own_value = own_weight * v_self
    return weights[..., :-1] @ v + own_value
