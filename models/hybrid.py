"""Lightning attention with a softmax layer after every seven: MiniMax-01's backbone.

Source: MiniMax-01 (2025, arXiv 2501.08313, section 2.2). Linear layers hold the history in a state
of constant size, the few softmax layers look single events up again.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from scaling.config import register
from scaling.models.base import MODELS
from scaling.models.lightning import LightningConfig
from scaling.models.stack_shape import Bias, StackShape


@register(MODELS, "hybrid")
@dataclass(frozen=True, kw_only=True)
class HybridConfig(LightningConfig):
    """As `LightningConfig`, with softmax in every `softmax_every`-th layer.

    A stack of fewer layers ends in its one softmax layer, so that a small model is a hybrid too;
    at a depth of 1 that is the whole of it, and the model is the transformer.
    """

    softmax_every: int = 8
    """Layers in a group, of which the last one has softmax: 8 is 7 to 1."""
    bias: Bias = "key"
    """Relative bias of the softmax layers: of the key, of the pair, or none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.softmax_every < 1:
            raise ValueError(
                f"hybrid.softmax_every must be at least 1, got {self.softmax_every}; "
                "without softmax layers the model is `lightning`"
            )

    def shape(self) -> StackShape:
        return dataclasses.replace(
            super().shape(), softmax_every=min(self.softmax_every, self.depth), bias=self.bias
        )
