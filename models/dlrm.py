"""DLRM: one vector per feature, the dot product of every two of them, an MLP on the products.

Naumov et al., Deep Learning Recommendation Model for Personalization and Recommendation Systems,
2019, section 2.2. No feature is summed with another before they interact:

* of a candidate: its item and each of its attributes;
* of a request: scenario, each attribute, and the dense features through the bottom MLP;
* of the history: means of the events' tokens, over all events and over those with each behaviour,
  both of the whole view and of its `RECENT` newest events. That is how such models are fed: lists
  of what was clicked, liked, ..., in a long and a short window. Their lengths, log(1 + count), are
  the dense features.

What the MLP reads is the bottom MLP's vector and the dot products over sqrt(d). Shapes: b requests,
n events, m candidates, d width, p pools, u features of the request and history, c of a candidate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from scaling import compute
from scaling.batch import Candidates, Context, Schema, ViewBatch
from scaling.compute import Flops
from scaling.config import register
from scaling.models.base import MODELS, Memory, Ranker, check_sizes
from scaling.models.head import Head
from scaling.models.mlp import MLP, dense
from scaling.models.one_view import OneViewConfig
from scaling.models.tokens import Tokens

RECENT = 16
"""Events of the short window."""


@register(MODELS, "dlrm")
@dataclass(frozen=True, kw_only=True)
class DlrmConfig(OneViewConfig):
    """`depth` counts the hidden layers of the top MLP; the bottom MLP has one.

    FLOPs: pooling is a product of weights and tokens; dot products are counted as whole matrices of
    features by features, both triangles, those within a request once per request.
    """

    def __post_init__(self) -> None:
        check_sizes(self)

    def build(self, schema: Schema) -> Dlrm:
        return Dlrm(self, schema)

    def params(self, schema: Schema) -> Mapping[str, int]:
        features = Features(schema)
        return {
            **Tokens.params(schema, self.width),
            "bottom": (features.pools + 1) * self.width,
            **MLP.params(self.width + features.products, self.width, self.depth),
            **Head.params(schema, self.width, self.width),
        }

    def flops(
        self, schema: Schema, lengths: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]
    ) -> Flops:
        d, features = self.width, Features(schema)
        u, c, once = features.of_request, features.of_candidate, np.ones(len(candidates))
        components = {
            "history.pooling": compute.linear(lengths[:, 0], features.pools, d),
            "history.bottom": compute.linear(once, features.pools, d),
            "history.interactions": compute.linear(once, u * u, d),
            "candidates.interactions": compute.linear(candidates, c * (u + c), d),
            **MLP.flops(d + features.products, d, self.depth, candidates),
            **Head.flops(schema, d, d, candidates),
        }
        return Flops(components, causal_discount=np.zeros(len(candidates)))


class Features:
    """How many vectors interact."""

    def __init__(self, schema: Schema) -> None:
        self.pools = 2 * (1 + schema.num_behaviours)
        self.of_request = 2 + len(schema.request_attributes) + self.pools
        self.of_candidate = 1 + len(schema.item_attributes)
        both = self.of_request + self.of_candidate
        self.products = both * (both - 1) // 2


class Dlrm(Ranker):
    """See `DlrmConfig`. The memory is the features of request and history and their products."""

    pool_of_action: Tensor

    def __init__(self, config: DlrmConfig, schema: Schema) -> None:
        super().__init__()
        width, features = config.width, Features(schema)
        self.tokens = Tokens(schema, width)
        self.bottom = nn.Sequential(dense(features.pools, width), nn.SiLU())
        self.mlp = MLP(width + features.products, width, config.depth)
        self.head = Head(schema, width, width)
        labels = torch.tensor(schema.action_labels, dtype=torch.bool)
        every = torch.ones(len(labels), 1, dtype=torch.bool)
        self.register_buffer("pool_of_action", torch.cat([every, labels], 1), persistent=False)

    def quantizable(self) -> Any:
        return True

    def encode(self, history: tuple[ViewBatch, ...], context: Context) -> Memory:
        (view,) = history
        tokens = self.tokens
        events = tokens.events(view)
        members = self._members(view).to(events.dtype)
        counts = members.sum(-1)
        pooled = members @ events / counts.clamp(min=1).unsqueeze(-1)
        bottom = self.bottom(torch.log1p(counts))
        request = [bottom, *tokens.request_features(context)]
        features = torch.cat([torch.stack(request, 1), pooled.to(bottom.dtype)], dim=1)
        return Memory((features, bottom, _products(features)))

    def _members(self, view: ViewBatch) -> Tensor:
        """Which events each pool holds, bool [b, p, n]: whole view, then newest events."""
        whole = self.pool_of_action[view.actions] & view.mask.unsqueeze(-1)
        later = view.mask.flip(-1).cumsum(-1).flip(-1)
        recent = whole & (later <= RECENT).unsqueeze(-1)
        return torch.cat([whole, recent], -1).transpose(1, 2)

    def score(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        request, bottom, within = memory.tree
        own = torch.stack(self.tokens.item_features(candidates.items), dim=2)
        across = own.flatten(1, 2) @ request.transpose(1, 2) / request.shape[-1] ** 0.5
        across = across.view(*own.shape[:2], -1)
        once = torch.cat([bottom, within], -1).unsqueeze(1).expand(-1, own.shape[1], -1)
        x = torch.cat([once, across, _products(own)], dim=-1)
        logits: Tensor = self.head(self.mlp(x))
        return logits


def _products(features: Tensor) -> Tensor:
    """Dot product of every two of f vectors over sqrt(d), [..., f (f - 1) / 2]."""
    count, width = features.shape[-2:]
    row, column = torch.tril_indices(count, count, -1, device=features.device)
    gram = features @ features.transpose(-1, -2)
    products: Tensor = gram[..., row, column] / width**0.5
    return products
