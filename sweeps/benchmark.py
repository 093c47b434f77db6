"""Benchmark of training: examples and FLOPs per second, beside the matrix-product peak of now.

The steps are a trial's own (`TrialRun.advance`): batches, forward and backward pass, optimizers and
the counting of FLOPs. Cells to be compared take turns, and the peak is measured between the turns,
because the clock of a shared machine varies.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from scaling import machine
from scaling.batch import Batch
from scaling.datasets.base import Dataset, DatasetConfig
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.astro import AstroConfig
from scaling.models.base import MODELS, ModelConfig, Ranker
from scaling.models.transformer import TransformerConfig
from scaling.sweeps.recipe import Recipe
from scaling.training import TrialRun
from scaling.trial import Precision, TrainingConfig, TrialConfig

STRATEGIES = ("recent", "finish", "lifetime", "no_finish", "no_like", "no_share", "like", "share")
"""What the blocks of a multi-block model read: the views that real histories fill come first."""

TOKENS_PER_STEP = 4096
"""Events per step, nominally, where the batch size is left open."""

WARM_UP_STEPS = 3
REPETITIONS = 8

_LEAST_SLICE = 0.01
"""Seconds; enough for `advance` to make a step."""

_EVENTS_PER_REQUEST = 12
"""Of the synthetic data, about."""
_LIFE = 10
"""A life is this many times the sequence length: the mean request reads 95 % of its window."""
_CHUNK = 256 * 160
"""Requests of a generated chunk, as by default."""


@dataclass(frozen=True)
class Repetition:
    """What some consecutive steps took and did."""

    steps: int
    seconds: float
    cpu_seconds: float
    """Of the whole process."""
    requests: float
    examples: float
    """Labelled candidates."""
    tokens: float
    """Real events read, summed over the views."""
    flops: float
    """Training FLOPs, dense counting."""
    flops_causal: float
    """As `flops`, without the masked half of causal attention."""

    @property
    def speed(self) -> float:
        """FLOP/s, causal half counted."""
        return self.flops_causal / self.seconds


@dataclass(frozen=True)
class Speed:
    """One cell: the median and the best of its repetitions, and the peak measured among them."""

    trial: TrialConfig
    median: Repetition
    best: Repetition
    peak: float
    """FLOP/s of a large matrix product, the best of all turns."""

    def row(self) -> dict[str, Any]:
        """The figures as plain data; rates are those of the median repetition."""
        model, training, middle = self.trial.model, self.trial.training, self.median
        return {
            "architecture": model.name,
            "blocks": model.blocks,
            "depth": model.depth,
            "width": model.width,
            "seq_len": model.seq_len,
            "mean_length": middle.tokens / middle.requests,
            "precision": training.precision,
            "device": training.device,
            "threads": training.threads,
            "batch_size": training.batch_size,
            "candidates_per_request": middle.examples / middle.requests,
            "steps": middle.steps,
            "step_seconds": middle.seconds / middle.steps,
            "best_step_seconds": self.best.seconds / self.best.steps,
            "flops_per_step": middle.flops / middle.steps,
            "flops_causal_per_step": middle.flops_causal / middle.steps,
            "examples_per_second": middle.examples / middle.seconds,
            "tokens_per_second": middle.tokens / middle.seconds,
            "flops_per_second": middle.flops / middle.seconds,
            "flops_causal_per_second": middle.speed,
            "gemm_peak": self.peak,
            "ratio": middle.flops / middle.seconds / self.peak,
            "ratio_causal": middle.speed / self.peak,
            "best_ratio_causal": self.best.speed / self.peak,
            "best_ratio": self.best.flops / self.best.seconds / self.peak,
            "cpu_ratio_causal": middle.flops_causal
            * training.threads
            / middle.cpu_seconds
            / self.peak
            if training.device == "cpu"
            else None,
            "busy": middle.cpu_seconds / middle.seconds / training.threads
            if training.device == "cpu"
            else None,
        }


class TimedRun(TrialRun):
    """A trial that is timed instead of finished."""

    def __init__(self, trial: TrialConfig) -> None:
        super().__init__(trial)
        self._tokens = 0.0

    @property
    def ranker(self) -> Ranker:
        """The model that is trained."""
        return self._ranker

    @property
    def dataset(self) -> Dataset:
        """What it is trained on."""
        return self._dataset

    def train_on(self, batch: Batch) -> None:
        """One step on a batch of the caller's."""
        self._step(batch)

    def _step(self, batch: Batch) -> None:
        self._tokens += float(batch.lengths().sum())
        super()._step(batch)

    def repeat(self, seconds: float, steps: int = 1) -> Repetition:
        """Train for about that long, and for so many steps at least."""
        before, begin = self._state(), self._now()
        while (left := seconds - (time.perf_counter() - begin[0])) > 0 or (
            self._steps - before["steps"] < steps
        ):
            self.advance(max(left, _LEAST_SLICE))
        if self._failure:
            raise ValueError(f"{self.trial.model.name}: {self._failure}")
        end = self._now()
        after = self._state()
        done = {name: after[name] - before[name] for name in before}
        return Repetition(
            steps=int(done["steps"]),
            seconds=end[0] - begin[0],
            cpu_seconds=end[1] - begin[1],
            requests=done["requests"],
            examples=done["examples"],
            tokens=done["tokens"],
            flops=done["compute"],
            flops_causal=done["compute_causal"],
        )

    def _state(self) -> dict[str, float]:
        return {**self._counts, "steps": float(self._steps), "tokens": self._tokens}

    def _now(self) -> tuple[float, float]:
        if self.trial.training.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()


