"""HSTU: attention without a softmax, gated by what was asked, and no feed-forward part.

Zhai et al., Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for
Generative Recommendations, ICML 2024 (arXiv 2402.17152), equations 1 to 3:

    U, V, Q, K = SiLU(LN(X) W)      A = SiLU(Q K^T + rab) / N      Y = X + W_o (U * LN(A V))

rab is the sum of two tables of each layer, shared by its heads as in the authors' code (facebook's
generative-recommenders, `RelativeBucketedTimeAndPositionBasedBias`): by the steps from key to query
and by the time between them. There, time runs from the key to the event after the query, whose time
a next-item model knows; here it is that between query and key, since the candidates bring their own:
a candidate stands one step after the last event, at the request. LN has no weights.

Left out of the authors' code: dropout, absolute positions, the bias of W_o.

Shapes: b requests, n events, m candidates, d width, h heads, s head size, L layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scaling import compute
from scaling.batch import Candidates, Context, Schema, ViewBatch
from scaling.compute import Flops
from scaling.config import register
from scaling.models.attention import Attending
from scaling.models.base import MODELS, Memory, Ranker, Reads, check_sizes
from scaling.models.grouped import GroupedLinear
from scaling.models.head import Head
from scaling.models.one_view import OneViewConfig
from scaling.models.silu_attention import TIME_BUCKETS, Pairs, silu_attention, time_bucket
from scaling.models.tokens import Tokens

Normaliser = Literal["max", "actual", "fixed"]
NORMALISERS: tuple[Normaliser, ...] = ("max", "actual", "fixed")

EPSILON = 1e-6
"""Of LN, as in the authors' code. It is all that N acts on: see `HstuConfig.normaliser`."""


@register(MODELS, "hstu")
@dataclass(frozen=True, kw_only=True)
class HstuConfig(OneViewConfig):
    """`depth` layers over one view."""

    head_dim: int = 16
    normaliser: Normaliser = "max"
    """N: `seq_len` whatever the real length, as in the authors' code; the number of keys that the
    query sees; or `fixed_normaliser`. LN takes the scale of A V away again, so N decides no more
    than from where on LN's epsilon damps sums of few keys: the larger N, the earlier."""
    fixed_normaliser: int = 64
    """N where `normaliser` is `fixed`."""

    def __post_init__(self) -> None:
        check_sizes(self, self.head_dim)
        if self.normaliser not in NORMALISERS:
            raise ValueError(
                f"hstu.normaliser must be one of {', '.join(NORMALISERS)}, got {self.normaliser!r}"
            )
        if self.fixed_normaliser < 1:
            raise ValueError(
                f"hstu.fixed_normaliser must be at least 1, got {self.fixed_normaliser}"
            )

    @property
    def encode_reads(self) -> tuple[Reads, ...]:
        return ("time",)

    def build(self, schema: Schema) -> Hstu:
        return Hstu(self, schema)

    def params(self, schema: Schema) -> Mapping[str, int]:
        d = self.width
        return {
            **Tokens.params(schema, d),
            "attention": self.depth * 5 * d * d,
            "bias": self.depth * (TIME_BUCKETS + self.seq_len + 1),
            **Head.params(schema, d, d),
        }

    def flops(
        self, schema: Schema, lengths: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]
    ) -> Flops:
        d, depth = self.width, self.depth
        n, m = lengths[:, 0].astype(np.float64), candidates.astype(np.float64)
        # In the last layer events are keys and values, nothing else.
        projections = depth * compute.linear(n, d, 2 * d) + (depth - 1) * compute.linear(
            n, d, 3 * d
        )
        components = {
            "history.projections": projections,
            "history.quadratic": (depth - 1) * compute.attention(n, n, d),
            "candidates.projections": depth * compute.linear(m, d, 5 * d),
            "candidates.quadratic": depth * compute.attention(m, n + 1, d),
            **Head.flops(schema, d, d, candidates),
        }
        return Flops(components, causal_discount=(depth - 1) * compute.causal_saving(n, d))


