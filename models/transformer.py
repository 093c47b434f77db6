"""The baseline: a pre-norm transformer over the most recent events."""

from __future__ import annotations

from dataclasses import dataclass

from scaling.config import register
from scaling.models.base import MODELS, check_sizes
from scaling.models.one_stack import OneStackConfig
from scaling.models.stack_ranker import check_experts
from scaling.models.stack_shape import Bias, Gate, StackShape


@register(MODELS, "transformer")
@dataclass(frozen=True, kw_only=True)
class TransformerConfig(OneStackConfig):
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
            request_free=self.request_free_history,
            causal=self.causal,
            bias=self.bias,
            gate=self.gate,
            experts=self.experts,
            experts_per_token=self.experts_per_token,
        )
