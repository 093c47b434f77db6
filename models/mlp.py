"""Plain multi-layer perceptrons: what the ranking models without a stack are deep by."""

from __future__ import annotations

from collections.abc import Mapping

import numpy.typing as npt
from torch import Tensor, nn

from scaling import compute
from scaling.compute import Floats
from scaling.models.grouped import RMSNorm


def dense(fan_in: int, fan_out: int, *, bias: bool = True) -> nn.Linear:
    """A linear layer with weights N(0, 1 / fan_in), which keeps the variance, and biases of 0."""
    layer = nn.Linear(fan_in, fan_out, bias=bias)
    nn.init.normal_(layer.weight, std=fan_in**-0.5)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class MLP(nn.Module):
    """RMSNorm, then `depth` hidden layers of one width, each followed by SiLU.

    The norm makes inputs of different origin and scale (sums over a history, dot products) start
    alike at every width; SiLU stands for the papers' ReLU, PReLU and Dice, as everywhere here.
    """

    def __init__(self, fan_in: int, width: int, depth: int) -> None:
        super().__init__()
        self.norm = RMSNorm(fan_in)
        self.activation = nn.SiLU()
        self.layers = nn.ModuleList(
            dense(width if index else fan_in, width) for index in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[..., fan_in] as [..., width], in the parameters' precision as the norms want it."""
        precision = self.norm.weight.dtype
        x = self.norm(x.to(precision))
        for layer in self.layers:
            x = self.activation(layer(x))
        return x.to(precision)

    @staticmethod
    def params(fan_in: int, width: int, depth: int) -> Mapping[str, int]:
        """Parameters by group."""
        return {"mlp": fan_in + (fan_in + 1) * width + (depth - 1) * (width + 1) * width}

    @staticmethod
    def flops(fan_in: int, width: int, depth: int, rows: npt.ArrayLike) -> dict[str, Floats]:
        """FLOPs by component, for one vector per candidate."""
        deeper = (depth - 1) * compute.linear(rows, width, width)
        return {"candidates.mlp": compute.linear(rows, fan_in, width) + deeper}
