"""GRU: the history as one state, updated event by event.

Hidasi et al., Session-based Recommendations with Recurrent Neural Networks, ICLR 2016 (GRU4Rec),
with Cho et al. 2014's unit in the form of torch.nn.GRU:

    r, z = sigmoid(W_x x + b_x + W_h h + b_h)        reset and update gate
    h'   = tanh(W_x x + b_x + r * (W_h h + b_h))     h <- (1 - z) * h' + z * h

GRU4Rec scores all items by the state; here a candidate is scored from [state, token, product].
Shapes: b requests, n events, m candidates, d width, L layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from scaling import compute
from scaling.batch import Candidates, Context, Schema, ViewBatch
from scaling.compute import Flops
from scaling.config import register
from scaling.models.attention import Attending
from scaling.models.base import MODELS, Memory, Ranker, Reads, check_sizes
from scaling.models.head import Head
from scaling.models.mlp import MLP, dense
from scaling.models.one_view import OneViewConfig
from scaling.models.tokens import Tokens

GATES = 3
"""Reset, update, new state."""


@register(MODELS, "gru")
@dataclass(frozen=True, kw_only=True)
class GruConfig(OneViewConfig):
    """`depth` GRU layers; one hidden layer and the head behind them."""

    def __post_init__(self) -> None:
        check_sizes(self)

    @property
    def encode_reads(self) -> tuple[Reads, ...]:
        return ("time",)

    def build(self, schema: Schema) -> Gru:
        return Gru(self, schema)

    def params(self, schema: Schema) -> Mapping[str, int]:
        d = self.width
        return {
            **Tokens.params(schema, d),
            "recurrence": self.depth * (2 * GATES * (d + 1) * d + d),
            **MLP.params(3 * d, d, 1),
            **Head.params(schema, d, d),
        }

    def flops(
        self, schema: Schema, lengths: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]
    ) -> Flops:
        d = self.width
        components = {
            "history.recurrence": 2 * self.depth * compute.linear(lengths[:, 0], d, GATES * d),
            **MLP.flops(3 * d, d, 1, candidates),
            **Head.flops(schema, d, d, candidates),
        }
        return Flops(components, causal_discount=np.zeros(len(candidates)))


class Recurrence(Attending):
    """L GRU layers from learned initial states."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.zeros(depth, width))
        self.of_input = nn.ModuleList(dense(width, GATES * width) for _ in range(depth))
        self.of_state = nn.ModuleList(dense(width, GATES * width) for _ in range(depth))
        # The same parameters under torch's names: as linear layers they can be read one by one,
        # as a GRU they run in its kernel.
        self.gru = nn.GRU(width, width, num_layers=depth, batch_first=True)
        for index in range(depth):
            for letters, layers in (("ih", self.of_input), ("hh", self.of_state)):
                for kind in ("weight", "bias"):
                    shared = getattr(layers[index], kind)
                    setattr(self.gru, f"{kind}_{letters}_l{index}", shared)

    def forward(self, x: Tensor) -> Tensor:
        """The last layer's states after 0 .. n events, [b, n + 1, d] for `x` [b, n, d]."""
        start = self.start.unsqueeze(1).expand(-1, len(x), -1)
        start = start.clone(memory_format=torch.contiguous_format)
        if self.implementation == "reference":
            for layer in range(len(start)):
                x = self._one_layer(layer, x, start[layer])
        else:
            x, _ = self.gru(x, start)
        return torch.cat([start[-1].unsqueeze(1), x], dim=1)

    def _one_layer(self, layer: int, x: Tensor, state: Tensor) -> Tensor:
        states = []
        for from_input in self.of_input[layer](x).unbind(1):
            r_x, z_x, new_x = from_input.chunk(GATES, dim=-1)
            r_h, z_h, new_h = self.of_state[layer](state).chunk(GATES, dim=-1)
            update = torch.sigmoid(z_x + z_h)
            new = torch.tanh(new_x + torch.sigmoid(r_x + r_h) * new_h)
            state = (1 - update) * new + update * state
            states.append(state)
        return torch.stack(states, dim=1)


class Gru(Ranker):
    """See `GruConfig`. The memory is one vector: the last layer's state after the last event."""

    def __init__(self, config: GruConfig, schema: Schema) -> None:
        super().__init__()
        width = config.width
        self.tokens = Tokens(schema, width)
        self.recurrence = Recurrence(width, config.depth)
        self.mlp = MLP(3 * width, width, 1)
        self.head = Head(schema, width, width)

    def quantizable(self) -> Any:
        return True

    def encode(self, history: tuple[ViewBatch, ...], context: Context) -> Memory:
        (view,) = history
        states = self.recurrence(self.tokens.events(view))
        rows = torch.arange(len(states), device=states.device)
        return Memory((states[rows, view.mask.sum(-1)],))

    def score(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        (state,) = memory.tree
        x = self.tokens.candidates(candidates, context)
        state = state.unsqueeze(1).expand_as(x)
        logits: Tensor = self.head(self.mlp(torch.cat([state, x, state * x], dim=-1)))
        return logits
