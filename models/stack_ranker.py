"""Rankers made of stacks: one stack of layers per view, each candidate through all of them.

Shapes: b requests, m candidates, N views, d width.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from scaling import compute
from scaling.batch import Candidates, Context, Schema, ViewBatch
from scaling.compute import Floats
from scaling.models.base import Memory, ModelConfig, Ranker
from scaling.models.event_clock import EventClock
from scaling.models.stack import Stack, clock_of, stacked
from scaling.models.stack_shape import StackShape
from scaling.models.tokens import Tokens

BALANCE_WEIGHT = 0.01
"""Of the experts' load balance in the training objective (Fedus et al. 2022, section 2.2)."""


class StackRanker(Ranker):
    """The tokens and the stacks; stacks of equal length run as groups of one computation."""

    def __init__(self, schema: Schema, shapes: Sequence[StackShape], *, shared: bool) -> None:
        """`shapes`: one per view. `shared`: all use the weights of the one with the most places."""
        super().__init__()
        self.tokens = Tokens(schema, shapes[0].width)
        self.parts = [
            [index for index, shape in enumerate(shapes) if shape.length == length]
            for length in dict.fromkeys(shape.length for shape in shapes)
        ]
        """The views of each computation."""
        self.lengths = [shape.length for shape in shapes]
        if shared:
            self.stacks = nn.ModuleList([Stack(longest(shapes))])
        else:
            self.stacks = nn.ModuleList(Stack(shapes[p[0]], len(p)) for p in self.parts)
        order = [view for part in self.parts for view in part]
        self.order = None if order == sorted(order) else np.argsort(order).tolist()

    def stack_of(self, part: int) -> Stack:
        """The stack that computes a part."""
        stack = self.stacks[part if len(self.stacks) > 1 else 0]
        assert isinstance(stack, Stack)
        return stack

    def encode(self, history: tuple[ViewBatch, ...], context: Context) -> Memory:
        memories = []
        for part, views in enumerate(self.parts):
            view = stacked([history[index] for index in views])
            stack, clock = self.stack_of(part), None
            if stack.shape.request_free:
                clock = EventClock.of(view, context.time)
                view = dataclasses.replace(view, ages=clock.gaps())
            tokens = self.tokens.events(view)
            memories.append(stack.encode(tokens, view, context.scenario, clock))
        return Memory(tuple(memories))

    def extend(self, memory: Memory, new_events: tuple[ViewBatch, ...], context: Context) -> Memory:
        shape = self.stack_of(0).shape
        if not (shape.request_free and shape.causal):
            return super().extend(memory, new_events, context)
        self._check_room(memory, new_events)
        memories = []
        for part, views in enumerate(self.parts):
            view, remembered = stacked([new_events[index] for index in views]), memory.tree[part]
            clock = EventClock.of(view, context.time)
            view = dataclasses.replace(view, ages=clock.gaps(clock_of(remembered)))
            tokens = self.tokens.events(view)
            memories.append(self.stack_of(part).extend(tokens, view, remembered, clock))
        return Memory(tuple(memories))

    def _check_room(self, memory: Memory, new_events: tuple[ViewBatch, ...]) -> None:
        """`ValueError` where a view would hold more events than its length."""
        for part, views in enumerate(self.parts):
            lengths = clock_of(memory.tree[part]).lengths
            for old, index in zip(lengths, views, strict=True):
                new = new_events[index].mask.sum(1)
                full = torch.nonzero(old + new > self.lengths[index]).flatten().tolist()
                if full:
                    raise ValueError(
                        f"view {index} reads at most {self.lengths[index]} events, and row "
                        f"{full[0]} has {int(old[full[0]])} and would get {int(new[full[0]])}: "
                        "encode the history again"
                    )

    def stack_vectors(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        """The candidates' vectors from every stack, [N, b, m, d]."""
        x = self.tokens.candidates(candidates, context)
        found = [
            self.stack_of(part).score(x, remembered, context)
            for part, remembered in enumerate(memory.tree)
        ]
        vectors = torch.cat(found) if len(found) > 1 else found[0]
        return vectors if self.order is None else vectors[self.order]

    def quantizable(self) -> Any:
        return tuple(self.stack_of(part).quantizable() for part in range(len(self.parts)))

    def auxiliary_loss(self) -> Tensor | None:
        """The load balance of the experts; None where there is no choice of experts."""
        parts = [self.stack_of(index) for index in range(len(self.stacks))]
        terms = [t for stack in parts for experts in stack.experts for t in experts.imbalances]
        return BALANCE_WEIGHT * torch.stack(terms).mean() if terms else None


def longest(shapes: Sequence[StackShape]) -> StackShape:
    """The shape with the most places for events."""
    return max(shapes, key=lambda shape: shape.length)


def stack_params(shapes: Sequence[StackShape], *, shared: bool) -> dict[str, int]:
    """Parameters of the stacks by group."""
    total: dict[str, int] = {}
    for shape in [longest(shapes)] if shared else shapes:
        compute.add_to(total, Stack.params(shape))
    return total


def stack_flops(
    shapes: Sequence[StackShape],
    lengths: npt.NDArray[np.int64],
    candidates: npt.NDArray[np.int64],
) -> tuple[dict[str, Floats], Floats]:
    """Components and causal discount of all stacks at real `lengths` [b, N]."""
    total: dict[str, Floats] = {}
    saving: Floats = np.zeros(len(candidates))
    for index, shape in enumerate(shapes):
        components, discount = Stack.flops(shape, lengths[:, index], candidates)
        saving = saving + discount
        compute.add_to(total, components)
    return total, saving


def check_experts(config: ModelConfig, experts: int, experts_per_token: int) -> None:
    """`ValueError` unless a token has enough experts to choose from."""
    if not 1 <= experts_per_token <= experts:
        raise ValueError(
            f"{config.name}.experts_per_token must be 1 to experts ({experts}), "
            f"got {experts_per_token}"
        )
