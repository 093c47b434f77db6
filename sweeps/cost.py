"""A rough forecast of a trial's time and memory, corrected by what finished runs took."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.trial import TrialConfig

# One thread, fp32, measured with the embedded models on 2 busy cores of a recent EPYC: a step takes
# a fixed time per layer for its many small operations, and its FLOPs at a rate that the width decides.
_STEP_SECONDS = 0.003
_LAYER_SECONDS = 0.004
_WIDTHS = (16, 32, 64, 128, 256, 512)
_RATES = (1.5e10, 2e10, 2.6e10, 3.5e10, 5e10, 6.5e10)

_BF16_WIDTHS, _BF16_GAINS = (32, 64, 128, 256), (0.8, 1.0, 1.4, 1.8)
_CUDA_GAIN = 300.0
"""The rate of a recent data-centre GPU over one core's; its steps take the same fixed time."""

_EVALUATION_FACTOR = 0.8
"""Speed of evaluation over training, per FLOP: its large batches leave the caches."""

OVERHEAD_SECONDS = 0.15
"""A trial without any training: start, first batch, record."""

_COUNTING_SECONDS, _SCORING_SECONDS = 3e-5, 3e-5
"""Counting and evaluating a reference, per request."""

_PROCESS_BYTES = 580e6
_NUMBERS_PER_TOKEN = 24
"""Activations kept for the backward pass, in widths per token and layer."""


@dataclass(frozen=True)
class Speed:
    """Measured over assumed training time, by (architecture, device, precision)."""

    ratios: Mapping[tuple[str, str, str], float]

    @staticmethod
    def of(rows: Iterable[Mapping[str, Any]]) -> Speed:
        """The median ratio over finished runs (rows of the run table)."""
        found: dict[tuple[str, str, str], list[float]] = {}
        for row in rows:
            if row.get("train_seconds") and row.get("compute") and row.get("steps"):
                key = (row["architecture"], row["device"], row["precision"])
                assumed = _assumed(
                    compute=row["compute"],
                    steps=row["steps"],
                    width=row["width"],
                    layers=_layers(row["depth"], row["blocks"]),
                    device=row["device"],
                    precision=row["precision"],
                    threads=row["threads"],
                )
                found.setdefault(key, []).append(row["train_seconds"] / assumed)
        return Speed({key: statistics.median(values) for key, values in found.items()})

    def seconds(self, trial: TrialConfig, steps: float, evaluation_flops: float) -> float:
        """Time of a trial: training, a pass over validation and test, and what it costs at all."""
        training, model = trial.training, trial.model
        place = (training.device, training.precision)
        alike = [ratio for key, ratio in self.ratios.items() if key[1:] == place]
        middle = statistics.median(alike) if alike else 1.0
        ratio = self.ratios.get((model.name, *place), middle)

        def assumed(compute: float, steps: float) -> float:
            return _assumed(
                compute=compute,
                steps=steps,
                width=model.width,
                layers=_layers(model.depth, model.blocks),
                device=training.device,
                precision=training.precision,
                threads=training.threads,
            )

        evaluation = assumed(evaluation_flops / _EVALUATION_FACTOR, 0)
        return OVERHEAD_SECONDS + ratio * (assumed(trial.budget, steps) + evaluation)


def counting_seconds(requests: float, evaluated: float) -> float:
    """Time of a reference's trial: one pass over the training part, one over what is evaluated."""
    return OVERHEAD_SECONDS + _COUNTING_SECONDS * requests + _SCORING_SECONDS * evaluated


def memory_bytes(trial: TrialConfig, params: int, embedding: int, candidates: float) -> float:
    """Peak memory: weights, gradients and AdamW's moments, embedding rows, activations, Python."""
    model = trial.model
    tokens = trial.training.batch_size * (model.seq_len + candidates * model.blocks)
    activations = 4.0 * tokens * model.width * (_NUMBERS_PER_TOKEN * model.depth + 8)
    base = _PROCESS_BYTES if trial.training.device == "cpu" else 0.0
    return base + 16.0 * params + 4.0 * embedding + activations


def _layers(depth: float, blocks: float) -> float:
    """Layers as the fixed time counts them: parallel blocks share part of it."""
    return depth * (1 + blocks) / 2


def _assumed(
    *,
    compute: float,
    steps: float,
    width: float,
    layers: float,
    device: str,
    precision: str,
    threads: float,
) -> float:
    """Seconds that the constants above give."""
    rate = float(np.exp(np.interp(np.log(width), np.log(_WIDTHS), np.log(_RATES))))
    if precision == "bf16":
        rate *= float(np.interp(width, _BF16_WIDTHS, _BF16_GAINS))
    rate *= _CUDA_GAIN if device.startswith("cuda") else threads
    return steps * (_STEP_SECONDS + _LAYER_SECONDS * layers) + compute / rate
