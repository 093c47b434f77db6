"""Attention with a bias per key and a temperature per head, in one place.

Shapes: b requests, h heads, n history events, m candidates, d head size.

    R = Q K^T + sqrt(d) * bias        A = softmax(R / (sqrt(d) * exp w))

The bias depends on the key alone. What is constant along a query's keys cancels in the softmax, so
such a bias is exact as one more dimension of queries and keys, which keeps the fused kernel:
q' = [q, sqrt(d)] / exp w, k' = [k, bias], v' = [v, 0], scale 1 / sqrt(d).
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Implementation = Literal["fused", "reference"]

MASKED = -1e4
"""Bias of a padded key: exp of it is 0 in every precision, and yet no row ends as NaN."""


FUSED_HEAD_SIZE = 16


def causal_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Tensor,
    log_temperature: Tensor | None,
    implementation: Implementation = "fused",
) -> Tensor:
    """History on itself, each event seeing itself and what came before.

    Args:
        q, k, v: [b, h, n, d]
        bias: [b, h, n], of the key.
        log_temperature: w [b, h]; None for 0.
        implementation: `reference` is plain matrix products, which a FLOPs profiler can see.

    Returns:
        [b, h, n, d]
    """
    size = q.shape[-1]
    if implementation == "reference":
        scores = q @ k.transpose(-1, -2) / size**0.5 + bias.unsqueeze(-2)
        if log_temperature is not None:
            scores = scores * torch.exp(-log_temperature)[..., None, None]
        above = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        weights: Tensor = scores.masked_fill(above, float("-inf")).softmax(-1)
        return weights @ v
    query_bias = q.new_full((*q.shape[:-1], 1), size**0.5)
    q = torch.cat([q, query_bias], -1)
    if log_temperature is not None:
        # The bias dimension is tempered too: the temperature divides the bias as well.
        q = q * torch.exp(-log_temperature).to(q.dtype)[..., None, None]
    k = torch.cat([k, bias.to(k.dtype).unsqueeze(-1)], -1)
    # The fused kernel wants one head size, and on a CPU loses half its speed below 16.
    spare = max(FUSED_HEAD_SIZE - size - 1, 0)
    q, k, v = F.pad(q, (0, spare)), F.pad(k, (0, spare)), F.pad(v, (0, spare + 1))
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=size**-0.5)
    return out[..., :size]


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
    size = q.shape[-1]
    past = q @ k.transpose(-1, -2) / size**0.5 + bias.unsqueeze(-2)
    if implementation == "reference":
        own = (q.unsqueeze(-2) @ k_self.unsqueeze(-1)).squeeze(-1)
    else:
        own = (q * k_self).sum(-1, keepdim=True)
    own = own / size**0.5 + bias_self[..., None, None]
    scores = torch.cat([past, own.to(past.dtype)], -1)
    if log_temperature is not None:
        scores = scores * torch.exp(-log_temperature).to(scores.dtype)[..., None, None]
    weights = scores.softmax(-1).to(v.dtype)
    own_weight = weights[..., -1:]
    if implementation == "reference":
        own_value = (own_weight.unsqueeze(-1) @ v_self.unsqueeze(-2)).squeeze(-2)
    else:
        own_value = own_weight * v_self
    return weights[..., :-1] @ v + own_value
