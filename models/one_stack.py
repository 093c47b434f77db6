"""Models that are one stack of layers over one view, and a head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from scaling.batch import Candidates, Context, Schema
from scaling.compute import Flops
from scaling.models.base import Memory, Reads
from scaling.models.head import Head
from scaling.models.one_view import OneViewConfig
from scaling.models.stack_ranker import StackRanker, stack_flops, stack_params
from scaling.models.stack_shape import StackShape
from scaling.models.tokens import Tokens


@dataclass(frozen=True, kw_only=True)
class OneStackConfig(OneViewConfig, ABC):
    """A model that its stack's shape describes."""

    request_free_history: bool = False
    """Whether events read neither the request's time nor its scenario (`StackShape.request_free`),
    so that a memory serves until the next event, and then is extended."""

    @property
    def encode_reads(self) -> tuple[Reads, ...]:
        return () if self.request_free_history else ("time",)

    @property
    def extendable(self) -> bool:
        return self.request_free_history and self.causal

    @abstractmethod
    def shape(self) -> StackShape:
        """Of the stack."""

    def build(self, schema: Schema) -> OneStack:
        return OneStack(self, schema)

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


class OneStack(StackRanker):
    """See `OneStackConfig`."""

    def __init__(self, config: OneStackConfig, schema: Schema) -> None:
        super().__init__(schema, [config.shape()], shared=False)
        self.head = Head(schema, config.width, config.width)

    def score(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        (vectors,) = self.stack_vectors(memory, candidates, context)
        logits: Tensor = self.head(vectors)
        return logits
