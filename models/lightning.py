"""Linear attention with decay in place of softmax: lightning attention as a backbone.

Source: MiniMax-01 (2025, arXiv 2501.08313) and TransNormerLLM (Qin et al. 2023, arXiv 2307.14995);
see `scaling.models.lightning_mixer`. Tokens, feed-forward parts and head are the transformer's. The
history costs O(n d s) instead of O(n^2 d), and its memory has one size at any length.
"""

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
from scaling.models.stack_ranker import StackRanker, stack_flops, stack_params
from scaling.models.stack_shape import StackShape
from scaling.models.tokens import Tokens


@register(MODELS, "lightning")
@dataclass(frozen=True, kw_only=True)
class LightningConfig(OneViewConfig):
    """One causal stack over one view, every layer with linear attention."""

    head_dim: int = 16
    """Size of a head: its state is a matrix of head_dim by head_dim."""

    def __post_init__(self) -> None:
        check_sizes(self, self.head_dim)

    @property
    def causal(self) -> bool:
        return True

    def shape(self) -> StackShape:
        return StackShape(
            depth=self.depth,
            width=self.width,
            length=self.seq_len,
            head_dim=self.head_dim,
            softmax_every=0,
        )

    def build(self, schema: Schema) -> Lightning:
        return Lightning(self, schema)

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


class Lightning(StackRanker):
    """See `LightningConfig`, and `scaling.models.hybrid` where some layers have softmax."""

    def __init__(self, config: LightningConfig, schema: Schema) -> None:
        super().__init__(schema, [config.shape()], shared=False)
        self.head = Head(schema, config.width, config.width)

    def score(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        (vectors,) = self.stack_vectors(memory, candidates, context)
        logits: Tensor = self.head(vectors)
        return logits
