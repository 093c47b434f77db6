"""A rough forecast of a step's time and of a trial's memory, from constants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.config import Config
from scaling.trial import Precision, TrialConfig

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

START_SECONDS = 6.0
"""From the launch of a sweep to its first trial: MLflow, Ray, the worker processes (5.6 s where
measured)."""

_COUNTING_SECONDS, _SCORING_SECONDS = 3e-5, 3e-5
"""Counting and evaluating a reference, per request."""

_PROCESS_BYTES = 580e6
_NUMBERS_PER_TOKEN = 24
"""Activations kept for the backward pass, in widths per token and layer."""


@dataclass(frozen=True, kw_only=True)
class Shape(Config):
    """What the time of a step depends on; trials of one shape are equally fast."""

    architecture: str
    variant: str
    depth: int
    width: int
    seq_len: int
    blocks: int
    data: str
    """Fingerprint of the data set: lengths and numbers of candidates."""
    batch_size: int
    precision: Precision
    threads: int
    device: str
    workers: int = 1

    @staticmethod
    def of(trial: TrialConfig) -> Shape:
        model, training = trial.model, trial.training
        return Shape(
            architecture=model.name,
            variant=model.variant,
            depth=model.depth,
            width=model.width,
            seq_len=model.seq_len,
            blocks=model.blocks,
            data=trial.dataset.fingerprint(),
            batch_size=training.batch_size,
            precision=training.precision,
            threads=training.threads,
            device=training.device,
            workers=training.workers,
        )

    @property
    def place(self) -> tuple[str, str]:
        """Where speeds can be compared."""
        return self.device, self.precision

    def parts(self, flops: float) -> tuple[float, float, float]:
        """Assumed seconds of a step of `flops`: its fixed part, that of the layers, the FLOPs'."""
        # Parallel blocks share part of the fixed time of a layer.
        layers = self.depth * (1 + self.blocks) / 2
        rate = float(np.exp(np.interp(np.log(self.width), np.log(_WIDTHS), np.log(_RATES))))
        if self.precision == "bf16":
            rate *= float(np.interp(self.width, _BF16_WIDTHS, _BF16_GAINS))
        rate *= _CUDA_GAIN if self.device.startswith("cuda") else self.threads
        rate *= self.workers
        return _STEP_SECONDS, _LAYER_SECONDS * layers, flops / rate

    def evaluation_seconds(self, flops: float) -> float:
        """Assumed seconds of an evaluation that costs `flops`."""
        return self.parts(flops)[2] / _EVALUATION_FACTOR


def counting_seconds(requests: float, evaluated: float) -> float:
    """Time of a reference's trial: one pass over the training part, one over what is evaluated."""
    return OVERHEAD_SECONDS + _COUNTING_SECONDS * requests + _SCORING_SECONDS * evaluated


def memory_bytes(trial: TrialConfig, params: int, embedding: int, candidates: float) -> float:
    """Peak memory: weights, gradients and AdamW's moments, embedding rows, activations, Python."""
    model, most = trial.model, trial.training.items_per_record
    histories = max(candidates / most, 1.0) if most else 1.0
    events = histories * model.seq_len
    tokens = trial.training.batch_size * (events + candidates * model.blocks)
    activations = 4.0 * tokens * model.width * (_NUMBERS_PER_TOKEN * model.depth + 8)
    base = _PROCESS_BYTES if trial.training.device == "cpu" else 0.0
    return base + 16.0 * params + 4.0 * embedding + activations
