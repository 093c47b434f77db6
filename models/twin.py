"""TWIN: one target attention, run twice: over all events to choose some, then over those.

Chang et al., TWIN: TWo-stage Interest Network for Lifelong User Behavior Modeling in CTR Prediction
at Kuaishou, KDD 2023, section 3.2-3.4. An event's features are split into what is inherent to its
item (K_h: id, attributes) and what happened between user and item (K_c: action, scenario, age). The
inherent part is projected once for a history, each other feature shrinks to one number per head:

    alpha = (K_h W_h) (W_q q)^T / sqrt(d_head) + K_c W_c beta       scores, per head
    interest = W_o concat_heads softmax(alpha) (K W_v)              over the k chosen events

Both stages have the same alpha, so it is computed once: the general search unit (GSU) ranks all
events by it, the exact search unit (ESU) takes the softmax over those chosen. The choice has no
gradient; alpha has. Ours: W_c and beta are one matrix, the query is the candidate's token (its
request included), and several heads choose together: the k events of the largest attention weight
summed over heads, which lose the least of what ESU would attend to.

Shapes: b requests, h heads, n events, m candidates, d width, k events chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from scaling import compute
from scaling.batch import Candidates, Context, Schema, ViewBatch
from scaling.compute import Flops
from scaling.config import register
from scaling.models.attention import MASKED, Attending
from scaling.models.base import MODELS, Memory, Ranker, Reads, check_sizes
from scaling.models.head import Head
from scaling.models.mlp import MLP, dense
from scaling.models.one_view import OneViewConfig
from scaling.models.tokens import Tokens, age_bucket

CROSS_FEATURES = 3
"""Action, scenario, age."""


@register(MODELS, "twin")
@dataclass(frozen=True, kw_only=True)
class TwinConfig(OneViewConfig):
    """`depth` counts the hidden layers of the MLP behind the attention.

    FLOPs: keys, values and cross features once per request; per candidate the scores of all events
    (2 n d) and the weighted sum over the k chosen ones (2 k d). Ranking and choosing count 0.
    """

    head_dim: int = 16
    top_k: int = 32
    """Events that a candidate attends to; all of a history that has no more."""

    def __post_init__(self) -> None:
        check_sizes(self, self.head_dim)
        if self.top_k < 1:
            raise ValueError(f"{self.name}.top_k must be at least 1, got {self.top_k}")

    @classmethod
    def example(cls, schema: Schema) -> Self:
        return cls(depth=3, width=32, seq_len=16, top_k=5)

    @property
    def encode_reads(self) -> tuple[Reads, ...]:
        return ("time",)

    def build(self, schema: Schema) -> Twin:
        return Twin(self, schema)

    def params(self, schema: Schema) -> Mapping[str, int]:
        d = self.width
        return {
            **Tokens.params(schema, d),
            "attention": 4 * d * d + CROSS_FEATURES * d * (d // self.head_dim),
            **MLP.params(2 * d, d, self.depth),
            **Head.params(schema, d, d),
        }

    def flops(
        self, schema: Schema, lengths: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]
    ) -> Flops:
        d, n, m = self.width, lengths[:, 0], candidates
        heads = d // self.head_dim
        components = {
            "history.projections": compute.linear(n, d, 2 * d),
            "history.cross": CROSS_FEATURES * compute.linear(n, d, heads),
            "candidates.projections": compute.linear(m, d, 2 * d),
            "candidates.search": compute.linear(n * m, d, 1),
            "candidates.attention": compute.linear(np.minimum(n, self.top_k) * m, d, 1),
            **MLP.flops(2 * d, d, self.depth, m),
            **Head.flops(schema, d, d, m),
        }
        return Flops(components, causal_discount=np.zeros(len(m)))


class TargetAttention(Attending):
    """The attention that both stages share."""

    def __init__(self, width: int, head_dim: int, top_k: int) -> None:
        super().__init__()
        self.head_dim, self.top_k = head_dim, top_k
        self.query = dense(width, width, bias=False)
        self.key = dense(width, width, bias=False)
        self.value = dense(width, width, bias=False)
        self.out = dense(width, width, bias=False)
        heads = width // head_dim
        self.cross = nn.ModuleList(dense(width, heads, bias=False) for _ in range(CROSS_FEATURES))

    def heads(self, x: Tensor) -> Tensor:
        """[b, n, d] as [b, h, n, d / h]."""
        return x.view(*x.shape[:2], -1, self.head_dim).transpose(1, 2)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
        """The candidates' interest, [b, m, d].

        Args:
            x: [b, m, d]
            keys, values: [b, h, n, d / h]; values are 0 where padded.
            bias: [b, h, n]; `MASKED` where padded.
        """
        query = self.heads(self.query(x))
        scores = query @ keys.transpose(-1, -2) / self.head_dim**0.5 + bias.unsqueeze(-2)
        chosen = self.chosen(scores)
        if self.implementation == "reference":
            attended = _over_chosen(scores, values, chosen)
        else:
            # A dense product with zeros is faster than gathering k values for every candidate.
            left_out = torch.ones_like(scores[:, 0], dtype=torch.bool).scatter_(-1, chosen, False)
            scores = scores.masked_fill(left_out.unsqueeze(1), float("-inf"))
            attended = scores.softmax(-1).to(values.dtype) @ values
        interest: Tensor = self.out(attended.transpose(1, 2).flatten(-2))
        return interest

    @torch.no_grad()
    def chosen(self, scores: Tensor) -> Tensor:
        """GSU: places of the most relevant events, int64 [b, m, k]; the later one of equals."""
        relevance = scores.float().softmax(-1).sum(1)
        places = relevance.shape[-1]
        # Floats >= 0 are in the order of their bits; with the place below, no two are equal.
        ranks = relevance.view(torch.int32).long() * places
        ranks = ranks + torch.arange(places, device=ranks.device)
        return ranks.topk(min(self.top_k, places), dim=-1, sorted=False).indices


def _over_chosen(scores: Tensor, values: Tensor, chosen: Tensor) -> Tensor:
    """ESU as it reads: gather the chosen events of every candidate, then attend; [b, h, m, d / h]."""
    heads, size = values.shape[1], values.shape[-1]
    places = chosen.unsqueeze(1).expand(-1, heads, -1, -1)
    weights = scores.gather(-1, places).softmax(-1).to(values.dtype)
    per_candidate = values.unsqueeze(2).expand(-1, -1, chosen.shape[1], -1, -1)
    gathered = per_candidate.gather(3, places.unsqueeze(-1).expand(-1, -1, -1, -1, size))
    return (weights.unsqueeze(-2) @ gathered).squeeze(-2)


class Twin(Ranker):
    """See `TwinConfig`. The memory is keys, values and bias of every event."""

    def __init__(self, config: TwinConfig, schema: Schema) -> None:
        super().__init__()
        width = config.width
        self.tokens = Tokens(schema, width)
        self.attention = TargetAttention(width, config.head_dim, config.top_k)
        self.mlp = MLP(2 * width, width, config.depth)
        self.head = Head(schema, width, width)

    def quantizable(self) -> Any:
        return (True, True, False)

    def encode(self, history: tuple[ViewBatch, ...], context: Context) -> Memory:
        (view,) = history
        tokens, attention = self.tokens, self.attention
        inherent = tokens.inherent(view.items)
        cross = (
            tokens.actions(view.actions),
            tokens.scenarios(view.scenarios),
            tokens.ages(age_bucket(view.ages)),
        )
        whole = sum(cross, inherent)
        keys = attention.heads(attention.key(inherent))
        values = attention.heads(attention.value(whole * view.mask.unsqueeze(-1)))
        biases = [project(x) for project, x in zip(attention.cross, cross, strict=True)]
        bias = sum(biases[1:], biases[0]).masked_fill(~view.mask.unsqueeze(-1), MASKED)
        return Memory((keys, values, bias.transpose(1, 2)))

    def score(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        x = self.tokens.candidates(candidates, context)
        interest = self.attention(x, *memory.tree)
        logits: Tensor = self.head(self.mlp(torch.cat([interest, x], dim=-1)))
        return logits
