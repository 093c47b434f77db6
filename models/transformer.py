"""The baseline: a pre-norm transformer over the most recent events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from scaling.batch import Candidates, Context, Schema
from scaling.compute import Flops
from scaling.config import register
from scaling.models.base import MODELS, Memory, check_sizes
from scaling.models.head import Head
from scaling.models.one_view import OneViewConfig
from scaling.models.stack_ranker import StackRanker, check_experts, stack_flops, stack_params
from scaling.models.stack_shape import Bias, Gate, StackShape
from scaling.models.tokens import Tokens


@register(MODELS, "transformer")
@dataclass(frozen=True, kw_only=True)
class TransformerConfig(OneViewConfig):
    """One stack over one view, with the same tokens, bias and head as ASTRO."""

    head_dim: int = 16
    bidirectional: bool = False
    """Whether events see later ones."""
    bias: Bias = "key"
    """Relative bias by age and position: of the key, of the pair, or none."""
    gate: Gate = "none"
    """Gated attention: none, per head or per element."""
    experts: int = 1
    """Feed-forward parts per layer; 1: no mixture of experts."""
    experts_per_token: int = 1

    def __post_init__(self) -> None:
        check_sizes(self, self.head_dim)
        check_experts(self, self.experts, self.experts_per_token)

    @property
    def causal(self) -> bool:
        return not self.bidirectional

    def shape(self) -> StackShape:
        return StackShape(
            depth=self.depth,
            width=self.width,
            length=self.seq_len,
            head_dim=self.head_dim,
            causal=self.causal,
            bias=self.bias,
            gate=self.gate,
            experts=self.experts,
            experts_per_token=self.experts_per_token,
        )

    def build(self, schema: Schema) -> Transformer:
        return Transformer(self, schema)

    def params(self, schema: Schema) -> Mapping[str, int]:
        return {
            **Tokens.params(schema, self.width),
            **stack_params([self.shape()], shared=False),
            **Head.params(schema, self.width, self.width),
        }

    def flops(
        self, schema: Schema, lengths: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]
    ) -> Flops:
        components, discount = stack_flops([self.shape()], lengths, candidates)
        head = Head.flops(schema, self.width, self.width, candidates)
        return Flops({**components, **head}, discount)


class Transformer(StackRanker):
    """See `TransformerConfig`."""

    def __init__(self, config: TransformerConfig, schema: Schema) -> None:
        super().__init__(schema, [config.shape()], shared=False)
        self.head = Head(schema, config.width, config.width)

    def score(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        (vectors,) = self.stack_vectors(memory, candidates, context)
        logits: Tensor = self.head(vectors)
        return logits
