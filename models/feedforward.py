"""The feed-forward part of a layer: one for all tokens, or experts of which each token takes some.

Mixture of experts: a token goes to the k experts of its largest router logits, weighted by the
softmax over those k (Shazeer et al. 2017, arXiv 1701.06538); the load is balanced by the term of the
Switch Transformer (Fedus et al. 2022, arXiv 2101.03961, equation 4). No expert has a capacity, so a
token's output doesn't depend on the others.

Shapes: g groups, t tokens, d width, e experts.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scaling import compute
from scaling.compute import Floats
from scaling.models.fused_feedforward import fused_feed_forward
from scaling.models.grouped import GroupedLinear, GroupedRMSNorm, cpu_in_full_precision
from scaling.models.stack_shape import FFN_FACTOR, StackShape


class FeedForward(nn.Module):
    """x + down(silu(up(norm(x)))), d -> 4 d -> d."""

    def __init__(self, shape: StackShape, groups: int) -> None:
        super().__init__()
        self.norm = GroupedRMSNorm(groups, shape.width)
        self.up = GroupedLinear(groups, shape.width, FFN_FACTOR * shape.width)
        self.down = GroupedLinear(
            groups, FFN_FACTOR * shape.width, shape.width, shape.residual_gain
        )

    def forward(self, x: Tensor) -> Tensor:
        """[g, ..., d], unchanged in shape."""
        if cpu_in_full_precision(x):
            weight = self.norm.weight.squeeze(1)
            return fused_feed_forward(x, weight, self.up.weight, self.down.weight)
        fed: Tensor = self.down(F.silu(self.up(self.norm(x))))
        return x + fed


class Experts(nn.Module):
    """x + what e feed-forward parts and a router make of norm(x); see the module's text."""

    def __init__(self, shape: StackShape, groups: int) -> None:
        super().__init__()
        self.experts, self.chosen = shape.experts, shape.experts_per_token
        d, wide, parts = shape.width, FFN_FACTOR * shape.width, groups * shape.experts
        self.norm = GroupedRMSNorm(groups, d)
        self.router = GroupedLinear(groups, d, shape.experts)
        # A group's experts are groups of their own: weights [g e, d, 4 d].
        self.up = GroupedLinear(parts, d, wide)
        self.down = GroupedLinear(parts, wide, d, shape.residual_gain)
        self.imbalances: list[Tensor] = []
        """Of each training pass since the last history was encoded: e times the sum over experts
        of share of tokens times mean probability; 1 where the load is even. Padding counts."""

    def forward(self, x: Tensor) -> Tensor:
        """[g, ..., d], unchanged in shape."""
        weights = self.router.weight.shape[0]
        tokens = self.norm(x).reshape(weights, -1, x.shape[-1])
        logits = self.router(tokens)
        best, expert = logits.topk(self.chosen, dim=-1)
        share = best.softmax(-1).to(x.dtype)
        if self.training and torch.is_grad_enabled():
            self.imbalances.append(_imbalance(logits, expert))
        out = []
        for group in range(weights):
            fed = torch.zeros_like(tokens[group])
            for number in range(self.experts):
                index = group * self.experts + number
                token, choice = (expert[group] == number).nonzero(as_tuple=True)
                wide = F.silu(tokens[group, token] @ self.up.weight[index])
                part = wide @ self.down.weight[index]
                part = part * share[group, token, choice].unsqueeze(-1)
                fed = fed.index_add(0, token, part.to(fed.dtype))
            out.append(fed)
        return x + torch.stack(out).view(x.shape)


def _imbalance(logits: Tensor, expert: Tensor) -> Tensor:
    """Switch Transformer's balance term of logits [g, t, e] and choices [g, t, k], mean over g."""
    experts = logits.shape[-1]
    probability = logits.float().softmax(-1).mean(1)
    taken = nn.functional.one_hot(expert, experts).sum(2).float().mean(1) / expert.shape[-1]
    return experts * (probability * taken).sum(-1).mean()


def feed_forward(shape: StackShape, groups: int) -> FeedForward | Experts:
    """The feed-forward part that the shape asks for."""
    return Experts(shape, groups) if shape.experts > 1 else FeedForward(shape, groups)


def feed_forward_params(shape: StackShape) -> Mapping[str, int]:
    """Parameters of one layer's, by group."""
    dense = shape.experts * 2 * FFN_FACTOR * shape.width * shape.width
    router = {"router": shape.width * shape.experts} if shape.experts > 1 else {}
    return {"ffn": dense, "norm": shape.width, **router}


def feed_forward_flops(shape: StackShape, tokens: Floats) -> Floats:
    """FLOPs of one layer's: of the experts that are active, and of the router."""
    active = shape.experts_per_token * 2 * FFN_FACTOR * shape.width
    routed = shape.experts if shape.experts > 1 else 0
    return compute.linear(tokens, shape.width, active + routed)
