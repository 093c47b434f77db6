"""Relative bias of softmax layers: by the age and the position of events.

A candidate stands at the request, so its bias towards an event depends on the event's age and on how
many events came after it. Among events the same bias is used, as if each were read from the request
(`key`: it depends on the key alone, which keeps fused kernels), or by the difference of the pair's
ages and positions, with the same tables (`pairwise`). A history that is free of its request has a bias
of its own in the first case: by the gap between the key and the event before it, and by the key's
position from the start of the view.

Shapes: g groups, b requests, n events, h heads, L softmax layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from scaling.batch import ViewBatch
from scaling.models.attention import MASKED
from scaling.models.event_clock import EventClock
from scaling.models.stack_shape import StackShape
from scaling.models.table import look_up
from scaling.models.tokens import AGE_BUCKETS, age_bucket

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
            if shape.asks_by_gap:
                entries = len(shape.asking) * shape.heads
                self.gaps = nn.Parameter(torch.zeros(groups, AGE_BUCKETS, entries))
                self.starts = nn.Parameter(torch.zeros(groups, shape.length, entries))
            self.own = nn.Parameter(torch.zeros(self.layers, groups, 1, shape.heads))

    def of_events(self, view: ViewBatch) -> tuple[Biases, Biases]:
        """Of the events as keys of candidates, [g b, h, n] per layer, and as keys of events, the
        same or [g b, h, n, n] where the bias is pairwise; `MASKED` where padded."""
        lengths = view.mask.sum(-1, keepdim=True)
        places = torch.arange(view.mask.shape[-1], device=lengths.device)
        keys = self.of_keys(view.ages, (lengths - 1 - places).clamp(0), view.mask)
        if not self.learned or self.shape.bias == "key":
            return keys, keys
        unknown = (view.ages < 0).unsqueeze(-1) | (view.ages < 0).unsqueeze(-2)
        apart = view.ages.unsqueeze(-2) - view.ages.unsqueeze(-1)  # key's less query's
        apart = apart.clamp(min=0).masked_fill(unknown, -1.0)
        return keys, self._of_pairs(apart, places, places, view.mask)

    def of_keys(self, ages: Tensor, from_the_end: Tensor, mask: Tensor) -> Biases:
        """Of events as keys of candidates, [g b, h, n] per layer; `MASKED` where padded.

        Args:
            ages: float64 [g, b, n], at the request; -1: unknown.
            from_the_end: int64 [g, b, n], how many events came later.
            mask: bool [g, b, n]
        """
        if not self.learned:
            return self._none(mask)
        bias = self._of(self.ages, ages, self.positions, from_the_end)
        return self._by_layer(bias.masked_fill(~mask.unsqueeze(-1), MASKED))

    def among(self, clock: EventClock, asking: EventClock) -> Biases:
        """Of all events as keys of those `asking` (all, or the last ones), free of any request:
        [g b, h, n] per layer in which events ask, or [g b, h, n', n]; `MASKED` where padded."""
        if not self.learned or not self.shape.asking:
            return self._none(clock.mask)
        if self.shape.bias == "key":
            bias = self._of(self.gaps, clock.gaps(), self.starts, clock.places)
            return self._by_layer(bias.masked_fill(~clock.mask.unsqueeze(-1), MASKED))
        asked = (clock.lengths - asking.lengths).unsqueeze(-1) + asking.places
        return self._of_pairs(asking.since(clock), asked, clock.places, clock.mask)

    def _of_pairs(self, apart: Tensor, asking: Tensor, keys: Tensor, mask: Tensor) -> Biases:
        """[g b, h, n', n] per layer: by seconds from key to query [g, b, n', n] (-1: unknown), and
        their places [n'] (or [g, b, n']) and [n]."""
        steps = (asking.unsqueeze(-1) - keys).clamp(0, self.shape.length - 1)
        pairs = self._of(self.ages, apart, self.positions, steps)
        return self._by_layer(pairs.masked_fill(~mask[:, :, None, :, None], MASKED))

    def _none(self, mask: Tensor) -> Biases:
        """0, or `MASKED` where padded, as a bias of keys."""
        bias = torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, MASKED)
        keys = bias.flatten(0, 1).unsqueeze(1).expand(-1, self.shape.heads, -1)
        return self._spread([keys] * self.layers)

    def of_candidates(self, like: Tensor) -> Biases:
        """Of a candidate as its own key, [g, b, h] per layer; `like` [g, b, ...]."""
        g, b = like.shape[:2]
        if not self.learned:
            return self._spread([like.new_zeros(g, b, self.shape.heads)] * self.layers)
        return self._spread([own.expand(g, b, -1) for own in self.own])

    def _of(self, by_age: Tensor, ages: Tensor, by_place: Tensor, places: Tensor) -> Tensor:
        """The sum of both tables' rows, [g, ..., entries]; places [g, ...] or fewer dimensions."""
        places = places.expand_as(ages)
        return self._looked_up(by_age, age_bucket(ages)) + self._looked_up(by_place, places)

    def _looked_up(self, tables: Tensor, ids: Tensor) -> Tensor:
        """Rows of each group's own table; tables [groups or 1, rows, e], ids [g, ...]."""
        if self.groups > 1:
            first = torch.arange(self.groups, device=ids.device) * tables.shape[1]
            ids = ids + first.view(-1, *(1,) * (ids.dim() - 1))
        return look_up(tables.flatten(0, 1), ids)

    def _by_layer(self, bias: Tensor) -> Biases:
        """[g, b, n, ..., entries] as [g b, h, n, ...] per layer."""
        split = bias.flatten(0, 1).unflatten(-1, (-1, self.shape.heads))  # type: ignore[no-untyped-call]
        return self._spread(split.movedim((-2, -1), (0, 2)).unbind(0))

    def _spread(self, biases: Sequence[Tensor]) -> Biases:
        """One entry per layer, None for those that are no softmax layers, or are left at the end."""
        left = iter(biases)
        return [next(left, None) if mixing == "softmax" else None for mixing in self.shape.mixing]

    @staticmethod
    def params(shape: StackShape) -> Mapping[str, int]:
        """Parameters of one group."""
        layers = shape.mixing.count("softmax") if shape.bias != "none" else 0
        rows = AGE_BUCKETS + shape.length + 1
        entries = layers * rows
        if shape.asks_by_gap:
            entries += len(shape.asking) * (AGE_BUCKETS + shape.length)
        return {"bias": shape.heads * entries} if layers else {}
