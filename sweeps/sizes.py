"""What a request costs a model: at full lengths, and on the average of a data set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.batch import Schema
from scaling.compute import TRAINING_FACTOR
from scaling.datasets.base import Dataset
from scaling.models.base import ModelConfig
from scaling.records import counts

SAMPLED_REQUESTS = 2048
"""Of the training part, to know what a request costs on the average."""


@dataclass(frozen=True)
class RequestCost:
    """Means over the training part."""

    flops: float
    """Forward FLOPs of a request at its real lengths."""
    candidates: float

    @property
    def training_flops(self) -> float:
        return TRAINING_FACTOR * self.flops

    @property
    def flops_per_example(self) -> float:
        """Forward FLOPs of a request over its candidates."""
        return self.flops / self.candidates


def request_cost(model: ModelConfig, data: Dataset, items_per_record: int) -> RequestCost:
    """Mean cost of a training request in records of `TrainingConfig.items_per_record`."""
    lengths, candidates = data.sample("train", model.views(), SAMPLED_REQUESTS)
    flops = model.flops(data.schema, *counts(lengths, candidates, items_per_record)).total
    return RequestCost(float(flops.sum()) / len(candidates), float(candidates.mean()))


def full_flops(model: ModelConfig, schema: Schema) -> float:
    """Forward FLOPs at full lengths and with as many candidates as the data set ever has."""
    lengths = np.array([[view.length for view in model.views()]])
    return float(model.flops(schema, lengths, np.array([schema.max_candidates])).total[0])


def rounded(number: float) -> float:
    """To three digits: a budget that was computed still is a declared number."""
    return float(f"{number:.3g}")
