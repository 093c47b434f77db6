"""Stacks of pre-norm attention layers, each over one view of the history, and their candidates.

The plain transformer is one such stack; ASTRO has one per block, with learned temperatures. Equal
stacks are groups of one batched computation. The last layer computes candidates only: history
events pay keys and values there, nothing else.

Shapes: g groups, b requests, n events, m candidates, d width, h heads, L layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
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
from scaling.models.grouped import GroupedLinear, GroupedRMSNorm
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
    """L of [b, g, h, n, d / h]"""
    values: tuple[Tensor, ...]
    bias: tuple[Tensor, ...]
    """L of [b, g, h, n]; `MASKED` where padded."""

    def tree(self) -> tuple[tuple[Tensor, ...], ...]:
        return (self.keys, self.values, self.bias)


class Layer(nn.Module):
    """One pre-norm layer of g groups: attention and feed-forward, each added to its input."""

    def __init__(self, shape: StackShape, groups: int) -> None:
        super().__init__()
        d, wide = shape.width, FFN_FACTOR * shape.width
        self.head_dim = shape.head_dim
        self.norm_attention = GroupedRMSNorm(groups, d)
        self.query = GroupedLinear(groups, d, d, d**-0.5)
        self.key_value = GroupedLinear(groups, d, 2 * d, d**-0.5)
        # Residual branches together keep the variance of the stream at any depth.
        self.out = GroupedLinear(groups, d, d, (2 * shape.depth * d) ** -0.5)
        self.norm_ffn = GroupedRMSNorm(groups, d)
        self.up = GroupedLinear(groups, d, wide, d**-0.5)
        self.activation = nn.SiLU()
        self.down = GroupedLinear(groups, wide, d, (2 * shape.depth * wide) ** -0.5)

    def heads(self, x: Tensor) -> Tensor:
        """[g, b, n, d] as [g b, h, n, d / h]."""
        g, b, n, d = x.shape
        return x.view(g * b, n, d // self.head_dim, self.head_dim).transpose(1, 2)

    def keys_values(self, normed: Tensor) -> tuple[Tensor, Tensor]:
        g, b, n, d = normed.shape
        both = self.key_value(normed).view(g * b, n, 2, d // self.head_dim, self.head_dim)
        k, v = both.permute(2, 0, 3, 1, 4).unbind(0)
        return k, v

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """The rest of the layer behind the attention of [g b, h, n, d / h]."""
        mixed: Tensor = self.out(attended.transpose(1, 2).reshape(x.shape))
        x = x + mixed
        fed: Tensor = self.down(self.activation(self.up(self.norm_ffn(x))))
        return x + fed


class Stack(nn.Module):
    """g parallel stacks of L layers; `encode` the history once, then `score` any candidates."""

    implementation: Implementation = "fused"

    def __init__(self, shape: StackShape, groups: int = 1) -> None:
        super().__init__()
        self.shape = shape
        self.groups = groups
        self.layers = nn.ModuleList(Layer(shape, groups) for _ in range(shape.depth))
        entries = shape.depth * shape.heads
        self.age_bias = nn.Parameter(torch.zeros(groups, AGE_BUCKETS, entries))
        self.position_bias = nn.Parameter(torch.zeros(groups, shape.length, entries))
        self.self_bias = nn.Parameter(torch.zeros(shape.depth, groups, 1, shape.heads))
        self.log_temperature = (
            nn.Parameter(torch.zeros(groups, shape.scenarios, shape.depth, shape.heads))
            if shape.scenarios is not None
            else None
        )

    def _bias(self, view: ViewBatch) -> tuple[Tensor, ...]:
        """The keys' bias, L of [g b, h, n]: by age and by position from the newest event."""
        g, b, n = view.mask.shape
        lengths = view.mask.sum(-1, keepdim=True)
        position = (lengths - 1 - torch.arange(n, device=view.mask.device)).clamp(min=0)
        bias = self._looked_up(self.age_bias, age_bucket(view.ages))
        bias = bias + self._looked_up(self.position_bias, position)
        bias = bias.masked_fill(~view.mask.unsqueeze(-1), MASKED)
        bias = bias.view(g * b, n, self.shape.depth, self.shape.heads)
        return bias.permute(2, 0, 3, 1).unbind(0)

    def _looked_up(self, tables: Tensor, ids: Tensor) -> Tensor:
        """Rows of each group's own table; tables [g, rows, e], ids [g, b, n]."""
        first = torch.arange(self.groups, device=ids.device) * tables.shape[1]
        return look_up(tables.flatten(0, 1), ids + first[:, None, None])

    def _temperatures(self, scenario: Tensor) -> tuple[Tensor | None, ...]:
        """w of every layer, L of [g b, h]."""
        if self.log_temperature is None:
            return (None,) * self.shape.depth
        return self.log_temperature[:, scenario].flatten(0, 1).unbind(1)

    def encode(self, x: Tensor, view: ViewBatch, scenario: Tensor) -> StackMemory:
        """Keys and values of the events `x` [g, b, n, d] in every layer.

        Args:
            x: the events' tokens.
            view: the views of all groups, tensors [g, b, n].
            scenario: [b]
        """
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
        return StackMemory(
            self._batch_first(keys), self._batch_first(values), self._batch_first(biases)
        )

    def score(self, x: Tensor, memory: StackMemory, scenario: Tensor) -> Tensor:
        """The candidates `x` [b, m, d] after all layers of every group, [g, b, m, d]."""
        temperatures = self._temperatures(scenario)
        x = x.unsqueeze(0).expand(self.groups, *x.shape).contiguous()
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            normed = layer.norm_attention(x)
            k, v = layer.keys_values(normed)
            attended = candidate_attention(
                layer.heads(layer.query(normed)),
                k,
                v,
                self._group_first(memory.keys[index]),
                self._group_first(memory.values[index]),
                self._group_first(memory.bias[index]),
                self.self_bias[index].expand(-1, x.shape[1], -1).flatten(0, 1),
                temperatures[index],
                self.implementation,
            )
            x = layer.finish(x, attended)
        return x

    def _batch_first(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """[g b, ...] as [b, g, ...]: a memory can be selected by request."""
        return tuple(t.unflatten(0, (self.groups, -1)).transpose(0, 1) for t in tensors)  # type: ignore[no-untyped-call]

    @staticmethod
    def _group_first(tensor: Tensor) -> Tensor:
        """[b, g, ...] as [g b, ...]; no copy where the memory was not selected from."""
        return tensor.transpose(0, 1).flatten(0, 1)


def stacked(history: Sequence[ViewBatch]) -> ViewBatch:
    """The views of all groups as one, tensors [g, b, n], padded to the longest."""
    if len(history) == 1:
        (view,) = history
        return ViewBatch(**{f.name: getattr(view, f.name).unsqueeze(0) for f in fields(ViewBatch)})
    longest = max(view.mask.shape[1] for view in history)

    def joined(name: str) -> Tensor:
        tensors: list[Tensor] = [getattr(view, name) for view in history]
        return torch.stack([F.pad(t, (0, longest - t.shape[1])) for t in tensors])

    return ViewBatch(**{field.name: joined(field.name) for field in fields(ViewBatch)})


def use_implementation(module: nn.Module, implementation: Implementation) -> None:
    """Set how every stack inside `module` computes its attention."""
    for part in module.modules():
        if isinstance(part, Stack):
            part.implementation = implementation
