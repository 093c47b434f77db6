"""Layers with a leading group dimension: equal parallel stacks run as one computation.

Shapes: g groups (blocks), r rows, d width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GroupedLinear(nn.Module):
    """A dense layer per group, without bias; all groups in one batched product."""

    def __init__(self, groups: int, fan_in: int, fan_out: int, std: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(groups, fan_in, fan_out).normal_(std=std))

    def forward(self, x: Tensor) -> Tensor:
        """[g, ..., fan_in] as [g, ..., fan_out]."""
        rows = x.flatten(1, -2)
        return torch.bmm(rows, self.weight).view(*x.shape[:-1], -1)


class GroupedRMSNorm(nn.Module):
    """x / rms(x) * weight over the last dimension, with a weight per group."""

    def __init__(self, groups: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(groups, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        """[g, b, n, d], unchanged in shape."""
        normed: Tensor = F.rms_norm(x, x.shape[-1:])
        return normed * self.weight.unsqueeze(1)
