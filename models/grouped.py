"""Layers with a leading group dimension: equal parallel stacks run as one computation.

Shapes: g groups (blocks), r rows, d width. A layer made for one group may be used by several: they
then share its weights.
"""

from __future__ import annotations

import functools
from typing import Any

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
        if not cpu_in_full_precision(x):
            return F.rms_norm(x, x.shape[-1:]) * self.weight.unsqueeze(1)
        return _weighted(x, self.weight.unsqueeze(1))


class RMSNorm(nn.RMSNorm):
    """torch's, with one weight [d], in the faster form on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., d], unchanged in shape."""
        if not cpu_in_full_precision(x):
            return super().forward(x)
        return _weighted(x, self.weight)


def _weighted(x: Tensor, weight: Tensor) -> Tensor:
    """x / rms(x) * weight on a CPU; without gradients without a step of the autograd graph, which
    costs as much as the norm of some hundred rows."""
    if not torch.is_grad_enabled():
        return rms_normed_alone(x).mul_(weight)
    normed: Tensor = _Normed.apply(x)  # type: ignore[no-untyped-call]
    return normed * weight


def cpu_in_full_precision(x: Tensor) -> bool:
    """Whether the forms written for CPUs apply."""
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
    )


def rms_normed(x: Tensor) -> tuple[Tensor, Tensor]:
    """x / rms(x) over the last dimension, and 1 / rms(x) [..., 1]; eps as in torch's `rms_norm`."""
    square = torch.linalg.vecdot(x, x).unsqueeze(-1) / x.shape[-1]
    inverse = torch.rsqrt(square + torch.finfo(x.dtype).eps)
    return x * inverse, inverse


def rms_normed_alone(x: Tensor) -> Tensor:
    """The first of `rms_normed`, without gradients: of some hundred rows in two thirds of the time, which
    goes with the number of operators there, not with that of rows."""
    mean, eps = _averaging(x.shape[-1], x.dtype)
    square = torch.addmv(eps, (x * x).reshape(-1, x.shape[-1]), mean)
    return x * square.rsqrt_().view(*x.shape[:-1], 1)


@functools.cache
def _averaging(width: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """1 / width [width] and eps [1], on a CPU."""
    eps = torch.finfo(dtype).eps
    return torch.full((width,), 1 / width, dtype=dtype), torch.full((1,), eps, dtype=dtype)


def rms_normed_backward(dnormed: Tensor, normed: Tensor, inverse: Tensor) -> Tensor:
    """The gradient of x; takes the memory of `dnormed`."""
    # What is parallel to x is lost in the division by its length.
    along = torch.linalg.vecdot(dnormed, normed).unsqueeze(-1) / normed.shape[-1]
    return dnormed.addcmul_(normed, along, value=-1).mul_(inverse)


class _Normed(torch.autograd.Function):
    """`rms_normed` in two passes over x where torch's on a CPU takes five."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        normed, inverse = rms_normed(x)
        ctx.save_for_backward(normed, inverse)
        return normed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return rms_normed_backward(gradients[0].clone(), *ctx.saved_tensors)
