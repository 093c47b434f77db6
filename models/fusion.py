"""Fusion of a candidate's N vectors, one from each of ASTRO's blocks.

Bit-wise gated fusion is equation 4 of Climber (arXiv 2502.09888): an attention layer over the blocks,
without relative bias, its temperature by the request's scenario; then a gate per element,
G = ATL(E); Y = G * sigmoid(f(G)) with f: N d -> N d / 4 -> N d. The alternatives have no parameters:
`concat` leaves all to the head, `sum` and `mean` give it one vector (the same model twice, since the
head begins with a norm; both are there because papers name both).

Shapes: N blocks, b requests, m candidates, d width.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from scaling import compute
from scaling.compute import Floats
from scaling.models.softmax_mixer import SoftmaxMixer
from scaling.models.stack import Layer, Stack
from scaling.models.stack_shape import FFN_FACTOR, StackShape

FusionKind = Literal["gated", "concat", "sum", "mean"]

GATE_SQUEEZE = 4
"""The gate's hidden layer is this many times narrower than its N d inputs."""


def _squeezed(wide: int) -> int:
    """Width of the gate's hidden layer."""
    return max(wide // GATE_SQUEEZE, 1)


def fused_width(kind: FusionKind, blocks: int, width: int) -> int:
    """Width of what the head gets."""
    return blocks * width if kind in ("gated", "concat") else width


class PlainFusion(nn.Module):
    """`concat`, `sum` or `mean`."""

    def __init__(self, kind: FusionKind) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, blocks: Tensor, scenario: Tensor) -> Tensor:
        """[N, b, m, d] as [b, m, N d] or [b, m, d]."""
        if self.kind == "concat":
            return blocks.permute(1, 2, 0, 3).flatten(2)
        return blocks.sum(0) if self.kind == "sum" else blocks.mean(0)


class GatedFusion(nn.Module):
    """See the module's text."""

    def __init__(self, shape: StackShape, blocks: int) -> None:
        super().__init__()
        wide = blocks * shape.width
        self.shape = layer_shape(shape)
        self.layer = Layer(self.shape, groups=1, number=self.shape.depth - 1)
        self.log_temperature = (
            nn.Parameter(torch.zeros(shape.scenarios, shape.heads)) if shape.scenarios else None
        )
        self.squeeze = nn.Linear(wide, _squeezed(wide), bias=False)
        self.activation = nn.SiLU()
        self.excite = nn.Linear(self.squeeze.out_features, wide, bias=False)
        for linear in (self.squeeze, self.excite):
            nn.init.normal_(linear.weight, std=linear.in_features**-0.5)

    def forward(self, blocks: Tensor, scenario: Tensor) -> Tensor:
        """[N, b, m, d] as [b, m, N d]; `scenario` [b]."""
        n, b, m, d = blocks.shape
        # Rows of the layer are the b m candidates; its sequence is the N blocks.
        x = blocks.permute(1, 2, 0, 3).reshape(1, b * m, n, d)
        mixer = self.layer.mixer
        assert isinstance(mixer, SoftmaxMixer)
        normed = self.layer.norm_mixer(x)
        q, k, v = mixer.projected(normed)
        scores = q @ k.transpose(-1, -2) / self.shape.head_dim**0.5
        if self.log_temperature is not None:
            temper = torch.exp(-self.log_temperature[scenario]).repeat_interleave(m, 0)
            scores = scores * temper.to(scores.dtype)[..., None, None]
        gathered_heads = scores.softmax(-1).to(v.dtype) @ v
        mixed = mixer.mixed(normed, gathered_heads.transpose(1, 2))
        gathered: Tensor = self.layer.ffn(x + mixed).reshape(b, m, n * d)
        gate = torch.sigmoid(self.excite(self.activation(self.squeeze(gathered))))
        return gathered * gate


def layer_shape(shape: StackShape) -> StackShape:
    """Of the layer over the blocks: plain, and as gentle as one layer of the stacks."""
    return dataclasses.replace(
        shape, bias="none", gate="none", experts=1, experts_per_token=1, scenarios=None
    )


def fusion_params(kind: FusionKind, shape: StackShape, blocks: int) -> dict[str, int]:
    """Parameters by group."""
    if kind != "gated":
        return {}
    wide = blocks * shape.width
    layer = sum(Stack.params(dataclasses.replace(layer_shape(shape), depth=1)).values())
    temperatures = (shape.scenarios or 0) * shape.heads
    return {"fusion": layer + temperatures + 2 * wide * _squeezed(wide)}


def fusion_flops(
    kind: FusionKind, shape: StackShape, blocks: int, candidates: npt.NDArray[np.int64]
) -> dict[str, Floats]:
    """FLOPs by component, per request, all candidates together."""
    if kind != "gated":
        return {}
    d, wide = shape.width, blocks * shape.width
    rows = blocks * np.asarray(candidates, np.float64)
    layer = compute.linear(rows, d, (4 + 2 * FFN_FACTOR) * d) + compute.attention(rows, blocks, d)
    gate = 2 * compute.linear(candidates, wide, _squeezed(wide))
    return {"candidates.fusion": layer + gate}
