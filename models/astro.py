"""ASTRO: multi-scale sub-sequences, adaptive temperature, bit-wise gated fusion.

Source: Climber, arXiv 2502.09888, equations 1-4. A stack of layers per sub-sequence (block) of the
lifetime history, each layer with temperatures of its own per scenario and head; a candidate passes
through every stack, and its N_b vectors are fused by an attention layer over the blocks and an
element-wise gate.

Shapes: b requests, m candidates, N blocks, d width. The stacks are groups of one `Stack`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from scaling import compute
from scaling.batch import Candidates, Context, Schema, View
from scaling.compute import Floats, Flops
from scaling.config import register
from scaling.models.base import MODELS, Memory, ModelConfig
from scaling.models.head import Head
from scaling.models.stack import FFN_FACTOR, Layer, StackShape
from scaling.models.tokens import Tokens
from scaling.models.transformer import StackRanker, check_sizes

GATE_SQUEEZE = 4
"""The gate's hidden layer is this many times narrower than its N d inputs."""


@register(MODELS, "astro")
@dataclass(frozen=True, kw_only=True)
class AstroConfig(ModelConfig):
    """One block per entry of `strategies`; the length is shared out equally."""

    causal: ClassVar[bool] = True

    strategies: tuple[str, ...]
    """What each block reads (see `View`), in order of importance."""
    head_dim: int = 16

    def __post_init__(self) -> None:
        check_sizes(self, self.head_dim)
        if not self.strategies:
            raise ValueError("astro.strategies must name at least one block")
        if self.seq_len % self.blocks:
            raise ValueError(
                f"astro.seq_len {self.seq_len} does not divide into {self.blocks} blocks "
                f"({', '.join(self.strategies)}): choose a multiple of {self.blocks}"
            )

    @classmethod
    def example(cls, schema: Schema) -> Self:
        return cls(depth=3, width=32, seq_len=16, strategies=("recent", schema.behaviours[0]))

    @property
    def blocks(self) -> int:
        return len(self.strategies)

    def with_blocks(self, blocks: int, **axes: Any) -> Self:
        if not 1 <= blocks <= len(self.strategies):
            raise ValueError(
                f"astro.blocks must be 1 to {len(self.strategies)} "
                f"(strategies {', '.join(self.strategies)}), got {blocks}"
            )
        return dataclasses.replace(self, strategies=self.strategies[:blocks], **axes)

    def views(self) -> tuple[View, ...]:
        length = self.seq_len // self.blocks
        return tuple(View(strategy=strategy, length=length) for strategy in self.strategies)

    def shape(self, schema: Schema) -> StackShape:
        """Of one block's stack."""
        return StackShape(
            depth=self.depth,
            width=self.width,
            length=self.seq_len // self.blocks,
            head_dim=self.head_dim,
            scenarios=schema.num_scenarios,
        )

    def build(self, schema: Schema) -> Astro:
        return Astro(self, schema)

    def params(self, schema: Schema) -> Mapping[str, int]:
        stack = {k: v * self.blocks for k, v in self.shape(schema).params().items()}
        return {
            **Tokens.params(schema, self.width),
            **stack,
            "fusion": Fusion.num_params(self, schema),
            **Head.params(schema, self.blocks * self.width, self.width),
        }

    def flops(
        self, schema: Schema, lengths: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]
    ) -> Flops:
        shape = self.shape(schema)
        total: dict[str, Floats] = {}
        saving: Floats = np.zeros(len(candidates))
        for block in range(self.blocks):
            components, discount = shape.flops(lengths[:, block], candidates)
            saving = saving + discount
            for name, value in components.items():
                total[name] = total[name] + value if name in total else value
        total["candidates.fusion"] = Fusion.flops(self, candidates)
        total |= Head.flops(schema, self.blocks * self.width, self.width, candidates)
        return Flops(total, saving)


class Fusion(nn.Module):
    """Bit-wise gated fusion: an adaptive layer over the blocks, then an element-wise gate.

    G = ATL(E); Y = G * sigmoid(f(G)) with f: N d -> N d / 4 -> N d (equation 4).
    """

    def __init__(self, config: AstroConfig, schema: Schema) -> None:
        super().__init__()
        wide = config.blocks * config.width
        self.layer = Layer(dataclasses.replace(config.shape(schema), depth=1), groups=1)
        self.log_temperature = nn.Parameter(
            torch.zeros(schema.num_scenarios, config.width // config.head_dim)
        )
        self.squeeze = nn.Linear(wide, wide // GATE_SQUEEZE, bias=False)
        self.activation = nn.SiLU()
        self.excite = nn.Linear(wide // GATE_SQUEEZE, wide, bias=False)
        nn.init.normal_(self.squeeze.weight, std=wide**-0.5)
        nn.init.normal_(self.excite.weight, std=(wide // GATE_SQUEEZE) ** -0.5)

    def forward(self, blocks: Tensor, scenario: Tensor) -> Tensor:
        """[N, b, m, d] as [b, m, N d]; `scenario` [b]."""
        n, b, m, d = blocks.shape
        # Rows of the layer are the b m candidates; its sequence is the N blocks.
        x = blocks.permute(1, 2, 0, 3).reshape(1, b * m, n, d)
        normed = self.layer.norm_attention(x)
        k, v = self.layer.keys_values(normed)
        q = self.layer.heads(self.layer.query(normed))
        scores = q @ k.transpose(-1, -2) / self.layer.head_dim**0.5
        temper = torch.exp(-self.log_temperature[scenario]).repeat_interleave(m, 0)
        weights = (scores * temper.to(scores.dtype)[..., None, None]).softmax(-1)
        gathered = self.layer.finish(x, weights.to(v.dtype) @ v).reshape(b, m, n * d)
        gate: Tensor = torch.sigmoid(self.excite(self.activation(self.squeeze(gathered))))
        return gathered * gate

    @staticmethod
    def num_params(config: AstroConfig, schema: Schema) -> int:
        d, wide = config.width, config.blocks * config.width
        layer = (4 + 2 * FFN_FACTOR) * d * d + 2 * d
        temperatures = schema.num_scenarios * (d // config.head_dim)
        return layer + temperatures + 2 * wide * (wide // GATE_SQUEEZE)

    @staticmethod
    def flops(config: AstroConfig, candidates: npt.NDArray[np.int64]) -> Floats:
        """FLOPs per request, all candidates together."""
        d, n, wide = config.width, config.blocks, config.blocks * config.width
        rows = n * np.asarray(candidates, np.float64)
        layer = compute.linear(rows, d, (4 + 2 * FFN_FACTOR) * d) + compute.attention(rows, n, d)
        return layer + 2 * compute.linear(candidates, wide, wide // GATE_SQUEEZE)


class Astro(StackRanker):
    """See `AstroConfig`."""

    def __init__(self, config: AstroConfig, schema: Schema) -> None:
        super().__init__(schema, config.shape(schema), groups=config.blocks)
        self.fusion = Fusion(config, schema)
        self.head = Head(schema, config.blocks * config.width, config.width)

    def score(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        blocks = self.stack_vectors(memory, candidates, context)
        logits: Tensor = self.head(self.fusion(blocks, context.scenario))
        return logits
