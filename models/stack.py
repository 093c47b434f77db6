"""A stack of pre-norm attention layers over one view of the history, and its candidates.

The plain transformer is one such stack; ASTRO has one per block, with learned temperatures. The
last layer computes candidates only: history events pay keys and values there, nothing else.

Shapes: b requests, n events, m candidates, d width, h heads, L layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from scaling import compute
from scaling.batch import ViewBatch
from scaling.compute import Floats
from scaling.models.attention import (
    MASKED,
    Implementation,
    candidate_attention,
    causal_attention,
)
from scaling.models.table import look_up
from scaling.models.tokens import AGE_BUCKETS, age_bucket

FFN_FACTOR = 4


@dataclass(frozen=True, kw_only=True)
class StackShape:
    """The sizes of a stack."""

    depth: int
    width: int
    length: int
    """Largest number of events: the number of key positions."""
    head_dim: int
    scenarios: int | None
    """Number of scenarios with a temperature of their own; None: no learned temperature."""

    @property
    def heads(self) -> int:
        return self.width // self.head_dim

    def params(self) -> Mapping[str, int]:
        """Parameters by group."""
        per_layer = self.width * self.width
        groups = {
            "attention": self.depth * 4 * per_layer,
            "ffn": self.depth * 2 * FFN_FACTOR * per_layer,
            "norm": self.depth * 2 * self.width,
            "bias": self.depth * self.heads * (AGE_BUCKETS + self.length + 1),
        }
        if self.scenarios is not None:
            groups["temperature"] = self.depth * self.scenarios * self.heads
        return groups

    def flops(
        self, lengths: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]
    ) -> tuple[dict[str, Floats], Floats]:
        """Components and causal discount for real `lengths` [r] and `candidates` [r]."""
        d, full = self.width, self.depth - 1
        n, m = lengths.astype(np.float64), candidates.astype(np.float64)
        components = {
            "history.projections": full * compute.linear(n, d, 4 * d) + compute.linear(n, d, 2 * d),
            "history.quadratic": full * compute.attention(n, n, d),
            "history.ffn": full * compute.linear(n, d, 2 * FFN_FACTOR * d),
            "candidates.projections": self.depth * compute.linear(m, d, 4 * d),
            "candidates.quadratic": self.depth * compute.attention(m, n + 1, d),
            "candidates.ffn": self.depth * compute.linear(m, d, 2 * FFN_FACTOR * d),
        }
        return components, full * compute.causal_saving(n, d)


@dataclass(frozen=True)
class StackMemory:
    """Keys and values of every layer, for the candidates to come."""

    keys: tuple[Tensor, ...]
    """L of [b, h, n, d / h]"""
    values: tuple[Tensor, ...]
    bias: tuple[Tensor, ...]
    """L of [b, h, n]; `MASKED` where padded."""

    def tree(self) -> tuple[tuple[Tensor, ...], ...]:
        return (self.keys, self.values, self.bias)


class Layer(nn.Module):
    """One pre-norm layer: attention and feed-forward, each added to its input."""

    def __init__(self, shape: StackShape) -> None:
        super().__init__()
        d = shape.width
        self.head_dim = shape.head_dim
        self.norm_attention = nn.RMSNorm(d)
        self.query = nn.Linear(d, d, bias=False)
        self.key_value = nn.Linear(d, 2 * d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.norm_ffn = nn.RMSNorm(d)
        self.up = nn.Linear(d, FFN_FACTOR * d, bias=False)
        self.activation = nn.SiLU()
        self.down = nn.Linear(FFN_FACTOR * d, d, bias=False)
        for linear in (self.query, self.key_value, self.up):
            nn.init.normal_(linear.weight, std=d**-0.5)
        # Residual branches together keep the variance of the stream at any depth.
        for linear in (self.out, self.down):
            nn.init.normal_(linear.weight, std=(2 * shape.depth * linear.in_features) ** -0.5)

    def heads(self, x: Tensor) -> Tensor:
        """[b, n, d] as [b, h, n, d / h]."""
        b, n, d = x.shape
        return x.view(b, n, d // self.head_dim, self.head_dim).transpose(1, 2)

    def keys_values(self, normed: Tensor) -> tuple[Tensor, Tensor]:
        k, v = self.key_value(normed).chunk(2, -1)
        return self.heads(k), self.heads(v)

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """The rest of the layer behind the attention of [b, h, n, d / h]."""
        mixed: Tensor = self.out(attended.transpose(1, 2).flatten(-2))
        x = x + mixed
        fed: Tensor = self.down(self.activation(self.up(self.norm_ffn(x))))
        return x + fed


class Stack(nn.Module):
    """L layers over one view; `encode` the history once, then `score` any candidates."""

    implementation: Implementation = "fused"

    def __init__(self, shape: StackShape) -> None:
        super().__init__()
        self.shape = shape
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.depth))
        entries = shape.depth * shape.heads
        self.age_bias = nn.Parameter(torch.zeros(AGE_BUCKETS, entries))
        self.position_bias = nn.Parameter(torch.zeros(shape.length, entries))
        self.self_bias = nn.Parameter(torch.zeros(shape.depth, shape.heads))
        self.log_temperature = (
            nn.Parameter(torch.zeros(shape.scenarios, shape.depth, shape.heads))
            if shape.scenarios is not None
            else None
        )

    def _bias(self, view: ViewBatch) -> tuple[Tensor, ...]:
        """The keys' bias, L of [b, h, n]: by age and by position from the newest event."""
        lengths = view.mask.sum(1, keepdim=True)
        places = torch.arange(view.mask.shape[1], device=view.mask.device)
        position = (lengths - 1 - places).clamp(min=0)
        bias = look_up(self.age_bias, age_bucket(view.ages))
        bias = bias + look_up(self.position_bias, position)
        bias = bias.masked_fill(~view.mask.unsqueeze(-1), MASKED)
        bias = bias.view(*bias.shape[:2], self.shape.depth, self.shape.heads)
        return bias.permute(2, 0, 3, 1).unbind(0)

    def _temperatures(self, scenario: Tensor) -> tuple[Tensor | None, ...]:
        """w of every layer, L of [b, h]."""
        if self.log_temperature is None:
            return (None,) * self.shape.depth
        return self.log_temperature[scenario].unbind(1)

    def encode(self, x: Tensor, view: ViewBatch, scenario: Tensor) -> StackMemory:
        """Keys and values of the events `x` [b, n, d] in every layer."""
        biases, temperatures = self._bias(view), self._temperatures(scenario)
        keys, values = [], []
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            normed = layer.norm_attention(x)
            k, v = layer.keys_values(normed)
            keys.append(k)
            values.append(v)
            if index < len(self.layers) - 1:
                q = layer.heads(layer.query(normed))
                attended = causal_attention(
                    q, k, v, biases[index], temperatures[index], self.implementation
                )
                x = layer.finish(x, attended)
        return StackMemory(tuple(keys), tuple(values), biases)

    def score(self, x: Tensor, memory: StackMemory, scenario: Tensor) -> Tensor:
        """The candidates `x` [b, m, d] after all layers, [b, m, d]."""
        temperatures = self._temperatures(scenario)
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            normed = layer.norm_attention(x)
            k, v = layer.keys_values(normed)
            attended = candidate_attention(
                layer.heads(layer.query(normed)),
                k,
                v,
                memory.keys[index],
                memory.values[index],
                memory.bias[index],
                self.self_bias[index],
                temperatures[index],
                self.implementation,
            )
            x = layer.finish(x, attended)
        return x


def use_implementation(module: nn.Module, implementation: Implementation) -> None:
    """Set how every stack inside `module` computes its attention."""
    for part in module.modules():
        if isinstance(part, Stack):
            part.implementation = implementation
