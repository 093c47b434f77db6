"""The training loop: one trial from its configuration to its result."""

from __future__ import annotations

import functools
import math
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from scaling import evaluation, machine
from scaling.batch import Batch
from scaling.compute import TRAINING_FACTOR
from scaling.config import canonical_json
from scaling.datasets.base import Dataset, DatasetConfig
from scaling.optim import Optimizers
from scaling.results import CurvePoint, TrialResult
from scaling.trial import TrialConfig

CURVE_POINTS = 24
"""Points of the learning curve, evenly spaced in compute."""

DIVERGED = 4.0
"""A mean training loss this many times the first point's ends the trial."""


@dataclass(frozen=True)
class Progress:
    """Where a running trial stands."""

    share: float
    """Compute spent over budget, 0 .. 1."""
    examples: int
    steps: int
    loss: float
    """Mean training loss since the last point of the learning curve."""


class TrialRun:
    """A trial being trained; `advance` until `done`, then `finish`."""

    def __init__(self, trial: TrialConfig) -> None:
        self.trial = trial
        self._started = time.perf_counter()
        training, model = trial.training, trial.model
        torch.set_num_threads(training.threads)
        self._memory_counted = machine.reset_peak_memory(training.device)
        self._dataset = opened(trial.dataset)
        torch.manual_seed(trial.seed)
        self._ranker = model.build(self._dataset.schema).to(training.device)
        self._optimizers = Optimizers(self._ranker, training)
        self._views = model.views()
        self._full = np.array([[view.length for view in self._views]])
        self._batches = self._dataset.requests(
            "train", self._views, batch_size=training.batch_size, seed=trial.seed
        )
        self._train_seconds = 0.0
        self._counts = dict.fromkeys(
            ("compute", "compute_causal", "compute_nominal", "examples", "requests", "events"), 0.0
        )
        self._candidates: list[npt.NDArray[np.int64]] = []
        """Numbers of candidates of the batches since the last point of the curve."""
        self._steps = 0
        self._lr = 0.0
        self._window = _Window(training.device)
        self._curve: list[CurvePoint] = []
        self._failure = ""

    @property
    def done(self) -> bool:
        """Whether the budget is spent or the trial has diverged."""
        return bool(self._failure) or self._share >= 1

    @property
    def _share(self) -> float:
        return self._counts["compute"] / self.trial.budget

    def advance(self, seconds: float) -> Progress:
        """Train for about that long, or to the end if that comes first."""
        start = time.perf_counter()
        self._ranker.train()
        while not self.done and time.perf_counter() - start < seconds:
            self._step(next(self._batches))
            if self._share * CURVE_POINTS >= len(self._curve) + 1 or self._share >= 1:
                elapsed = self._train_seconds + time.perf_counter() - start
                self._close_point(elapsed)
        self._train_seconds += time.perf_counter() - start
        last = self._curve[-1].metrics["train_loss"] if self._curve else math.nan
        return Progress(
            share=min(self._share, 1.0),
            examples=int(self._counts["examples"]),
            steps=self._steps,
            loss=last,
        )

    def _step(self, batch: Batch) -> None:
        training = self.trial.training
        # The share before this batch: the first step is at the foot of the warm-up.
        share = self._share
        self._count(batch)
        if training.device == "cuda":
            batch = batch.pin_memory().to("cuda")
        with torch.autocast(training.device, torch.bfloat16, enabled=training.precision == "bf16"):
            logits = self._ranker(batch)
        loss = training_loss(logits, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        self._lr = self._optimizers.step(share)
        self._window.add(loss.detach())
        self._steps += 1

    def _count(self, batch: Batch) -> None:
        """Add the batch's requests and FLOPs to the totals."""
        model, schema = self.trial.model, self._dataset.schema
        lengths, candidates = batch.lengths(), batch.num_candidates()
        flops = model.flops(schema, lengths, candidates)
        self._counts["compute"] += TRAINING_FACTOR * float(flops.total.sum())
        self._counts["compute_causal"] += TRAINING_FACTOR * float(flops.total_causal.sum())
        self._candidates.append(candidates)
        self._counts["examples"] += int(candidates.sum())
        self._counts["requests"] += len(batch)
        self._counts["events"] += int(batch.distinct_events.sum())

    def _count_nominal(self) -> None:
        """FLOPs at full lengths of the batches since the last call: all at once costs least."""
        candidates = np.concatenate(self._candidates)
        full = np.broadcast_to(self._full, (len(candidates), self._full.shape[1]))
        nominal = self.trial.model.flops(self._dataset.schema, full, candidates)
        self._counts["compute_nominal"] += TRAINING_FACTOR * float(nominal.total.sum())
        self._candidates.clear()

    def _close_point(self, elapsed: float) -> None:
        self._count_nominal()
        loss = self._window.close()
        examples = int(self._counts["examples"])
        self._curve.append(
            CurvePoint(
                examples,
                {
                    "train_loss": loss,
                    "compute_spent": self._counts["compute"],
                    "lr_now": self._lr,
                    "train_examples_per_second": examples / elapsed,
                },
            )
        )
        first = self._curve[0].metrics["train_loss"]
        if not math.isfinite(loss):
            self._failure = f"training loss is {loss} by step {self._steps}"
        elif loss > DIVERGED * first:
            self._failure = (
                f"diverged: training loss {loss:.4g} by step {self._steps}, {first:.4g} at first"
            )

    def finish(self) -> TrialResult:
        """Evaluate and sum up."""
        values, notes, table = self._totals(), dict[str, str](), None
        training = self.trial.training
        if not self._failure:
            behaviours = self._dataset.schema.behaviours
            for split, prefix in (("validation", "validation_"), ("test", "")):
                predictions = evaluation.predict(
                    self._ranker,
                    self._dataset,
                    split,  # type: ignore[arg-type]
                    self._views,
                    training.device,
                    training.precision,
                )
                if not np.isfinite(predictions.logits).all():
                    self._failure = f"predictions on the {split} part are not finite"
                    break
                found, absent = evaluation.summarise(predictions, behaviours)
                values |= {prefix + name: value for name, value in found.items()}
                notes |= {prefix + name: reason for name, reason in absent.items()}
                if split == "test":
                    table = evaluation.paired_table(predictions, behaviours)
        values |= {name: float(v) for name, v in self._dataset.known_truth().items()}
        if self._memory_counted:
            values["peak_memory_bytes"] = float(machine.peak_memory(training.device))
        values["wall_seconds"] = time.perf_counter() - self._started
        return TrialResult(
            status="failed" if self._failure else "finished",
            reason=self._failure,
            metrics={name: value for name, value in values.items() if math.isfinite(value)},
            texts={
                "split": str(getattr(self.trial.dataset, "split", "own users")),
                "precision": training.precision,
                "device": training.device,
            },
            curve=[p for p in self._curve if math.isfinite(p.metrics["train_loss"])],
            evaluation=table,
            notes=notes,
        )

    def _totals(self) -> dict[str, float]:
        counts, training = self._counts, self.trial.training
        size = self._dataset.size("train")
        examples = counts["examples"]
        requests = max(counts["requests"], 1.0)
        seconds = max(self._train_seconds, 1e-9)
        dense, embedding = self.trial.model.num_params(self._dataset.schema)
        peak = machine.gemm_peak(training.device, training.precision, training.threads)
        return {
            "params": dense,
            "params_embedding": embedding,
            "compute": counts["compute"],
            "compute_causal": counts["compute_causal"],
            "compute_nominal": counts["compute_nominal"],
            "flops_per_request": counts["compute"] / TRAINING_FACTOR / requests,
            "examples": examples,
            "unique_examples": examples if size is None else min(examples, size.examples),
            "requests": counts["requests"],
            "candidates_per_request": examples / requests,
            "events_per_request": counts["events"] / requests,
            "steps": self._steps,
            "epochs": 1.0 if size is None else counts["requests"] / size.requests,
            "train_seconds": self._train_seconds,
            "examples_per_second": examples / seconds,
            "mfu": counts["compute_causal"] / seconds / peak,
        }


class _Window:
    """Mean loss since the last point, summed on the device so that no step waits for it."""

    def __init__(self, device: str) -> None:
        self._sum = torch.zeros((), dtype=torch.float64, device=device)
        self._count = 0

    def add(self, loss: Tensor) -> None:
        self._sum += loss
        self._count += 1

    def close(self) -> float:
        mean = float(self._sum) / max(self._count, 1)
        self._sum.zero_()
        self._count = 0
        return mean


def training_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Binary cross-entropy, mean over behaviours and over the batch's real candidates."""
    mask = batch.candidates.mask
    return F.binary_cross_entropy_with_logits(logits.float()[mask], batch.labels[mask])


def opened(config: DatasetConfig) -> Dataset:
    """The data set, opened once per process: the next trial of a reused worker finds it ready."""
    return _opened(canonical_json(config.to_dict()), config)


@functools.lru_cache(maxsize=2)
def _opened(key: str, config: DatasetConfig) -> Dataset:
    return config.open()
