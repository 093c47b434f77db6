"""A calibrating process: real steps and evaluations of some shapes, in step with the others.

Apart from `scaling.sweeps.calibrate`, so that a process imports no more than it needs.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from scaling import evaluation
from scaling.batch import Batch, Split, View
from scaling.datasets.base import Dataset, Size
from scaling.running import opened
from scaling.sweeps.benchmark import WARM_UP_STEPS, Repetition, TimedRun
from scaling.sweeps.sources import load_file
from scaling.trial import TrialConfig

_LEAST_STEPS = 2
_SLICES = 6
_PATIENT = 4.0
"""How much longer than asked a process may take that other work keeps from its core."""
_EVALUATION_BATCHES = 16
_ENDLESS = 1e30
"""A budget that no calibration spends."""
_PATIENCE = 900.0
"""Seconds that a process waits for the others of its round before it gives up."""


def work(
    end: Connection, barrier: Barrier, files: Sequence[str], trials: Sequence[str], seconds: float
) -> None:
    """Measure shapes, one after the other; all processes begin their steps at the same moment.

    Args:
        end: of a pipe; for each trial the measured fields of a `Calibration`, or why there are none.
        barrier: that all processes pass before and after each shape's measurement.
        files: a user's, that define what the trials are made of.
        trials: as JSON.
        seconds: of training steps per shape.
    """
    for file in files:
        load_file(Path(file))
    for text in trials:
        found: dict[str, Any] | str
        run = None
        try:
            trial = TrialConfig.from_dict(json.loads(text))
            run = TimedRun(dataclasses.replace(trial, budget=_ENDLESS))
            run.repeat(0.0, WARM_UP_STEPS)
            found = ""
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        barrier.wait(_PATIENCE)
        if run is not None and not found:
            try:
                found = _timed(run, seconds)
            except Exception as error:
                found = f"{type(error).__name__}: {error}"
        barrier.wait(_PATIENCE)
        end.send(found)
    end.close()


def _timed(run: TimedRun, seconds: float) -> dict[str, Any]:
    """The fields of a calibration that are measured.

    A trial of one thread has a core to itself: its processor time is what it takes, and other work
    on the machine disturbs that little. With more threads, or a GPU, time is time.
    """
    training, model = run.trial.training, run.trial.model
    alone = training.device == "cpu" and training.threads == 1
    parts, spent, begin = list[Repetition](), 0.0, time.perf_counter()
    while spent < seconds and time.perf_counter() - begin < _PATIENT * seconds:
        parts.append(run.repeat(seconds / _SLICES, _LEAST_STEPS))
        spent += parts[-1].cpu_seconds if alone else parts[-1].seconds
    steps = sum(part.steps for part in parts)
    elapsed = sum(part.seconds for part in parts)
    processor = sum(part.cpu_seconds for part in parts)
    data = _Excerpt(opened(run.trial.dataset))
    took = []
    for batches in (1, _EVALUATION_BATCHES):  # the first opens the evaluated part
        data.batches = batches
        opening = time.process_time() if alone else time.perf_counter()
        predictions = evaluation.predict(
            run.ranker, data, "test", model.views(), training.device, training.precision
        )
        evaluation.summarise(predictions, data.schema.behaviours)
        evaluation.paired_table(predictions, data.schema.behaviours)
        end = time.process_time() if alone else time.perf_counter()
        took.append((end - opening) / data.read)
    return {
        "steps": steps,
        "step_seconds": (processor if alone else elapsed) / steps,
        "flops_per_step": sum(part.flops for part in parts) / steps,
        "busy": processor / elapsed / training.threads if training.device == "cpu" else None,
        "evaluation_seconds": took[-1],
    }


class _Excerpt(Dataset):
    """The first batches of a data set."""

    def __init__(self, whole: Dataset) -> None:
        self._whole = whole
        self.schema = whole.schema
        self.batches = 0
        self.read = 0
        """Requests of the last pass."""

    def requests(
        self, split: Split, views: Sequence[View], *, batch_size: int, seed: int | None = None
    ) -> Iterator[Batch]:
        self.read = 0
        found = self._whole.requests(split, views, batch_size=batch_size, seed=seed)
        for batch in itertools.islice(found, self.batches):
            self.read += len(batch)
            yield batch

    def size(self, split: Split) -> Size | None:
        return self._whole.size(split)

    def sample(self, split: Split, views: Sequence[View], count: int) -> Any:
        return self._whole.sample(split, views, count)

    def describe(self) -> Mapping[str, Any]:
        return self._whole.describe()
