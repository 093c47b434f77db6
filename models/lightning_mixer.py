"""Lightning attention as a layer's mixer: a state per head with decay, normed and gated.

Source: TransNormerLLM (Qin et al. 2023, arXiv 2307.14995) and MiniMax-01 (2025, arXiv 2501.08313):

    q, k, v = SiLU(W x)        y = W_o (sigmoid(W_g x) * RMSNorm(o))

with o of `scaling.models.linear_attention`. Heads forget at rates of their own, lower layers faster
than upper ones; nothing but the order of events is read of their positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from scaling import compute
from scaling.compute import Floats
from scaling.models.grouped import GroupedLinear, GroupedRMSNorm
from scaling.models.linear_attention import candidate_linear_attention, linear_attention
from scaling.models.mixer import LayerFacts, Mixer, Remembered
from scaling.models.stack_shape import StackShape


def decay_rates(heads: int, layer: int, depth: int) -> Tensor:
    """-log(lambda) [heads] of layer 0 .. depth - 1, as in the released model of MiniMax-01:

        slope_i (1 - layer / (depth - 1) + 1e-5),   slope_i = 2^(-8 i / heads), i = 1 .. heads

    with ALiBi's slopes (Press et al. 2022, arXiv 2108.12409), for any number of heads. A stack's
    last layer hardly forgets; a single layer counts as a first one.
    """
    slopes = 2.0 ** (-8 * torch.arange(1, heads + 1, dtype=torch.float64) / heads)
    height = layer / (depth - 1) if depth > 1 else 0.0
    return (slopes * (1 - height + 1e-5)).float()


class LightningMixer(Mixer):
    """See the module's text; shapes as in `Mixer`, s the head size.

    What is remembered is S [g b, h, s, s] alone, of constant size.
    """

    quantizable: ClassVar[tuple[bool, ...]] = (True,)

    rate: Tensor

    def __init__(self, shape: StackShape, groups: int, layer: int) -> None:
        super().__init__(shape, groups, layer)
        d = shape.width
        self.head_dim = shape.head_dim
        # In this order, so that what nobody asks for stands before the rest and can be left out.
        self.gate_query_key_value = GroupedLinear(groups, d, 4 * d)
        self.norm = GroupedRMSNorm(groups, d)
        self.out = GroupedLinear(groups, d, d, shape.residual_gain)
        rate = decay_rates(shape.heads, layer, shape.depth)
        self.register_buffer("rate", rate, persistent=False)

    def encode(
        self, normed: Tensor, facts: LayerFacts, last: bool
    ) -> tuple[Remembered, Tensor | None]:
        return self._continued(normed, None, facts, last)

    def extend(
        self, normed: Tensor, memory: Remembered, facts: LayerFacts, last: bool
    ) -> tuple[Remembered, Tensor | None]:
        (state,) = memory
        return self._continued(normed, state, facts, last)

    def _continued(
        self, normed: Tensor, start: Tensor | None, facts: LayerFacts, last: bool
    ) -> tuple[Remembered, Tensor | None]:
        """`encode` from a state."""
        assert facts.mask is not None
        further = self.rate, facts.mask, self.implementation, start
        if last:
            k, v = self._heads(self.gate_query_key_value(normed, first=2 * normed.shape[-1]), 2)
            state, _ = linear_attention(None, k, v, *further)
            return (state,), None
        gate, q, k, v = self._projected(normed)
        state, gathered = linear_attention(q, k, v, *further)
        assert gathered is not None
        return (state,), self._mixed(gate, gathered)

    def score(self, normed: Tensor, memory: Remembered, facts: LayerFacts) -> Tensor:
        (state,) = memory
        gate, q, k, v = self._projected(normed)
        gathered = candidate_linear_attention(q, k, v, state, self.rate, self.implementation)
        return self._mixed(gate, gathered)

    def _projected(self, normed: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The gate's input [g, b, n, d], and q, k, v [g b, h, n, s]."""
        d = normed.shape[-1]
        gate, rest = self.gate_query_key_value(normed).split([d, 3 * d], dim=-1)
        q, k, v = self._heads(rest, 3)
        return gate, q, k, v

    def _heads(self, projected: Tensor, parts: int) -> tuple[Tensor, ...]:
        """[g, b, n, parts d] through SiLU, as `parts` tensors [g b, h, n, s]."""
        g, b, n, wide = projected.shape
        heads = wide // parts // self.head_dim
        split = F.silu(projected).reshape(g * b, n, parts, heads, self.head_dim)
        return split.permute(2, 0, 3, 1, 4).unbind(0)

    def _mixed(self, gate: Tensor, gathered: Tensor) -> Tensor:
        """The heads' [g b, h, n, s] normed over the width, gated and mixed: [g, b, n, d]."""
        normed = self.norm(gathered.transpose(1, 2).reshape(gate.shape))
        mixed: Tensor = self.out(torch.sigmoid(gate) * normed)
        return mixed

    @staticmethod
    def params(shape: StackShape) -> Mapping[str, int]:
        d = shape.width
        return {"attention": 5 * d * d, "norm": d}

    @staticmethod
    def flops(
        shape: StackShape, events: Floats, queried: Floats, candidates: Floats
    ) -> tuple[dict[str, Floats], Floats]:
        """As in `Mixer`. The reference algorithm is the recurrence: per event and head an outer
        product k v^T and a product with q, 2 s^2 each; what is decayed counts 0."""
        d, s = shape.width, shape.head_dim
        components = {
            "history.projections": compute.linear(events, d, 2 * d)
            + compute.linear(queried, d, 3 * d),
            "history.state": compute.linear(events + queried, d, s),
            "candidates.projections": compute.linear(candidates, d, 5 * d),
            "candidates.state": 2 * compute.linear(candidates, d, s),
        }
        return components, 0 * events
