"""Benchmark of padding: training steps on whole batches and in parts of like lengths, in turns."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from scaling.datasets.base import DatasetConfig
from scaling.models.base import ModelConfig
from scaling.parts import in_parts
from scaling.sweeps.benchmark import WARM_UP_STEPS, TimedRun, timed_trial

STEPS = 4
"""Of a turn."""


@dataclass(frozen=True)
class Padding:
    """One model's steps in both forms; both train on the same batches."""

    model: ModelConfig
    whole: float
    """Share of the views' places that hold no event where batches are whole."""
    in_parts: float
    """The same where they are worked on in parts."""
    parts: float
    """Parts of a batch, on the average."""
    step_whole: float
    """Median seconds of processor time of a step on whole batches."""
    step_in_parts: float
    """The same in parts."""


def measure_padding(
    dataset: DatasetConfig, models: Sequence[ModelConfig], *, batch_size: int, turns: int
) -> list[Padding]:
    """Trains each model in both forms, turn by turn."""
    return [_measured(dataset, model, batch_size, turns) for model in models]


def _measured(dataset: DatasetConfig, model: ModelConfig, batch_size: int, turns: int) -> Padding:
    trial = timed_trial(model, dataset, batch_size=batch_size)
    run = TimedRun(trial)
    price = run.part_price
    forms = {"whole": math.inf, "parts": price}
    batches = run.dataset.requests("train", model.views(), batch_size=batch_size, seed=0)
    took: dict[str, list[float]] = {form: [] for form in forms}
    places, held, parts = dict.fromkeys(forms, 0), 0, 0
    try:
        run.repeat(0.0, WARM_UP_STEPS)
        for _ in range(turns):
            turn = [next(batches) for _ in range(STEPS)]
            for form, run.part_price in forms.items():
                begin = time.process_time()
                for batch in turn:
                    run.train_on(batch)
                took[form].append((time.process_time() - begin) / STEPS)
            for batch in turn:
                cut = {"whole": [batch], "parts": in_parts(batch, price)}
                held += int(batch.lengths().sum())
                parts += len(cut["parts"])
                for form, pieces in cut.items():
                    places[form] += sum(v.mask.numel() for piece in pieces for v in piece.history)
    finally:
        run.close()
    return Padding(
        model=model,
        whole=1 - held / places["whole"],
        in_parts=1 - held / places["parts"],
        parts=parts / (turns * STEPS),
        step_whole=statistics.median(took["whole"]),
        step_in_parts=statistics.median(took["parts"]),
    )
