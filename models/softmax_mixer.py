"""Multi-head softmax attention over the history, with temperatures and relative bias.

Gate: W_o (sigmoid(W_g x) * attended), per head or per element (Qiu et al. 2025, arXiv 2505.06708).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from scaling import compute
from scaling.compute import Floats
from scaling.models.attention import appended_attention, candidate_attention, history_attention
from scaling.models.event_clock import appended
from scaling.models.grouped import GroupedLinear
from scaling.models.mixer import LayerFacts, Mixer, Remembered
from scaling.models.stack_shape import StackShape


class SoftmaxMixer(Mixer):
    """See the module's text; shapes as in `Mixer`, s the head size."""

    quantizable: ClassVar[tuple[bool, ...]] = (True, True, False)

    def __init__(self, shape: StackShape, groups: int, layer: int) -> None:
        super().__init__(shape, groups, layer)
        d = shape.width
        self.heads, self.head_dim = shape.heads, shape.head_dim
        self.causal = shape.causal
        # Queries come first: where nothing is asked, keys and values are the outputs behind them.
        self.query_key_value = GroupedLinear(groups, d, 3 * d)
        self.gate = GroupedLinear(groups, d, shape.gates) if shape.gates else None
        self.out = GroupedLinear(groups, d, d, shape.residual_gain)

    def encode(
        self, normed: Tensor, facts: LayerFacts, last: bool
    ) -> tuple[Remembered, Tensor | None]:
        kept = () if facts.key_bias is None else (facts.key_bias,)
        if last:
            return (*self._keys_values(normed), *kept), None
        assert facts.history_bias is not None
        gathered, k, v = history_attention(
            self._split(self.query_key_value(normed)),
            facts.history_bias,
            facts.log_temperature,
            causal=self.causal,
            implementation=self.implementation,
        )
        return (k, v, *kept), self.mixed(normed, gathered)

    def extend(
        self, normed: Tensor, memory: Remembered, facts: LayerFacts, last: bool
    ) -> tuple[Remembered, Tensor | None]:
        assert facts.before is not None
        new = self._keys_values(normed) if last else self.projected(normed)
        k, v = (
            appended(old.transpose(1, 2), more.transpose(1, 2), facts.before, facts.places)
            for old, more in zip(memory, new[-2:], strict=True)
        )
        k, v = k.transpose(1, 2), v.transpose(1, 2)
        if last:
            return (k, v), None
        assert facts.history_bias is not None
        gathered = appended_attention(
            new[0], k, v, facts.before, facts.history_bias, facts.log_temperature
        )
        return (k, v), self.mixed(normed, gathered.transpose(1, 2))

    def score(self, normed: Tensor, memory: Remembered, facts: LayerFacts) -> Tensor:
        assert facts.self_bias is not None
        past_keys, past_values, *kept = memory
        bias = kept[0] if kept else facts.key_bias
        assert bias is not None
        q, k, v = self.projected(normed)
        gathered = candidate_attention(
            q,
            k,
            v,
            past_keys,
            past_values,
            bias,
            facts.self_bias,
            facts.log_temperature,
            self.implementation,
        )
        return self.mixed(normed, gathered.transpose(1, 2))

    def projected(self, normed: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values of [g, b, n, d], each [g b, h, n, s]."""
        return self._split(self.query_key_value(normed)).permute(2, 0, 3, 1, 4).unbind(0)

    def mixed(self, normed: Tensor, gathered: Tensor) -> Tensor:
        """The heads' [g b, n, h, s] gated by what they were asked for, and mixed: [g, b, n, d]."""
        if self.gate is not None:
            gates = torch.sigmoid(self.gate(normed)).reshape(*gathered.shape[:3], -1)
            gathered = gathered * gates
        mixed: Tensor = self.out(gathered.reshape(normed.shape))
        return mixed

    def _keys_values(self, normed: Tensor) -> tuple[Tensor, ...]:
        """Keys and values alone, as in `projected`."""
        both = self._split(self.query_key_value(normed, first=normed.shape[-1]))
        return both.permute(2, 0, 3, 1, 4).unbind(0)

    def _split(self, projected: Tensor) -> Tensor:
        """[g, b, n, parts d] as [g b, n, parts, h, s]."""
        g, b, n, _ = projected.shape
        return projected.view(g * b, n, -1, self.heads, self.head_dim)

    @staticmethod
    def params(shape: StackShape) -> Mapping[str, int]:
        d = shape.width
        return {"attention": 4 * d * d + shape.gates * d}

    @staticmethod
    def flops(
        shape: StackShape, events: Floats, queried: Floats, candidates: Floats
    ) -> tuple[dict[str, Floats], Floats]:
        d = shape.width
        asking = 2 * d + shape.gates  # query, output and gate
        projections = compute.linear(events, d, 2 * d) + compute.linear(queried, d, asking)
        components = {
            "history.projections": projections,
            "history.quadratic": compute.attention(queried, queried, d),
            "candidates.projections": compute.linear(candidates, d, 2 * d + asking),
            "candidates.quadratic": compute.attention(candidates, events + 1, d),
        }
        saving = compute.causal_saving(queried, d)
        return components, saving if shape.causal else 0 * saving
