"""Causal linear attention with decay: the history as one matrix per head, whatever its length.

    S_t = lambda S_{t-1} + k_t v_t^T        o_t = S_t^T q_t

Source: TransNormerLLM (Qin et al. 2023, arXiv 2307.14995), Lightning Attention-2 (Qin et al. 2024,
arXiv 2401.04658, algorithm 1) and MiniMax-01 (2025, arXiv 2501.08313, section 2.2). The fast form
takes blocks of B events: within a block masked products, ((Q K^T) * D) V with D_ij = lambda^(i-j)
for j <= i; between blocks only S is handed on. It costs O(n s (B + s)) per head.

Only ratios within a block are taken, lambda^e with 0 <= e <= B: they can underflow, which is right,
and never overflow. S is kept in at least single precision.

Shapes: r rows (requests), h heads, n events, m candidates, s head size, c blocks.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scaling.models.attention import Implementation

SMALLEST_BLOCK = 32
"""Blocks as long as heads are wide balance the work within and between them; shorter ones make the
products too small."""


def linear_attention(
    q: Tensor | None,
    k: Tensor,
    v: Tensor,
    rate: Tensor,
    mask: Tensor,
    implementation: Implementation = "fused",
    start: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """The state after the last real event, and what each event gathers from itself and before.

    Args:
        q: [r, h, n, s]; None where no event asks.
        k, v: [r, h, n, s]
        rate: -log(lambda) [h], above 0.
        mask: bool [r, n], right-padded: padding adds nothing to the state and doesn't decay it;
            what padded events gather means nothing.
        implementation: `reference` is the recurrence, step by step, as plain products, which a
            FLOPs profiler can see.
        start: S [r, h, s, s] before the first event; None for 0.

    Returns:
        S [r, h, s, s], keys by values, and [r, h, n, s] or None.
    """
    form = _stepwise if implementation == "reference" else _blockwise
    return form(q, k, v, rate, mask, start)


def candidate_linear_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    state: Tensor,
    rate: Tensor,
    implementation: Implementation = "fused",
) -> Tensor:
    """Each candidate as the event after the history: (lambda S + k v^T)^T q.

    Args:
        q, k, v: [r, h, m, s], of the candidates.
        state: S [r, h, s, s], of the history.
        rate: -log(lambda) [h]

    Returns:
        [r, h, m, s]
    """
    past = _decay(rate, state).to(q.dtype)[:, None, None] * state.to(q.dtype)
    if implementation == "reference":
        states = past.unsqueeze(-3) + k.unsqueeze(-1) @ v.unsqueeze(-2)
        return (q.unsqueeze(-2) @ states).squeeze(-2)
    return q @ past + (q * k).sum(-1, keepdim=True) * v


def _decay(rate: Tensor, like: Tensor) -> Tensor:
    """lambda [h]."""
    return torch.exp(-rate).to(like.dtype)


def _stepwise(
    q: Tensor | None, k: Tensor, v: Tensor, rate: Tensor, mask: Tensor, start: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    decay = torch.exp(-rate)[:, None, None]
    state = _started(start, k, v)
    gathered = []
    for step, real in enumerate(mask.unbind(1)):
        new = k[:, :, step].unsqueeze(-1) @ v[:, :, step].unsqueeze(-2)
        state = torch.where(real[:, None, None, None], decay * state + new, state)
        if q is not None:
            gathered.append((q[:, :, step].unsqueeze(-2) @ state.to(q.dtype)).squeeze(-2))
    return state, torch.stack(gathered, 2) if q is not None else None


def _blockwise(
    q: Tensor | None, k: Tensor, v: Tensor, rate: Tensor, mask: Tensor, start: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    length = k.shape[2]
    blocks = -(-length // max(SMALLEST_BLOCK, k.shape[-1]))
    size = -(-length // blocks)  # blocks of equal length need the least filling up
    k, v = _in_blocks(k, blocks, size), _in_blocks(v, blocks, size)
    before, state = _states(k, v, rate, mask.sum(-1), _started(start, k, v))
    if q is None:
        return state, None
    q = _in_blocks(q, blocks, size)
    place = torch.arange(size, device=q.device)
    apart = place[:, None] - place
    ratios = torch.exp(-rate[:, None, None] * apart.clamp(min=0)).masked_fill(apart < 0, 0.0)
    scores = q @ k.transpose(-1, -2)
    scores *= ratios[:, None].to(q.dtype)  # in place: nobody needs them as they were
    out = scores @ v
    if blocks > 1 or start is not None:  # else there is nothing before the first block
        since = torch.exp(-rate[:, None] * (place + 1))[:, None, :, None]
        out = out + (q @ before.to(q.dtype)) * since.to(q.dtype)
    return state, out.flatten(2, 3)[:, :, :length]


def _states(
    k: Tensor, v: Tensor, rate: Tensor, lengths: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """S before each block [r, h, c, s, s] and after the last, from `state`; k, v [r, h, c, B, s],
    lengths [r]."""
    blocks, size = k.shape[2:4]
    place = torch.arange(size, device=k.device)
    real = (lengths[:, None] - size * torch.arange(blocks, device=k.device)).clamp(0, size)
    # From each real event to the last real one of its block; [r, 1, c, B].
    apart = (real.unsqueeze(-1) - 1 - place).unsqueeze(1)
    until = torch.exp(-rate[:, None, None] * apart.clamp(min=0)).masked_fill(apart < 0, 0.0)
    added = (k * until.unsqueeze(-1).to(k.dtype)).transpose(-1, -2) @ v
    decays = torch.exp(-rate[:, None] * real[:, None])[..., None, None]  # [r, h, c, 1, 1]
    before = []
    for block in range(blocks):
        before.append(state)
        state = decays[:, :, block] * state + added[:, :, block]
    return torch.stack(before, 2), state


def _in_blocks(x: Tensor, blocks: int, size: int) -> Tensor:
    """[r, h, n, s] as [r, h, c, B, s], filled up with zeros."""
    x = F.pad(x, (0, 0, 0, blocks * size - x.shape[2]))
    return x.reshape(*x.shape[:2], blocks, size, x.shape[-1])


def _started(start: Tensor | None, k: Tensor, v: Tensor) -> Tensor:
    """S [r, h, s, s] before the first event."""
    if start is not None:
        return start.to(_precision(k))
    return k.new_zeros(*k.shape[:2], k.shape[-1], v.shape[-1], dtype=_precision(k))


def _precision(like: Tensor) -> torch.dtype:
    """What a state is kept in."""
    return torch.promote_types(like.dtype, torch.float32)
