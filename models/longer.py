"""LONGER: adjacent events merged into wide tokens, of which only the recent ones ask.

Chai et al., LONGER: Scaling Up Long Sequence Modeling in Industrial Recommenders, RecSys 2025 (arXiv
2505.04421), sections 3.2 to 3.4:

1. K adjacent events, each with its position, become one token of width K d; before that, a small
   transformer may run over the K events alone (InnerTrans).
2. Layer 1: the k most recent merged tokens and the global tokens attend to all (cross-causal).
3. Layers 2 to `depth`: those attend to each other (self-causal). All layers are K d wide.

What the paper leaves open, or what is different here (ours):

* Global tokens are a learned one, the request (scenario and attributes) and the candidate, in this
  causal order behind the events: each sees what comes before it and itself. So the first two are
  part of the memory, the candidate is scored by it, and no event or other candidate sees it.
* Groups are filled from the newest event back; the oldest one is filled up with zeros. Positions
  are counted from the newest event.
* Layers are the transformer's (pre-norm, RMSNorm); time enters by the tokens' ages. The MLP before
  merging is left out. The last layer computes candidates only.

Shapes: b requests, n events, m candidates, d width, K events per token, D = K d, G merged tokens, k
recent ones, h heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scaling import compute
from scaling.batch import Candidates, Context, Schema, ViewBatch
from scaling.compute import Floats, Flops
from scaling.config import register
from scaling.models.attention import MASKED
from scaling.models.base import MODELS, Memory, Ranker, check_sizes
from scaling.models.feedforward import feed_forward_flops, feed_forward_params
from scaling.models.grouped import GroupedLinear
from scaling.models.head import Head
from scaling.models.mixer import LayerFacts, Remembered
from scaling.models.one_view import OneViewConfig
from scaling.models.softmax_mixer import SoftmaxMixer
from scaling.models.stack import Layer
from scaling.models.stack_shape import StackShape
from scaling.models.table import Table
from scaling.models.tokens import CONTEXT_STD, Tokens

GLOBALS = 2
"""Global tokens beside the candidate: the learned one and the request."""


@register(MODELS, "longer")
@dataclass(frozen=True, kw_only=True)
class LongerConfig(OneViewConfig):
    """`width` is d, that of an event's token; the layers are `merge` times as wide. `seq_len` counts
    events, before they are merged."""

    merge: int = 4
    """K, events per token."""
    recent: int = 8
    """k, how many of the newest merged tokens ask; all where there are fewer."""
    inner_transformer: bool = False
    """InnerTrans, part of the paper's model. Off here: on `synthetic` it gained nothing at equal
    compute, and rates that do well without it (4e-3 and above) ended in worse losses."""
    head_dim: int = 16

    def __post_init__(self) -> None:
        check_sizes(self, self.head_dim)
        for field in ("merge", "recent"):
            if getattr(self, field) < 1:
                raise ValueError(f"longer.{field} must be at least 1, got {getattr(self, field)}")

    @property
    def causal(self) -> bool:
        # The next event changes all groups.
        return False

    @classmethod
    def example(cls, schema: Schema) -> LongerConfig:
        return cls(depth=3, width=32, seq_len=16, recent=2)

    def shape(self) -> StackShape:
        """Of the layers."""
        return StackShape(
            depth=self.depth,
            width=self.merge * self.width,
            length=self.seq_len,
            head_dim=self.head_dim,
            bias="none",
        )

    def inner(self) -> StackShape:
        """Of InnerTrans."""
        return StackShape(
            depth=1,
            width=self.width,
            length=self.merge,
            head_dim=self.head_dim,
            causal=False,
            bias="none",
        )

    def build(self, schema: Schema) -> Longer:
        return Longer(self, schema)

    def params(self, schema: Schema) -> Mapping[str, int]:
        shape, inner = self.shape(), self.inner()
        wide = shape.width
        groups = {
            **Tokens.params(schema, self.width),
            "embedding.positions": self.seq_len * self.width,
            "globals": wide + 2 * self.width * wide,
            **{name: self.depth * count for name, count in _layer_params(shape).items()},
            **Head.params(schema, wide, self.width),
        }
        if self.inner_transformer:
            for name, count in _layer_params(inner).items():
                groups[f"inner.{name}"] = count
        return groups

    def flops(
        self, schema: Schema, lengths: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]
    ) -> Flops:
        shape = self.shape()
        n, m = lengths[:, 0].astype(np.float64), candidates.astype(np.float64)
        merged = np.ceil(n / self.merge)
        asking = np.minimum(merged, self.recent) + GLOBALS
        total = _inner_flops(self, n)
        total["history.globals"] = compute.linear(np.ones_like(n), self.width, shape.width)
        total["candidates.globals"] = compute.linear(m, self.width, shape.width)
        saving = np.zeros_like(n)
        for number in range(self.depth):
            keys = merged + GLOBALS if number == 0 else asking
            queries = asking if number < self.depth - 1 else np.zeros_like(n)
            layer, _ = SoftmaxMixer.flops(shape, keys, queries, m)
            layer["history.quadratic"] = compute.attention(queries, keys, shape.width)
            layer["history.ffn"] = feed_forward_flops(shape, queries)
            layer["candidates.ffn"] = feed_forward_flops(shape, m)
            compute.add_to(total, layer)
            # Those who ask are the last ones, so that among them half is masked.
            saving = saving + compute.causal_saving(queries, shape.width)
        head = Head.flops(schema, shape.width, self.width, candidates)
        return Flops({**total, **head}, causal_discount=saving)


def _layer_params(shape: StackShape) -> dict[str, int]:
    """Parameters of one layer by group."""
    total = {"norm": shape.width}
    compute.add_to(total, SoftmaxMixer.params(shape))
    compute.add_to(total, feed_forward_params(shape))
    return total


def _inner_flops(config: LongerConfig, events: Floats) -> dict[str, Floats]:
    """FLOPs of InnerTrans: full groups of K events, and the oldest one."""
    if not config.inner_transformer:
        return {}
    shape, rest = config.inner(), events % config.merge
    pairs = (events - rest) * config.merge + rest * rest
    return {
        "history.inner": compute.linear(events, shape.width, 4 * shape.width)
        + compute.attention(pairs, 1, shape.width)
        + feed_forward_flops(shape, events)
    }


class Longer(Ranker):
    """See `LongerConfig`. Inside, histories are right-aligned, so that the newest come last."""

    def __init__(self, config: LongerConfig, schema: Schema) -> None:
        super().__init__()
        self.config = config
        d, shape = config.width, config.shape()
        self.tokens = Tokens(schema, d)
        self.positions = Table(config.seq_len, d, row_wise=False, std=CONTEXT_STD)
        self.inner = Layer(config.inner(), 1, 0) if config.inner_transformer else None
        self.learned = nn.Parameter(torch.randn(shape.width) * CONTEXT_STD)
        self.of_request = GroupedLinear(1, d, shape.width)
        self.of_candidate = GroupedLinear(1, d, shape.width)
        self.layers = nn.ModuleList(Layer(shape, 1, number) for number in range(config.depth))
        self.head = Head(schema, shape.width, d)

    def quantizable(self) -> Any:
        return tuple(SoftmaxMixer.quantizable for _ in self.layers)

    def encode(self, history: tuple[ViewBatch, ...], context: Context) -> Memory:
        (view,) = history
        x, real = self._merged(view)
        x = torch.cat([x, self._globals(context)], dim=1).unsqueeze(0)
        bias = self._bias(F.pad(real, (0, GLOBALS), value=True), self.config.shape().heads)
        first, *later = self.layers
        assert isinstance(first, Layer)
        memory, x, bias = self._cross(first, x, bias, last=not later)
        remembered = [memory]
        for number, layer in enumerate(later, start=2):
            assert isinstance(layer, Layer)
            facts = LayerFacts(key_bias=bias, history_bias=bias)
            memory, x = layer.encode(x, facts, number == self.config.depth)
            remembered.append(memory)
        return Memory(tuple(remembered))

    def _merged(self, view: ViewBatch) -> tuple[Tensor, Tensor]:
        """Merged tokens [b, G, D], right-aligned, 0 where no event is, and whether one is [b, G]."""
        size, (b, n) = self.config.merge, view.mask.shape
        tokens = -(-n // size)
        empty = tokens * size - view.mask.sum(1, keepdim=True)
        event = torch.arange(tokens * size, device=empty.device) - empty
        real = event >= 0
        x = self.tokens.events(view)
        x = x.gather(1, event.clamp(min=0).unsqueeze(-1).expand(-1, -1, x.shape[-1]))
        positions = F.pad(self.positions.weight[:n].flip(0), (0, 0, tokens * size - n, 0))
        x = (x + positions) * real.unsqueeze(-1)
        if self.inner is not None:
            groups = x.view(1, b * tokens, size, -1)
            bias = self._bias(real.view(-1, size), self.config.inner().heads)
            _, groups = self.inner.encode(
                groups, LayerFacts(key_bias=bias, history_bias=bias), False
            )
            x = groups.view(x.shape) * real.unsqueeze(-1)
        return x.view(b, tokens, -1), real.view(b, tokens, size).any(-1)

    def _globals(self, context: Context) -> Tensor:
        """The learned token and the request's, [b, GLOBALS, D]."""
        request = self.tokens.request(context)
        learned = self.learned.expand(len(request), -1)
        return torch.stack([learned, self.of_request(request.unsqueeze(0)).squeeze(0)], dim=1)

    @staticmethod
    def _bias(real: Tensor, heads: int) -> Tensor:
        """0, or `MASKED` where not `real` [r, n], as a bias of keys [r, h, n]."""
        bias = torch.zeros(real.shape, device=real.device).masked_fill(~real, MASKED)
        return bias.unsqueeze(1).expand(-1, heads, -1)

    def _cross(
        self, layer: Layer, x: Tensor, bias: Tensor, last: bool
    ) -> tuple[Remembered, Tensor, Tensor]:
        """Layer 1 of the tokens `x` [1, b, G + GLOBALS, D]: what it remembers, and those who ask
        afterwards, with their bias as keys."""
        mixer = layer.mixer
        assert isinstance(mixer, SoftmaxMixer)
        asking = self.config.recent + GLOBALS
        if last or asking >= x.shape[2]:
            memory, x = layer.encode(x, LayerFacts(key_bias=bias, history_bias=bias), last)
            return memory, x, bias
        normed = layer.norm_mixer(x)
        # The others pay keys and values, nothing else.
        older, recent = normed[:, :, :-asking], normed[:, :, -asking:]
        facts = LayerFacts(key_bias=bias[..., :-asking], history_bias=bias[..., :-asking])
        (k, v, _), _ = mixer.encode(older, facts, True)
        q, k_recent, v_recent = mixer.projected(recent)
        k, v = torch.cat([k, k_recent], dim=2), torch.cat([v, v_recent], dim=2)
        later = torch.ones(asking, k.shape[2], dtype=torch.bool, device=x.device)
        later = later.triu(k.shape[2] - asking + 1)
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + bias.unsqueeze(-2).to(q.dtype)
        weights = scores.masked_fill(later, float("-inf")).softmax(-1).to(v.dtype)
        gathered = mixer.mixed(recent, (weights @ v).transpose(1, 2))
        return (k, v, bias), layer.ffn(x[:, :, -asking:] + gathered), bias[..., -asking:]

    def score(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        tokens = self.tokens.candidates(candidates, context)
        # The residual stream stays in full precision, whatever the product's.
        x = self.of_candidate(tokens.unsqueeze(0)).to(tokens.dtype)
        own = x.new_zeros(x.shape[1], self.config.shape().heads)
        for layer, remembered in zip(self.layers, memory.tree, strict=True):
            assert isinstance(layer, Layer)
            x = layer.score(x, remembered, LayerFacts(self_bias=own))
        logits: Tensor = self.head(x.squeeze(0))
        return logits
