"""Popularity: an item's smoothed rate of each behaviour, the same for every user and moment.

A reference that is counted, not trained: what knowing the items alone is worth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scaling.batch import Batch, Candidates, Context, Schema, ViewBatch
from scaling.config import register
from scaling.models.base import MODELS, Memory
from scaling.models.reference import Reference, ReferenceConfig


@register(MODELS, "popularity")
@dataclass(frozen=True, kw_only=True)
class PopularityConfig(ReferenceConfig):
    """Reads no history; the view of length 1 is there because data sets want one."""

    strength: float = 10.0
    """Pseudo-examples at the base rate that every item starts with."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.strength > 0:
            raise ValueError(f"popularity.strength must be positive, got {self.strength}")

    def build(self, schema: Schema) -> Popularity:
        return Popularity(schema, self.strength)


class Popularity(Reference):
    """logit of (positives of the item + s * base rate) / (examples of the item + s), per behaviour.

    The posterior mean of a rate with a beta prior of strength s at the base rate (Gelman et al.,
    Bayesian Data Analysis, section 2.4).
    """

    start: Tensor
    """float64 [k]: the schema's label rates, from before anything is counted."""
    shown: Tensor
    """float64 [items]: examples of each item."""
    positives: Tensor
    """float64 [items, k]"""
    rates: Tensor
    """float64 [items, k]: smoothed."""

    def __init__(self, schema: Schema, strength: float) -> None:
        super().__init__()
        self.strength = strength
        k = schema.num_behaviours
        start = torch.tensor(schema.label_rates or (0.5,) * k, dtype=torch.float64)
        self.register_buffer("start", start)
        self.register_buffer("shown", torch.zeros(schema.num_items, dtype=torch.float64))
        self.register_buffer("positives", torch.zeros(schema.num_items, k, dtype=torch.float64))
        self.register_buffer("rates", start.expand(schema.num_items, k).clone())

    def count(self, batch: Batch) -> None:
        mask = batch.candidates.mask
        items, labels = batch.candidates.items[mask], batch.labels[mask]
        self.shown.index_add_(0, items, self.shown.new_ones(len(items)))
        self.positives.index_add_(0, items, labels.to(self.positives.dtype))

    def close(self) -> None:
        # One pseudo-example at the schema's rates: a behaviour never seen keeps a finite logit.
        base = (self.positives.sum(0) + self.start) / (self.shown.sum() + 1)
        examples = self.shown[:, None] + self.strength
        self.rates = (self.positives + self.strength * base) / examples

    def encode(self, history: tuple[ViewBatch, ...], context: Context) -> Memory:
        return Memory(())

    def score(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        return logits_of(self.rates[candidates.items])


def logits_of(rates: Tensor) -> Tensor:
    """Logits, as float32, of rates strictly between 0 and 1."""
    return (torch.log(rates) - torch.log1p(-rates)).float()
