"""The baseline: a pre-norm transformer over the most recent events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from scaling.batch import Candidates, Context, Schema, View, ViewBatch
from scaling.compute import Flops
from scaling.config import register
from scaling.models.base import MODELS, Memory, ModelConfig, Ranker
from scaling.models.head import Head
from scaling.models.stack import Stack, StackMemory, StackShape, stacked
from scaling.models.tokens import Tokens


@register(MODELS, "transformer")
@dataclass(frozen=True, kw_only=True)
class TransformerConfig(ModelConfig):
    """One stack over one view, with the same tokens, bias and head as ASTRO."""

    causal: ClassVar[bool] = True

    strategy: str = "recent"
    head_dim: int = 16

    def __post_init__(self) -> None:
        check_sizes(self, self.head_dim)

    def views(self) -> tuple[View, ...]:
        return (View(strategy=self.strategy, length=self.seq_len),)

    def shape(self) -> StackShape:
        return StackShape(
            depth=self.depth,
            width=self.width,
            length=self.seq_len,
            head_dim=self.head_dim,
            scenarios=None,
        )

    def build(self, schema: Schema) -> Transformer:
        return Transformer(self, schema)

    def params(self, schema: Schema) -> Mapping[str, int]:
        return {
            **Tokens.params(schema, self.width),
            **self.shape().params(),
            **Head.params(schema, self.width, self.width),
        }

    def flops(
        self, schema: Schema, lengths: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]
    ) -> Flops:
        components, discount = self.shape().flops(lengths[:, 0], candidates)
        head = Head.flops(schema, self.width, self.width, candidates)
        return Flops({**components, **head}, discount)


class StackRanker(Ranker):
    """What rankers made of parallel stacks share: the tokens, the stacks, and what they remember."""

    def __init__(self, schema: Schema, shape: StackShape, groups: int) -> None:
        super().__init__()
        self.tokens = Tokens(schema, shape.width)
        self.stack = Stack(shape, groups)

    def encode(self, history: tuple[ViewBatch, ...], context: Context) -> Memory:
        view = stacked(history)
        memory = self.stack.encode(self.tokens.events(view), view, context.scenario)
        return Memory(memory.tree())

    def stack_vectors(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        """The candidates' vectors from every stack, [g, b, m, d]."""
        x = self.tokens.candidates(candidates, context)
        return self.stack.score(x, StackMemory(*memory.tree), context.scenario)


class Transformer(StackRanker):
    """See `TransformerConfig`."""

    def __init__(self, config: TransformerConfig, schema: Schema) -> None:
        super().__init__(schema, config.shape(), groups=1)
        self.head = Head(schema, config.width, config.width)

    def score(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        (vectors,) = self.stack_vectors(memory, candidates, context)
        logits: Tensor = self.head(vectors)
        return logits


def check_sizes(config: ModelConfig, head_dim: int) -> None:
    """`ValueError` unless the sizes are positive and the width divides into heads."""
    for field in ("depth", "width", "seq_len"):
        value = getattr(config, field)
        if value < 1:
            raise ValueError(f"{config.name}.{field} must be at least 1, got {value}")
    if head_dim < 1 or config.width % head_dim:
        raise ValueError(
            f"{config.name}.width must be a multiple of head_dim {head_dim}, got {config.width}"
        )
