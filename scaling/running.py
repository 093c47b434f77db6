"""A trial in progress: what training and counting share, from the opened data to the result."""

from __future__ import annotations

import functools
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from scaling import evaluation, machine
from scaling.batch import Batch, Schema
from scaling.batch_check import first_checked
from scaling.compute import TRAINING_FACTOR
from scaling.config import canonical_json
from scaling.datasets.base import Dataset, DatasetConfig
from scaling.diagnostics import metric_name
from scaling.models.base import Ranker
from scaling.prefetch import Prefetched
from scaling.results import CurvePoint, TrialResult
from scaling.trial import TrialConfig


@dataclass(frozen=True)
class Progress:
    """Where a running trial stands."""

    share: float
    """Of its budget, or of the requests to count, 0 .. 1."""
    examples: int
    steps: int
    loss: float
    """Mean training loss since the last point of the learning curve; NaN before the first."""
    curve: tuple[tuple[int, float], ...] = ()
    """The learning curve so far: examples seen and mean training loss since the point before."""
    seconds: float = 0.0
    """Of training."""


class Run(ABC):
    """A trial on its way: `advance` until `done`, then `finish`."""

    role: ClassVar[str]
    """Of the models it is for; see `ModelConfig.role`."""

    _batches: Iterator[Batch] = iter(())
    """None before there is a data set to read: a run may be closed that early."""

    def __init__(self, trial: TrialConfig) -> None:
        if trial.model.role != self.role:
            raise ValueError(
                f"{type(self).__name__} is for {self.role} models, and {trial.model.name} is a "
                f"{trial.model.role} one; see scaling.start.start_run"
            )
        self.trial = trial
        self._started = time.perf_counter()
        training, model = trial.training, trial.model
        torch.set_num_threads(training.threads)
        machine.keep_freed_memory()
        self._memory_counted = machine.reset_peak_memory(training.device)
        self._peak_memory = 0
        """Of what was restored."""
        self._dataset = opened(trial.dataset)
        torch.manual_seed(trial.seed)
        self._ranker: Ranker = model.build(self._dataset.schema).to(training.device)
        self._views = model.views()
        self._batches = self._batches_from(0)
        self._train_seconds = 0.0
        self._counts = dict.fromkeys(
            (
                "compute",
                "compute_causal",
                "compute_nominal",
                "single",
                "examples",
                "requests",
                "events",
            ),
            0.0,
        )
        self._steps = 0
        self._curve: list[CurvePoint] = []
        self._failure = ""

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether there is nothing left but to `finish`."""

    def trained(self) -> tuple[Ranker, Schema]:
        """The model as far as it is trained, and the schema it was built for."""
        return self._ranker, self._dataset.schema

    def close(self) -> None:
        """Give back what outlives the run's own memory; called whether it ended well or not."""
        self._stop_reading()

    @abstractmethod
    def advance(self, seconds: float, share: float = 1.0) -> Progress:
        """Go on for about that long, a step at least, or to the end if that comes first.

        Not further than that `share` of the budget, where the trial has not come as far yet.
        """

    def state(self) -> dict[str, Any]:
        """Everything that decides the rest of the trial: plain data, and tensors that live on.

        A new run of the trial that `restore`s it, in another process too, ends with the same numbers
        (on a CPU to the last bit) as this one, times aside.
        """
        cuda = self.trial.training.device == "cuda"
        return {
            "model": self._ranker.state_dict(),
            "generator": torch.get_rng_state(),
            "cuda_generator": torch.cuda.get_rng_state() if cuda else None,
            "steps": self._steps,
            "counts": dict(self._counts),
            "curve": [(point.examples, point.metrics) for point in self._curve],
            "failure": self._failure,
            "train_seconds": self._train_seconds,
            "wall_seconds": time.perf_counter() - self._started,
            "peak_memory": self._peak(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take on the `state` of an earlier run of this trial.

        Seconds add up: those of work that was done twice are counted once.
        """
        self._ranker.load_state_dict(state["model"])
        torch.set_rng_state(state["generator"])
        if state["cuda_generator"] is not None:
            torch.cuda.set_rng_state(state["cuda_generator"])
        self._steps = state["steps"]
        self._stop_reading()
        self._batches = self._batches_from(self._steps)
        self._counts = dict(state["counts"])
        self._curve = [CurvePoint(examples, metrics) for examples, metrics in state["curve"]]
        self._failure = state["failure"]
        self._train_seconds = state["train_seconds"]
        self._started -= state["wall_seconds"]
        self._peak_memory = state["peak_memory"]

    def _batches_from(self, step: int) -> Iterator[Batch]:
        """The training batches from that step on."""
        options = {"batch_size": self.trial.training.batch_size, "seed": self.trial.seed}
        batches = (
            self._dataset.requests_from(step, self._views, **options)
            if step
            else self._dataset.requests("train", self._views, **options)
        )
        checked = first_checked(batches, self._dataset.schema, self._views)
        if self.trial.training.device != "cuda":
            return checked
        # A GPU waits for its batches. On a CPU they take a few per cent of a small model's step, and a
        # second thread would take a core from another trial.
        return Prefetched(batch.pin_memory() for batch in checked)

    def _stop_reading(self) -> None:
        if isinstance(self._batches, Prefetched):
            self._batches.close()

    def _peak(self) -> int:
        """Peak bytes, 0 where they can't be counted."""
        if not self._memory_counted:
            return 0
        return max(machine.peak_memory(self.trial.training.device), self._peak_memory)

    def _count(self, batch: Batch) -> None:
        """Add the batch's requests, examples and events to the totals."""
        candidates = batch.num_candidates()
        self._counts["examples"] += int(candidates.sum())
        self._counts["requests"] += len(batch)
        self._counts["events"] += int(batch.distinct_events.sum())
        # As if every candidate came in a request of its own, with the history paid each time.
        model, alone = self.trial.model, np.ones_like(candidates)
        single = model.flops(self._dataset.schema, batch.lengths(), alone).total
        self._counts["single"] += float((single * candidates).sum())

    def finish(self) -> TrialResult:
        """Evaluate and sum up."""
        training = self.trial.training
        told = {metric_name(name): value for name, value in self._ranker.diagnostics().items()}
        values, notes, table = told | self._totals(), dict[str, str](), None
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
            values["peak_memory_bytes"] = float(self._peak())
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
        totals = {
            "params": dense,
            "params_embedding": embedding,
            "compute": counts["compute"],
            "compute_causal": counts["compute_causal"],
            "compute_nominal": counts["compute_nominal"],
            "flops_per_request": counts["compute"] / TRAINING_FACTOR / requests,
            "flops_per_request_single": counts["single"] / max(examples, 1.0),
            "examples": examples,
            "unique_examples": examples if size is None else min(examples, size.examples),
            "requests": counts["requests"],
            "candidates_per_request": examples / requests,
            "events_per_request": counts["events"] / requests,
            "steps": self._steps,
            "epochs": 1.0 if size is None else counts["requests"] / size.requests,
            "train_seconds": self._train_seconds,
            "examples_per_second": examples / seconds,
        }
        if counts["compute"]:
            peak = machine.gemm_peak(training.device, training.precision, training.threads)
            totals["mfu"] = counts["compute_causal"] / seconds / peak
        return totals


def opened(config: DatasetConfig) -> Dataset:
    """The data set, opened once per process: the next trial of a reused worker finds it ready."""
    return _opened(canonical_json(config.to_dict()), config)


@functools.lru_cache(maxsize=2)
def _opened(key: str, config: DatasetConfig) -> Dataset:
    return config.open()
