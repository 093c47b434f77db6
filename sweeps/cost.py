"""A rough forecast of a trial's time and memory, corrected by what finished runs took."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.trial import TrialConfig

# Training FLOP/s of one thread at fp32 by width, all of a step included, measured with the
# embedded models on 2 cores of a recent EPYC.
_CPU_WIDTHS = (16, 32, 64, 128, 256, 512)
_CPU_RATES = (4e9, 9e9, 1.8e10, 3.2e10, 5e10, 6.5e10)

_BF16_GAIN = {16: 0.8, 32: 0.8, 64: 1.0, 128: 1.4, 256: 1.8, 512: 1.8}
_CUDA_GAIN = 100.0
"""A recent data-centre GPU against one core, once its batches are large enough."""

_EVALUATION_FACTOR = 1.5
"""Forward passes without gradients run faster, per FLOP, than training."""

OVERHEAD_SECONDS = 0.15
"""A trial without any training: start, first batch, record."""

_PROCESS_BYTES = 450e6
_NUMBERS_PER_TOKEN = 24
"""Activations kept for the backward pass, in widths per token and layer."""


@dataclass(frozen=True)
class Speed:
    """Measured over assumed speed, by (architecture, device, precision)."""

    ratios: Mapping[tuple[str, str, str], float]

    @staticmethod
    def of(rows: Iterable[Mapping[str, Any]]) -> Speed:
        """The median ratio over finished runs (rows of the run table)."""
        found: dict[tuple[str, str, str], list[float]] = {}
        for row in rows:
            if row.get("train_seconds") and row.get("compute"):
                key = (row["architecture"], row["device"], row["precision"])
                assumed = _assumed(row["width"], row["device"], row["precision"], row["threads"])
                measured = row["compute"] / row["train_seconds"]
                found.setdefault(key, []).append(measured / assumed)
        return Speed({key: statistics.median(values) for key, values in found.items()})

    def rate(self, trial: TrialConfig) -> float:
        """Training FLOP/s expected of a trial."""
        training = trial.training
        place = (training.device, training.precision)
        alike = [ratio for key, ratio in self.ratios.items() if key[1:] == place]
        middle = statistics.median(alike) if alike else 1.0
        ratio = self.ratios.get((trial.model.name, *place), middle)
        return ratio * _assumed(trial.model.width, *place, training.threads)


def seconds(trial: TrialConfig, rate: float, evaluation_flops: float) -> float:
    """Time of a trial: its budget, one pass over validation and test, and what it costs at all."""
    evaluation = evaluation_flops / (rate * _EVALUATION_FACTOR)
    return OVERHEAD_SECONDS + trial.budget / rate + evaluation


def memory_bytes(trial: TrialConfig, params: int, embedding: int, candidates: float) -> float:
    """Peak memory: weights, gradients and AdamW's moments, embedding rows, activations, Python."""
    model = trial.model
    tokens = trial.training.batch_size * (model.seq_len + candidates * model.blocks)
    activations = 4.0 * tokens * model.width * (_NUMBERS_PER_TOKEN * model.depth + 8)
    base = _PROCESS_BYTES if trial.training.device == "cpu" else 0.0
    return base + 16.0 * params + 4.0 * embedding + activations


def _assumed(width: float, device: str, precision: str, threads: float) -> float:
    rate = float(np.exp(np.interp(np.log(width), np.log(_CPU_WIDTHS), np.log(_CPU_RATES))))
    if precision == "bf16":
        rate *= float(np.interp(width, list(_BF16_GAIN), list(_BF16_GAIN.values())))
    return rate * (_CUDA_GAIN if device.startswith("cuda") else float(threads))
