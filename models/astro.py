"""ASTRO: multi-scale sub-sequences, adaptive temperature, bit-wise gated fusion.

Source: Climber, arXiv 2502.09888, equations 1-4. A stack of layers per sub-sequence (block) of the
lifetime history, each layer with temperatures of its own per scenario and head; a candidate passes
through every stack, and its N_b vectors are fused (`scaling.models.fusion`). Every part can be
switched off, which gives the paper's ablations.

Shapes: b requests, m candidates, N blocks, d width.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from torch import Tensor

from scaling.batch import Candidates, Context, Schema, View
from scaling.compute import Flops
from scaling.config import register
from scaling.diagnostics import temperature_name
from scaling.models.base import MODELS, Memory, ModelConfig, Reads, check_sizes
from scaling.models.fusion import (
    FusionKind,
    GatedFusion,
    PlainFusion,
    fused_width,
    fusion_flops,
    fusion_params,
)
from scaling.models.head import Head
from scaling.models.stack_ranker import StackRanker, check_experts, stack_flops, stack_params
from scaling.models.stack_shape import Bias, StackShape
from scaling.models.tokens import Tokens


@register(MODELS, "astro")
@dataclass(frozen=True, kw_only=True)
class AstroConfig(ModelConfig):
    """One block per entry of `strategies`."""

    strategies: tuple[str, ...]
    """What each block reads (see `View`), in order of importance."""
    shares: tuple[int, ...] = ()
    """The blocks' lengths in proportion (2, 1, 1: half the events to the first); empty: equal."""
    partition: bool = False
    """Whether a block skips events that an earlier block reads (version 1 of the paper); else the
    blocks may overlap (version 2)."""
    temperature: bool = True
    """Whether the attention's temperatures are learned."""
    fusion: FusionKind = "gated"
    bias: Bias = "key"
    """Relative bias by age and position: of the key, of the pair, or none."""
    bidirectional: bool = False
    """Whether events see later ones of their block."""
    share_stacks: bool = False
    """Whether all blocks use one stack's weights."""
    request_free_history: bool = False
    """Whether events read neither the request's time nor its scenario (`StackShape.request_free`),
    so that a memory serves until the next event, and then is extended."""
    head_dim: int = 16
    experts: int = 1
    """Feed-forward parts per layer; 1: no mixture of experts."""
    experts_per_token: int = 1

    def __post_init__(self) -> None:
        check_sizes(self, self.head_dim)
        check_experts(self, self.experts, self.experts_per_token)
        if not self.strategies:
            raise ValueError("astro.strategies must name at least one block")
        if self.shares and len(self.shares) < self.blocks:
            raise ValueError(
                f"astro.shares must name each of the {self.blocks} blocks, got {self.shares}"
            )
        if min(self._shares()) < 1 or self.seq_len % sum(self._shares()):
            raise ValueError(
                f"astro.seq_len {self.seq_len} does not divide into {self.blocks} blocks "
                f"({', '.join(self.strategies)}) of shares {self._shares()}: choose a multiple of "
                f"{sum(self._shares())}"
            )

    @classmethod
    def example(cls, schema: Schema) -> Self:
        return cls(depth=3, width=32, seq_len=16, strategies=("recent", schema.behaviours[0]))

    def _shares(self) -> tuple[int, ...]:
        return self.shares[: self.blocks] or (1,) * self.blocks

    @property
    def blocks(self) -> int:
        return len(self.strategies)

    @property
    def causal(self) -> bool:
        return not self.bidirectional

    @property
    def encode_reads(self) -> tuple[Reads, ...]:
        if self.request_free_history:
            return ()
        return ("time", "scenario") if self.temperature else ("time",)

    @property
    def extendable(self) -> bool:
        return self.request_free_history and self.causal

    def with_blocks(self, blocks: int, **axes: Any) -> Self:
        if not 1 <= blocks <= len(self.strategies):
            raise ValueError(
                f"astro.blocks must be 1 to {len(self.strategies)} "
                f"(strategies {', '.join(self.strategies)}), got {blocks}"
            )
        return dataclasses.replace(self, strategies=self.strategies[:blocks], **axes)

    def views(self) -> tuple[View, ...]:
        unit = self.seq_len // sum(self._shares())
        return tuple(
            View(strategy=strategy, length=share * unit, disjoint=self.partition and index > 0)
            for index, (strategy, share) in enumerate(zip(self.strategies, self._shares()))
        )

    def shapes(self, schema: Schema) -> list[StackShape]:
        """Of every block's stack."""
        return [
            StackShape(
                depth=self.depth,
                width=self.width,
                length=view.length,
                head_dim=self.head_dim,
                scenarios=schema.num_scenarios if self.temperature else None,
                causal=self.causal,
                bias=self.bias,
                request_free=self.request_free_history,
                experts=self.experts,
                experts_per_token=self.experts_per_token,
            )
            for view in self.views()
        ]

    def build(self, schema: Schema) -> Astro:
        return Astro(self, schema)

    def params(self, schema: Schema) -> Mapping[str, int]:
        shapes = self.shapes(schema)
        return {
            **Tokens.params(schema, self.width),
            **stack_params(shapes, shared=self.share_stacks),
            **fusion_params(self.fusion, shapes[0], self.blocks),
            **Head.params(schema, self.head_width, self.width),
        }

    def flops(
        self, schema: Schema, lengths: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]
    ) -> Flops:
        shapes = self.shapes(schema)
        components, discount = stack_flops(shapes, lengths, candidates)
        components |= fusion_flops(self.fusion, shapes[0], self.blocks, candidates)
        components |= Head.flops(schema, self.head_width, self.width, candidates)
        return Flops(components, discount)

    @property
    def head_width(self) -> int:
        """Width of the fused vector."""
        return fused_width(self.fusion, self.blocks, self.width)


class Astro(StackRanker):
    """See `AstroConfig`."""

    def __init__(self, config: AstroConfig, schema: Schema) -> None:
        shapes = config.shapes(schema)
        super().__init__(schema, shapes, shared=config.share_stacks)
        self.config, self.scenarios = config, schema.scenarios
        self.fusion = (
            GatedFusion(shapes[0], config.blocks)
            if config.fusion == "gated"
            else PlainFusion(config.fusion)
        )
        self.head = Head(schema, config.head_width, config.width)

    def score(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        blocks = self.stack_vectors(memory, candidates, context)
        logits: Tensor = self.head(self.fusion(blocks, context.scenario))
        return logits

    def diagnostics(self) -> Mapping[str, float]:
        """The learned temperatures exp(w), mean over heads, by block, layer and scenario."""
        found: dict[str, float] = {}
        for part, views in enumerate(self.parts):
            learned = self.stack_of(part).log_temperature
            if learned is None:
                return found
            # [weights, scenarios, layers]; shared weights are one block's for all.
            means = learned.detach().float().exp().mean(-1).cpu()
            for place, view in enumerate(views):
                of_block = means[place if len(means) > 1 else 0]
                block = f"{view}-{self.config.strategies[view]}"
                for scenario, values in zip(self.scenarios, of_block):
                    found[temperature_name(block, scenario)] = float(values.mean())
                    for layer, value in enumerate(values):
                        found[temperature_name(block, scenario, layer)] = float(value)
        return found