class HstuLayer(Attending):
    """One layer; U, Q, K, V in this order, so that K and V alone are the outputs behind 2 d."""

    def __init__(self, config: HstuConfig) -> None:
        super().__init__()
        d = config.width
        self.head_dim = config.head_dim
        self.project = GroupedLinear(1, d, 4 * d)
        # Gain 1 / depth: the layers together move the residual stream as much at any depth (as
        # `StackShape.residual_gain`).
        self.out = GroupedLinear(1, d, d, gain=1 / config.depth)

    def keys_values(self, x: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Of the events `x` [b, n, d], each [b, h, n, s]; values are 0 unless `real` [b, n, 1]."""
        k, v = F.silu(self.project(_normed(x), first=2 * x.shape[-1])).chunk(2, -1)
        return self._heads(k), self._heads(v * real)

    def encode(
        self, x: Tensor, real: Tensor, times: Tensor, steps: Tensor, pairs: Pairs, scale: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Keys and values as above, and the events for the next layer; `scale` is 1 / N."""
        u, q, k, v = F.silu(self.project(_normed(x))).chunk(4, -1)
        k, v = self._heads(k), self._heads(v * real)
        summed = silu_attention(self._heads(q), k, v, times, steps, pairs, self.implementation)
        return k, v, x + self._mixed(u, summed, scale)

    def score(
        self, x: Tensor, k: Tensor, v: Tensor, bias: Tensor, own_bias: Tensor, scale: Tensor
    ) -> Tensor:
        """The candidates `x` [b, m, d] after this layer; `bias` [b, n], `own_bias` scalar."""
        u, *parts = F.silu(self.project(_normed(x))).chunk(4, -1)
        q, own_k, own_v = (self._heads(part) for part in parts)
        past = F.silu(q @ k.transpose(-1, -2) + bias[:, None, None].to(q.dtype))
        if self.implementation == "reference":
            own = (q.unsqueeze(-2) @ own_k.unsqueeze(-1)).squeeze(-1)
            own = F.silu(own + own_bias.to(q.dtype))
            own = (own.unsqueeze(-1) @ own_v.unsqueeze(-2)).squeeze(-2)
        else:
            own = F.silu((q * own_k).sum(-1, keepdim=True) + own_bias.to(q.dtype)) * own_v
        return x + self._mixed(u, past @ v + own, scale)

    def _mixed(self, u: Tensor, summed: Tensor, scale: Tensor) -> Tensor:
        """W_o (U * LN(A V)) of the heads' sums [b, h, n, s]."""
        gathered = summed.transpose(1, 2).reshape(u.shape) * scale.to(u.dtype)
        mixed: Tensor = self.out(u * _normed(gathered))
        return mixed

    def _heads(self, x: Tensor) -> Tensor:
        """[b, n, d] as [b, h, n, s]."""
        return x.view(*x.shape[:2], x.shape[-1] // self.head_dim, self.head_dim).transpose(1, 2)


def _normed(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], eps=EPSILON)


class Hstu(Ranker):
    """See `HstuConfig`."""

    def __init__(self, config: HstuConfig, schema: Schema) -> None:
        super().__init__()
        self.config = config
        self.tokens = Tokens(schema, config.width)
        self.layers = nn.ModuleList(HstuLayer(config) for _ in range(config.depth))
        self.times = nn.Parameter(torch.zeros(TIME_BUCKETS, config.depth))
        self.positions = nn.Parameter(torch.zeros(config.seq_len + 1, config.depth))
        self.head = Head(schema, config.width, config.width)

    def _scale(self, seen: Tensor) -> Tensor:
        """1 / N for queries that see so many keys (int64), of the same shape."""
        config = self.config
        if config.normaliser == "actual":
            return 1 / seen.to(self.times.dtype)
        n = config.seq_len if config.normaliser == "max" else config.fixed_normaliser
        return torch.full_like(seen, 1 / n, dtype=self.times.dtype)

    def quantizable(self) -> Any:
        return (True, False, False)

    def encode(self, history: tuple[ViewBatch, ...], context: Context) -> Memory:
        (view,) = history
        x, real = self.tokens.events(view), view.mask.unsqueeze(-1)
        places = torch.arange(view.mask.shape[1], device=x.device)
        remembered = []
        *before, last = self.layers
        if before:
            pairs = Pairs(view.ages, self.config.width // self.config.head_dim)
            times, steps = self.times.unbind(1), pairs.step_bias(self.positions[:, :-1])
            scale = self._scale(places + 1).unsqueeze(-1)
        for number, layer in enumerate(before):
            assert isinstance(layer, HstuLayer)
            k, v, x = layer.encode(x, real, times[number], steps[number], pairs, scale)
            remembered.append((k, v))
        assert isinstance(last, HstuLayer)
        remembered.append(last.keys_values(x, real))
        lengths = view.mask.sum(1, keepdim=True)
        # A candidate stands one step after the last event; its time is the request's.
        bucket = time_bucket(view.ages, view.ages < 0)
        bias = self.times[bucket] + self.positions[(lengths - places).clamp(min=0)]
        return Memory((tuple(remembered), bias, self._scale(lengths + 1)))

    def score(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        remembered, bias, scale = memory.tree
        x = self.tokens.candidates(candidates, context)
        own = self.times[0] + self.positions[0]
        for number, (layer, (k, v)) in enumerate(zip(self.layers, remembered, strict=True)):
            assert isinstance(layer, HstuLayer)
            x = layer.score(x, k, v, bias[..., number], own[number], scale.unsqueeze(-1))
        logits: Tensor = self.head(x)
        return logits