def measure(
    trials: Sequence[TrialConfig], seconds: float, repetitions: int = REPETITIONS
) -> list[Speed]:
    """The speed of every trial; they take turns, and each is trained for about `seconds`."""
    runs = [TimedRun(trial) for trial in trials]
    for run in runs:
        run.repeat(0.0, WARM_UP_STEPS)
    found: list[list[Repetition]] = [[] for _ in runs]
    peaks: dict[Precision, list[float]] = {run.trial.training.precision: [] for run in runs}
    for _ in range(repetitions):
        for run, repeated in zip(runs, found):
            peaks[run.trial.training.precision].append(peak_now(run.trial.training))
            repeated.append(run.repeat(seconds / repetitions))
    for run in runs:
        peaks[run.trial.training.precision].append(peak_now(run.trial.training))
    speeds = []
    for run, repeated in zip(runs, found):
        ranked = sorted(repeated, key=lambda repetition: repetition.speed)
        peak = max(peaks[run.trial.training.precision])
        speeds.append(Speed(run.trial, ranked[(len(ranked) - 1) // 2], ranked[-1], peak))
    return speeds


def peak_now(training: TrainingConfig) -> float:
    """FLOP/s of a large matrix product at this moment, not the one remembered."""
    return machine.gemm_peak.__wrapped__(training.device, training.precision, training.threads)


def timed_trial(
    model: ModelConfig,
    dataset: DatasetConfig,
    *,
    batch_size: int | None = None,
    precision: Precision = "fp32",
    device: str = "cpu",
    threads: int = 1,
) -> TrialConfig:
    """A trial without end; its batches hold `TOKENS_PER_STEP` nominal events if left open."""
    if batch_size is None:
        batch_size = max(1, round(TOKENS_PER_STEP / model.seq_len))
    recipe = Recipe(batch_size=batch_size, precision=precision, device=device, threads=threads)
    return TrialConfig(
        model=model, dataset=dataset, training=recipe.training_for(model), budget=1e30, seed=0
    )


def model_of(
    architecture: str, *, depth: int, width: int, seq_len: int, blocks: int = 1
) -> ModelConfig:
    """An architecture at one size with its own defaults; those without blocks ignore `blocks`.

    Raises:
        ValueError: an unknown or counted architecture, or sizes that it refuses.
    """
    kind = MODELS.get(architecture)
    if kind.role != "trained":
        raise ValueError(f"{architecture} is counted, not trained: it has no training speed")
    own: dict[str, Any] = {}
    if "strategies" in {field.name for field in dataclasses.fields(kind)}:
        if not 1 <= blocks <= len(STRATEGIES):
            raise ValueError(f"blocks must be 1 to {len(STRATEGIES)}, got {blocks}")
        own["strategies"] = STRATEGIES[:blocks]
    return kind(depth=depth, width=width, seq_len=seq_len, **own)


def models_reading(
    dataset: DatasetConfig, *, depth: int, width: int, seq_len: int
) -> list[ModelConfig]:
    """A transformer, and ASTRO with a block of recent events and one of the first behaviour's."""
    strategies = ("recent", dataset.open().schema.behaviours[0])
    return [
        TransformerConfig(depth=depth, width=width, seq_len=seq_len),
        AstroConfig(depth=depth, width=width, seq_len=seq_len, strategies=strategies),
    ]


def histories_of(seq_len: int) -> SyntheticConfig:
    """The embedded data with lives so long that the mean request fills 95 % of a window."""
    life = max(160, math.ceil(_LIFE * seq_len / _EVENTS_PER_REQUEST))
    return SyntheticConfig(requests_per_user=life, chunk_users=max(16, round(_CHUNK / life)))


def compared(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with two relations beside them, absent where there is nothing to compare with.

    `time_over_transformer`: step time over the transformer's at equal (dense) FLOPs and precision.
    `over_fp32`: step speed over the same model's in fp32.
    """
    related = []
    for row in rows:
        same = [other for other in rows if other["precision"] == row["precision"]]
        baseline = [other for other in same if other["architecture"] == "transformer"]
        full = [
            other
            for other in rows
            if other["precision"] == "fp32"
            and (other["architecture"], other["blocks"]) == (row["architecture"], row["blocks"])
        ]
        related.append(
            {
                **row,
                "time_over_transformer": baseline[0]["flops_per_second"] / row["flops_per_second"]
                if baseline
                else None,
                "over_fp32": row["flops_per_second"] / full[0]["flops_per_second"]
                if full
                else None,
            }
        )
    return related
