"""Relative bias of softmax layers: by the age and the position of events.

A candidate stands at the request, so its bias towards an event depends on the event's age and on how
many events came after it. Among events the same bias is used, as if each were read from the request
(`key`: it depends on the key alone, which keeps fused kernels), or by the difference of the pair's
ages and positions, with the same tables (`pairwise`).

Shapes: g groups, b requests, n events, h heads, L softmax layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from scaling.batch import ViewBatch
from scaling.models.attention import MASKED
from scaling.models.stack_shape import StackShape
from scaling.models.table import look_up
from scaling.models.tokens import AGE_BUCKETS, UNKNOWN_AGE, age_bucket

Biases = Sequence[Tensor | None]
"""One entry per layer of the stack; None for layers without softmax."""


class RelativeBias(nn.Module):
    """Tables per group, softmax layer and head; all layers are looked up at once."""

    def __init__(self, shape: StackShape, groups: int) -> None:
        super().__init__()
        self.shape = shape
        self.groups = groups
        self.layers = shape.mixing.count("softmax")
        self.learned = shape.bias != "none" and self.layers > 0
        if self.learned:
            entries = self.layers * shape.heads
            self.ages = nn.Parameter(torch.zeros(groups, AGE_BUCKETS, entries))
            self.positions = nn.Parameter(torch.zeros(groups, shape.length, entries))
            self.own = nn.Parameter(torch.zeros(self.layers, groups, 1, shape.heads))

    def of_events(self, view: ViewBatch) -> tuple[Biases, Biases]:
        """Of the events as keys of candidates, [g b, h, n] per layer, and as keys of events, the
        same or [g b, h, n, n] where the bias is pairwise; `MASKED` where padded."""
        padded = ~view.mask.unsqueeze(-1)
        if not self.learned:
            none = torch.zeros(padded.shape, device=padded.device).masked_fill(padded, MASKED)
            keys = none.flatten(0, 1).transpose(1, 2).expand(-1, self.shape.heads, -1)
            same = self._spread([keys] * self.layers)
            return same, same
        lengths = view.mask.sum(-1, keepdim=True)
        position = (lengths - 1 - torch.arange(view.mask.shape[-1], device=lengths.device)).clamp(0)
        same = self._by_layer(self._of(age_bucket(view.ages), position).masked_fill(padded, MASKED))
        if self.shape.bias == "key":
            return same, same
        unknown = (view.ages < 0).unsqueeze(-1) | (view.ages < 0).unsqueeze(-2)
        apart = view.ages.unsqueeze(-2) - view.ages.unsqueeze(-1)  # key's less query's
        bucket = torch.where(unknown, UNKNOWN_AGE, age_bucket(apart.clamp(min=0)))
        steps = (position.unsqueeze(-2) - position.unsqueeze(-1)).clamp(0)
        pairs = self._of(bucket, steps).masked_fill(padded.unsqueeze(-3), MASKED)
        return same, self._by_layer(pairs)

    def of_candidates(self, like: Tensor) -> Biases:
        """Of a candidate as its own key, [g, b, h] per layer; `like` [g, b, ...]."""
        g, b = like.shape[:2]
        if not self.learned:
            return self._spread([like.new_zeros(g, b, self.shape.heads)] * self.layers)
        return self._spread([own.expand(g, b, -1) for own in self.own])

    def _of(self, ages: Tensor, positions: Tensor) -> Tensor:
        """The sum of both tables' rows, [g, ..., L h]."""
        return self._looked_up(self.ages, ages) + self._looked_up(self.positions, positions)

    def _looked_up(self, tables: Tensor, ids: Tensor) -> Tensor:
        """Rows of each group's own table; tables [groups or 1, rows, e], ids [g, ...]."""
        if self.groups > 1:
            first = torch.arange(self.groups, device=ids.device) * tables.shape[1]
            ids = ids + first.view(-1, *(1,) * (ids.dim() - 1))
        return look_up(tables.flatten(0, 1), ids)

    def _by_layer(self, bias: Tensor) -> Biases:
        """[g, b, n, ..., L h] as [g b, h, n, ...] per layer."""
        split = bias.flatten(0, 1).unflatten(-1, (self.layers, self.shape.heads))  # type: ignore[no-untyped-call]
        return self._spread(split.movedim((-2, -1), (0, 2)).unbind(0))

    def _spread(self, biases: Sequence[Tensor]) -> Biases:
        """One entry per layer, None for those that are no softmax layers."""
        left = iter(biases)
        return [next(left) if mixing == "softmax" else None for mixing in self.shape.mixing]

    @staticmethod
    def params(shape: StackShape) -> Mapping[str, int]:
        """Parameters of one group."""
        layers = shape.mixing.count("softmax") if shape.bias != "none" else 0
        rows = AGE_BUCKETS + shape.length + 1
        return {"bias": layers * shape.heads * rows} if layers else {}
