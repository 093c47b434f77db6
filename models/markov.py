"""Markov: how often a candidate is taken right after the history's last event.

A reference that is counted, not trained: what knowing the items and the last event is worth. First
order, as the transition graphs of Rendle, Freudenthaler and Schmidt-Thieme, "Factorizing
Personalized Markov Chains", WWW 2010, without their factors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scaling.batch import Batch, Candidates, Context, Schema, ViewBatch
from scaling.config import register
from scaling.models.base import MODELS, Memory
from scaling.models.popularity import Popularity, logits_of
from scaling.models.reference import Reference, ReferenceConfig

_PENDING = 1 << 20
"""Examples that wait to be merged into the table: sorting more at once costs less."""


@register(MODELS, "markov")
@dataclass(frozen=True, kw_only=True)
class MarkovConfig(ReferenceConfig):
    """Rates of (last event, candidate), backing off to the candidate's popularity."""

    strength: float = 30.0
    """Pseudo-examples at the candidate's popularity that every pair starts with."""
    popularity_strength: float = 10.0
    """Pseudo-examples at the base rate that every item starts with; see `popularity`."""
    action: bool = True
    """Whether the last event is its item and its action (a liked song), or the item alone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("strength", "popularity_strength"):
            if not getattr(self, field) > 0:
                raise ValueError(f"markov.{field} must be positive, got {getattr(self, field)}")

    def build(self, schema: Schema) -> Markov:
        return Markov(self, schema)


class Markov(Reference):
    """logit of (positives of the pair + s * popularity) / (examples of the pair + s).

    Pairs are kept sparsely, sorted by one int64 key: at most one row per example that was read
    (16 + 8 k bytes each), however large the catalogue. A request without history, or a pair never
    seen, scores as the candidate's popularity.
    """

    keys: Tensor
    """int64 [pairs], ascending: last event * items + candidate."""
    shown: Tensor
    """float64 [pairs]"""
    positives: Tensor
    """float64 [pairs, k]"""

    def __init__(self, config: MarkovConfig, schema: Schema) -> None:
        super().__init__()
        self.strength, self.items = config.strength, schema.num_items
        self.actions = schema.num_actions if config.action else 1
        if self.items**2 * self.actions >= 2**63:
            raise ValueError(
                f"markov can't number the pairs of {self.items} items and {self.actions} actions"
            )
        self.popularity = Popularity(schema, config.popularity_strength)
        self.register_buffer("keys", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("shown", torch.zeros(0, dtype=torch.float64))
        self.register_buffer(
            "positives", torch.zeros(0, schema.num_behaviours, dtype=torch.float64)
        )
        self._waiting: list[tuple[Tensor, Tensor]] = []
        self._num_waiting = 0

    def count(self, batch: Batch) -> None:
        self.popularity.count(batch)
        pairs = self._pairs(self._last(batch.history), batch.candidates)
        counted = batch.candidates.mask & (pairs >= 0)
        self._waiting.append((pairs[counted], batch.labels[counted].to(self.positives.dtype)))
        self._num_waiting += int(counted.sum())
        if self._num_waiting >= _PENDING:
            self._merge()

    def close(self) -> None:
        self.popularity.close()
        self._merge()

    def encode(self, history: tuple[ViewBatch, ...], context: Context) -> Memory:
        return Memory((self._last(history),))

    def score(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        rates = self.popularity.rates[candidates.items]
        if len(self.keys):
            (last,) = memory.tree
            pairs = self._pairs(last, candidates)
            place = torch.searchsorted(self.keys, pairs).clamp(max=len(self.keys) - 1)
            found = (self.keys[place] == pairs).unsqueeze(-1)
            positives = self.positives[place] * found
            shown = self.shown[place].unsqueeze(-1) * found
            rates = (positives + self.strength * rates) / (shown + self.strength)
        return logits_of(rates)

    def _last(self, history: tuple[ViewBatch, ...]) -> Tensor:
        """int64 [b]: the number of each request's last event; -1 without one."""
        (view,) = history
        number = view.items
        if self.actions > 1:
            number = number * self.actions + view.actions
        # A view of length 1 holds one event or none; a batch without any may be of width 0.
        return ((number + 1) * view.mask).sum(1) - 1

    def _pairs(self, last: Tensor, candidates: Candidates) -> Tensor:
        """int64 [b, m]: keys; negative where the request has no last event."""
        return torch.where(last[:, None] >= 0, last[:, None] * self.items + candidates.items, -1)

    def _merge(self) -> None:
        """Add what waits to the table."""
        if not self._waiting:
            return
        keys, labels = (torch.cat(parts) for parts in zip(*self._waiting))
        self._waiting, self._num_waiting = [], 0
        together, place = torch.unique(torch.cat([self.keys, keys]), return_inverse=True)
        ones = self.shown.new_ones(len(keys))
        shown = torch.cat([self.shown, ones])
        self.shown = shown.new_zeros(len(together)).index_add_(0, place, shown)
        positives = torch.cat([self.positives, labels])
        self.positives = positives.new_zeros(len(together), positives.shape[1]).index_add_(
            0, place, positives
        )
        self.keys = together
