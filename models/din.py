"""DIN: each candidate weighs the user's events by a small network of its own.

Zhou et al., Deep Interest Network for Click-Through Rate Prediction, KDD 2018, section 4.3.

    a(h, c) = w2 SiLU(W1 [h, c, h - c, h * c] + b1) + b2    interest(c) = sum_h a(h, c) h / sqrt(N)

The weights are no softmax: their sum tells how strong the interest is. N = seq_len is a constant:
the sum is the paper's, but starts at the scale of a token however long the view (measured: without
it the loss is worse by .003). SiLU stands for the paper's PReLU and Dice.

Shapes: b requests, n events, m candidates, d width, a hidden units.
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

PARTS = 4
"""Vectors that the activation unit reads: h, c, h - c, h * c."""


@register(MODELS, "din")
@dataclass(frozen=True, kw_only=True)
class DinConfig(OneViewConfig):
    """`depth` counts the hidden layers of the MLP behind the attention.

    The activation unit has one hidden layer of a quarter of the width. Its FLOPs are those of the
    equation above: a dense layer of 4 d inputs for every pair of event and candidate. The training
    form needs about a quarter of them, since all but h * c can be projected before pairing.
    """

    def __post_init__(self) -> None:
        check_sizes(self)

    @property
    def units(self) -> int:
        """Hidden units of the activation unit."""
        return max(self.width // 4, 1)

    @property
    def encode_reads(self) -> tuple[Reads, ...]:
        return ("time",)

    def build(self, schema: Schema) -> Din:
        return Din(self, schema)

    def params(self, schema: Schema) -> Mapping[str, int]:
        return {
            **Tokens.params(schema, self.width),
            "attention": (PARTS * self.width + 1) * self.units + self.units + 1,
            **MLP.params(2 * self.width, self.width, self.depth),
            **Head.params(schema, self.width, self.width),
        }

    def flops(
        self, schema: Schema, lengths: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]
    ) -> Flops:
        pairs = lengths[:, 0] * candidates
        components = {
            "candidates.activation": compute.linear(pairs, PARTS * self.width, self.units)
            + compute.linear(pairs, self.units, 1),
            "candidates.pooling": compute.linear(pairs, self.width, 1),
            **MLP.flops(2 * self.width, self.width, self.depth, candidates),
            **Head.flops(schema, self.width, self.width, candidates),
        }
        return Flops(components, causal_discount=np.zeros(len(candidates)))


class ActivationUnit(Attending):
    """a(h, c) for every event and candidate."""

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.hidden = dense(PARTS * width, units)
        self.activation = nn.SiLU()
        self.out = dense(units, 1)

    def forward(self, events: Tensor, x: Tensor) -> Tensor:
        """Events [b, n, d] and candidates [b, m, d] as weights [b, m, n]."""
        if self.implementation == "reference":
            c, h = x.unsqueeze(2), events.unsqueeze(1)
            parts = [h.expand(-1, x.shape[1], -1, -1), c.expand(-1, -1, events.shape[1], -1)]
            hidden = self.hidden(torch.cat([*parts, h - c, h * c], dim=-1))
        else:
            hidden = self._paired(events, x)
        weights: Tensor = self.out(self.activation(hidden))
        return weights.squeeze(-1)

    def _paired(self, events: Tensor, x: Tensor) -> Tensor:
        """The first layer as one product per request, [b, m, n, a].

        Its columns belong to h, c, h - c and h * c: the third is shared out to the first two, and
        what multiplies h, (W_h + W_diff) + W_prod diag(c), is one matrix per candidate.
        """
        (b, m, d), units = x.shape, self.out.in_features
        of_h, of_c, of_difference, of_product = self.hidden.weight.view(units, PARTS, d).unbind(1)
        matrix = (x.unsqueeze(2) * of_product + (of_h + of_difference)).view(b, m * units, d)
        offset = nn.functional.linear(x, of_c - of_difference, self.hidden.bias)
        both = events @ matrix.transpose(1, 2) + offset.view(b, 1, m * units)
        return both.view(b, -1, m, units).transpose(1, 2)


class Din(Ranker):
    """See `DinConfig`. The memory is the events' own vectors, 0 where padded: padding adds 0."""

    def __init__(self, config: DinConfig, schema: Schema) -> None:
        super().__init__()
        width = config.width
        self.tokens = Tokens(schema, width)
        self.scale = config.seq_len**-0.5
        self.unit = ActivationUnit(width, config.units)
        self.mlp = MLP(2 * width, width, config.depth)
        self.head = Head(schema, width, width)

    def quantizable(self) -> Any:
        return True

    def encode(self, history: tuple[ViewBatch, ...], context: Context) -> Memory:
        (view,) = history
        return Memory((self.tokens.events(view) * view.mask.unsqueeze(-1),))

    def score(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        (events,) = memory.tree
        x = self.tokens.candidates(candidates, context)
        interest = self.unit(events, x) @ events * self.scale
        logits: Tensor = self.head(self.mlp(torch.cat([interest, x], dim=-1)))
        return logits
