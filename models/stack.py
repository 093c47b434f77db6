"""Stacks of pre-norm layers, each over one view of the history, and their candidates.

The plain transformer is one such stack; ASTRO has one per block, with learned temperatures. Equal
stacks are groups of one batched computation. A layer is a mixer and a feed-forward part. The last
layer computes candidates only: history events pay there for what candidates read of them, nothing
else.

Shapes: g groups, b requests, n events, m candidates, d width, h heads, L layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from scaling import compute
from scaling.batch import Context, ViewBatch
from scaling.compute import Floats
from scaling.models.event_clock import EventClock
from scaling.models.feedforward import (
    Experts,
    feed_forward,
    feed_forward_flops,
    feed_forward_params,
)
from scaling.models.grouped import GroupedRMSNorm
from scaling.models.lightning_mixer import LightningMixer
from scaling.models.mixer import LayerFacts, Mixer, Remembered
from scaling.models.relative_bias import Biases, RelativeBias
from scaling.models.softmax_mixer import SoftmaxMixer
from scaling.models.stack_shape import StackShape

MIXERS: Mapping[str, type[Mixer]] = {"softmax": SoftmaxMixer, "lightning": LightningMixer}

StackMemory = tuple[Remembered, ...]
"""What each of L layers remembers, and the times and lengths of the `EventClock` behind them where the
history is free of its request; every tensor [b, g, ...], so that requests can be selected."""


class Layer(nn.Module):
    """One pre-norm layer of g groups: mixer and feed-forward, each added to its input."""

    def __init__(self, shape: StackShape, groups: int, number: int) -> None:
        super().__init__()
        self.norm_mixer = GroupedRMSNorm(groups, shape.width)
        self.mixer = MIXERS[shape.mixing[number]](shape, groups, number)
        self.ffn = feed_forward(shape, groups)

    def encode(self, x: Tensor, facts: LayerFacts, last: bool) -> tuple[Remembered, Tensor]:
        """What is remembered of the events `x` [g, b, n, d], and the events for the next layer."""
        memory, mixed = self.mixer.encode(self.norm_mixer(x), facts, last)
        return memory, x if mixed is None else self.ffn(x + mixed)

    def extend(
        self, x: Tensor, memory: Remembered, facts: LayerFacts, last: bool
    ) -> tuple[Remembered, Tensor]:
        """As `encode`, of new events `x` [g, b, n', d] behind those that are remembered."""
        memory, mixed = self.mixer.extend(self.norm_mixer(x), memory, facts, last)
        return memory, x if mixed is None else self.ffn(x + mixed)

    def score(self, x: Tensor, memory: Remembered, facts: LayerFacts) -> Tensor:
        """The candidates `x` [g, b, m, d] after this layer."""
        scored: Tensor = self.ffn(x + self.mixer.score(self.norm_mixer(x), memory, facts))
        return scored


class Stack(nn.Module):
    """g parallel stacks of L layers; `encode` the history once, then `score` any candidates."""

    recompute = False
    """Whether activations of history layers are computed again in the backward pass, not kept."""

    def __init__(self, shape: StackShape, groups: int = 1) -> None:
        """`groups` is that of the weights; where it is 1, any number of views may share them."""
        super().__init__()
        self.shape = shape
        self.layers = nn.ModuleList(Layer(shape, groups, number) for number in range(shape.depth))
        # Found once: a search through the modules would be part of every step.
        self.experts = [part for part in self.layers.modules() if isinstance(part, Experts)]
        self.bias = RelativeBias(shape, groups)
        # Lightning layers have no temperature; a layer's is found by its number.
        self.tempered = [n for n, mixing in enumerate(shape.mixing) if mixing == "softmax"]
        self.log_temperature = (
            nn.Parameter(torch.zeros(groups, shape.scenarios, len(self.tempered), shape.heads))
            if shape.scenarios is not None
            else None
        )
        self.history_temperature = (
            nn.Parameter(torch.zeros(groups, len(shape.asking), shape.heads))
            if shape.request_free and shape.scenarios is not None and shape.asking
            else None
        )

    def _temperatures(self, scenario: Tensor, groups: int) -> Sequence[Tensor | None]:
        """w of every layer, by the request's scenario, [g b, h]."""
        found: list[Tensor | None] = [None] * self.shape.depth
        if self.log_temperature is not None:
            chosen = self.log_temperature[:, scenario]
            chosen = chosen.expand(groups, *chosen.shape[1:]).flatten(0, 1)
            for number, of_layer in zip(self.tempered, chosen.unbind(1)):
                found[number] = of_layer
        return found

    def _own_temperatures(self, groups: int, requests: int) -> Sequence[Tensor | None]:
        """w of every layer in which events ask, the same for all requests, [g b, h]."""
        found: list[Tensor | None] = [None] * self.shape.depth
        if self.history_temperature is not None:
            for number, own in zip(self.shape.asking, self.history_temperature.unbind(1)):
                found[number] = own.unsqueeze(1).expand(groups, requests, -1).flatten(0, 1)
        return found

    def encode(
        self, x: Tensor, view: ViewBatch, scenario: Tensor, clock: EventClock | None
    ) -> StackMemory:
        """What every layer remembers of the events `x` [g, b, n, d].

        Args:
            x: the events' tokens.
            view: the views of all groups, tensors [g, b, n].
            scenario: [b]
            clock: of the same events, where the shape is `request_free`; else None.
        """
        for experts in self.experts:
            experts.imbalances.clear()
        mask = view.mask.flatten(0, 1)
        keys: Biases = [None] * self.shape.depth
        if clock is None:
            temperatures = self._temperatures(scenario, len(x))
            keys, history = self.bias.of_events(view)
        else:
            temperatures = self._own_temperatures(*view.mask.shape[:2])
            history = self.bias.among(clock, clock)
        remembered = []
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            facts = LayerFacts(
                mask=mask,
                key_bias=keys[number],
                history_bias=history[number],
                log_temperature=temperatures[number],
            )
            last = number == self.shape.depth - 1
            if self.recompute and torch.is_grad_enabled() and not last:
                memory, x = checkpoint(layer.encode, x, facts, last, use_reentrant=False)
            else:
                memory, x = layer.encode(x, facts, last)
            remembered.append(self._batch_first(memory, len(view.mask)))
        if clock is not None:
            remembered.append(_kept(clock if self.shape.attends else clock.shortened()))
        return tuple(remembered)

    def extend(
        self, x: Tensor, view: ViewBatch, memory: StackMemory, clock: EventClock
    ) -> StackMemory:
        """`encode` of the histories with new events behind those remembered.

        Args:
            x: the new events' tokens, [g, b, n', d].
            view: the new events of all groups, tensors [g, b, n'].
            memory: of the old ones.
            clock: of the new ones.
        """
        old, attends = clock_of(memory), self.shape.attends
        whole = old.followed_by(clock) if attends else old.shortened_and_followed_by(clock)
        before, mask = old.lengths.flatten(), view.mask.flatten(0, 1)
        history = self.bias.among(whole, clock)
        temperatures = self._own_temperatures(*view.mask.shape[:2])
        remembered = []
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            facts = LayerFacts(
                mask=mask,
                before=before,
                places=whole.times.shape[-1],
                history_bias=history[number],
                log_temperature=temperatures[number],
            )
            kept = self._group_first(memory[number])
            longer, x = layer.extend(x, kept, facts, number == self.shape.depth - 1)
            remembered.append(self._batch_first(longer, len(view.mask)))
        return (*remembered, _kept(whole))

    def score(self, x: Tensor, memory: StackMemory, context: Context) -> Tensor:
        """The candidates `x` [b, m, d] after all layers of every group, [g, b, m, d]."""
        groups = memory[0][0].shape[1]
        x = x.unsqueeze(0).expand(groups, *x.shape).contiguous()
        temperatures = self._temperatures(context.scenario, len(x))
        biases = self.bias.of_candidates(x)
        keys: Biases = [None] * self.shape.depth
        if self.shape.request_free:
            clock = clock_of(memory)
            keys = self.bias.of_keys(clock.ages(context.time), clock.from_the_end, clock.mask)
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            own = biases[number]
            facts = LayerFacts(
                key_bias=keys[number],
                self_bias=None if own is None else own.flatten(0, 1),
                log_temperature=temperatures[number],
            )
            x = layer.score(x, self._group_first(memory[number]), facts)
        return x

    def quantizable(self) -> tuple[tuple[bool, ...], ...]:
        """Of what each layer remembers; see `Ranker.quantizable`."""
        layers = tuple(MIXERS[mixing].quantizable for mixing in self.shape.mixing)
        if not self.shape.request_free:
            return layers
        # No bias is kept, but times and lengths are, which must be exact.
        return (*(tuple(flag for flag in layer if flag) for layer in layers), (False, False))

    @staticmethod
    def _batch_first(tensors: Sequence[Tensor], groups: int) -> Remembered:
        """[g b, ...] as [b, g, ...]: a memory can be selected by request."""
        return tuple(t.unflatten(0, (groups, -1)).transpose(0, 1) for t in tensors)  # type: ignore[no-untyped-call]

    @staticmethod
    def _group_first(tensors: Sequence[Tensor]) -> Remembered:
        """[b, g, ...] as [g b, ...]; no copy where the memory was not selected from, and no change of
        order where there is one of either."""
        return tuple((t if 1 in t.shape[:2] else t.transpose(0, 1)).flatten(0, 1) for t in tensors)

    @staticmethod
    def params(shape: StackShape) -> Mapping[str, int]:
        """Parameters by group, of one stack."""
        groups = {"norm": shape.depth * shape.width, **RelativeBias.params(shape)}
        for mixing in shape.mixing:
            compute.add_to(groups, MIXERS[mixing].params(shape))
            compute.add_to(groups, feed_forward_params(shape))
        if shape.scenarios is not None:
            tempered = shape.mixing.count("softmax")
            own = len(shape.asking) if shape.request_free else 0
            groups["temperature"] = (tempered * shape.scenarios + own) * shape.heads
        return groups

    @staticmethod
    def flops(
        shape: StackShape, lengths: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]
    ) -> tuple[dict[str, Floats], Floats]:
        """Components and causal discount for real `lengths` [r] and `candidates` [r]."""
        n, m = lengths.astype(np.float64), candidates.astype(np.float64)
        total: dict[str, Floats] = {}
        saving = np.zeros_like(n)
        for number, mixing in enumerate(shape.mixing):
            queried = n if number < shape.depth - 1 else np.zeros_like(n)
            components, saved = MIXERS[mixing].flops(shape, n, queried, m)
            components["history.ffn"] = feed_forward_flops(shape, queried)
            components["candidates.ffn"] = feed_forward_flops(shape, m)
            saving = saving + saved
            compute.add_to(total, components)
        return total, saving


def _kept(clock: EventClock) -> Remembered:
    """Times [b, g, n] and lengths [b, g], for a memory."""
    return clock.times.transpose(0, 1), clock.lengths.transpose(0, 1)


def clock_of(memory: StackMemory) -> EventClock:
    """Of the events that are remembered free of a request."""
    times, lengths = memory[-1]
    return EventClock(times.transpose(0, 1), lengths.transpose(0, 1))


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


def use_recomputation(module: nn.Module, recompute: bool) -> None:
    """Set whether every stack inside `module` computes its activations again (`Stack.recompute`)."""
    for part in module.modules():
        if isinstance(part, Stack):
            part.recompute = recompute
