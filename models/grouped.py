"""Layers with a leading group dimension: equal parallel stacks run as one computation.

Shapes: g groups (blocks), r rows, d width. A layer made for one group may be used by several: they
then share its weights.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GroupedLinear(nn.Module):
    """A dense layer per group, without bias; all groups in one batched product.

    Weights start with standard deviation gain / sqrt(fan_in), which keeps the variance of what
    comes in where the gain is 1; the optimizer scales the learning rate in the same proportion
    (see `scaling.optim`).
    """

    def __init__(self, groups: int, fan_in: int, fan_out: int, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain
        std = gain * fan_in**-0.5
        self.weight = nn.Parameter(torch.empty(groups, fan_in, fan_out).normal_(std=std))

    def forward(self, x: Tensor, first: int = 0) -> Tensor:
        """[g, ..., fan_in] as [g, ..., fan_out - first]: outputs before `first` are left out."""
        weight = self.weight[..., first:] if first else self.weight
        rows = x.reshape(weight.shape[0], -1, x.shape[-1])
        return torch.bmm(rows, weight).view(*x.shape[:-1], -1)


class GroupedRMSNorm(nn.Module):
    """x / rms(x) * weight over the last dimension, with a weight per group."""

    def __init__(self, groups: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(groups, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        """[g, b, n, d], unchanged in shape."""
        normed: Tensor = F.rms_norm(x, x.shape[-1:])
        return normed * self.weight.unsqueeze(1)
