"""Linear attention with decay in place of softmax: lightning attention as a backbone.

Source: MiniMax-01 (2025, arXiv 2501.08313) and TransNormerLLM (Qin et al. 2023, arXiv 2307.14995);
see `scaling.models.lightning_mixer`. Tokens, feed-forward parts and head are the transformer's. The
history costs O(n d s) instead of O(n^2 d), and its memory has one size at any length.
"""

from __future__ import annotations

from dataclasses import dataclass

from scaling.config import register
from scaling.models.base import MODELS, check_sizes
from scaling.models.one_stack import OneStackConfig
from scaling.models.stack_shape import StackShape


@register(MODELS, "lightning")
@dataclass(frozen=True, kw_only=True)
class LightningConfig(OneStackConfig):
    """One causal stack over one view, every layer with linear attention."""

    head_dim: int = 16
    """Size of a head: its state is a matrix of head_dim by head_dim."""

    def __post_init__(self) -> None:
        check_sizes(self, self.head_dim)

    def shape(self) -> StackShape:
        return StackShape(
            depth=self.depth,
            width=self.width,
            length=self.seq_len,
            head_dim=self.head_dim,
            request_free=self.request_free_history,
            softmax_every=0,
        )
