"""Benchmark of records: training on whole requests over training on single items.

Two arms per number of items m, on the same data (requests of m candidates with full histories): the
engine is one, and `TrainingConfig.items_per_record` says 0 or 1. They take turns. Both arms' steps hold as
many tokens (events and candidates), so the number of requests differs: matrix products are then as large,
and what a step costs whatever it holds (optimizers, launching kernels) weighs the same in both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.models.base import ModelConfig
from scaling.sweeps.benchmark import (
    TOKENS_PER_STEP,
    WARM_UP_STEPS,
    Repetition,
    TimedRun,
    timed_trial,
)
from scaling.sweeps.benchmark_data import RandomRequests

CATALOGUE = 5_000
"""Items, about as many as the embedded data have."""


@dataclass(frozen=True)
class Line:
    """FLOPs that a model spends once per record, and per candidate, at full lengths."""

    record: float
    candidate: float
    causal_saving: float
    """Of the record's, the masked half of causal attention."""
    length: int
    """Events of a request, all views."""

    @staticmethod
    def of(model: ModelConfig) -> Line:
        lengths = np.array([[view.length for view in model.views()]])
        schema = RandomRequests(num_items=CATALOGUE).open().schema
        flops = model.flops(schema, lengths, np.array([1]))
        return Line(
            record=float(flops.part("history.")[0]),
            candidate=float(flops.part("candidates.")[0]),
            causal_saving=float(flops.causal_discount[0]),
            length=int(lengths.sum()),
        )

    def own(self, items: float) -> float:
        """m (r + c) / (r + m c): examples per FLOP, over those of single items."""
        r, c = self.record, self.candidate
        return items * (r + c) / (r + items * c)

    def own_causal(self, items: float) -> float:
        """As `own`, with the masked half of causal attention left out."""
        r, c = self.record - self.causal_saving, self.candidate
        return items * (r + c) / (r + items * c)

    def paper(self, items: float) -> float:
        """m / (1 + m / n): the same where an event and a candidate cost as much."""
        return items / (1 + items / self.length)


@dataclass(frozen=True)
class Pair:
    """Both arms of a model at one number of items."""

    model: ModelConfig
    items: int
    whole: list[Repetition]
    single: list[Repetition]

    def row(self) -> dict[str, Any]:
        """Figures as plain data.

        `ratio` is the median over the turns of the two arms' examples/s in that turn, which slow
        changes of the machine don't touch; `best_ratio` that of the best turns.
        """
        line = Line.of(self.model)
        whole, single = ([_rate(r) for r in arm] for arm in (self.whole, self.single))
        median = float(np.median(np.array(whole) / np.array(single)))
        best = max(whole) / max(single)
        own = line.own(self.items)
        done = [*self.whole, *self.single]
        return {
            "architecture": self.model.name,
            "blocks": self.model.blocks,
            "depth": self.model.depth,
            "width": self.model.width,
            "seq_len": self.model.seq_len,
            "items": self.items,
            "examples_per_second": float(np.median(whole)),
            "examples_per_second_single": float(np.median(single)),
            "requests_per_step": self.whole[0].requests / self.whole[0].steps,
            "requests_per_step_single": self.single[0].requests / self.single[0].steps,
            "step_seconds": float(np.median([r.seconds / r.steps for r in self.whole])),
            "step_seconds_single": float(np.median([r.seconds / r.steps for r in self.single])),
            "ratio": median,
            "best_ratio": best,
            "line": own,
            "line_causal": line.own_causal(self.items),
            "line_paper": line.paper(self.items),
            "of_line": median / own,
            "best_of_line": best / own,
            "busy": sum(r.cpu_seconds for r in done) / sum(r.seconds for r in done),
        }


def measure_records(model: ModelConfig, items: int, seconds: float, repetitions: int) -> Pair:
    """Trains both arms for about `seconds` each, in turns, on one thread of a CPU.

    A step holds `TOKENS_PER_STEP`, or more where the single items of one request do.
    """
    alone = model.seq_len + model.blocks
    requests = max(1, round(TOKENS_PER_STEP / (items * alone)))
    together = model.seq_len + items * model.blocks
    as_many = max(1, round(requests * items * alone / together))
    whole, single = _arm(model, items, as_many, 0), _arm(model, items, requests, 1)
    for run in (whole, single):
        run.repeat(0.0, WARM_UP_STEPS)
    found: tuple[list[Repetition], list[Repetition]] = ([], [])
    for _ in range(repetitions):
        for run, repeated in zip((whole, single), found):
            repeated.append(run.repeat(seconds / repetitions))
    return Pair(model, items, *found)


def measure_all(
    models: Sequence[ModelConfig], items: Sequence[int], seconds: float, repetitions: int
) -> list[dict[str, Any]]:
    """The rows of every model at every number of items."""
    return [
        measure_records(model, number, seconds, repetitions).row()
        for model in models
        for number in items
    ]


def _arm(model: ModelConfig, items: int, requests: int, items_per_record: int) -> TimedRun:
    data = RandomRequests(num_items=CATALOGUE, candidates=items)
    trial = timed_trial(model, data, batch_size=requests)
    training = dataclasses.replace(trial.training, items_per_record=items_per_record)
    return TimedRun(dataclasses.replace(trial, training=training))


def _rate(repetition: Repetition) -> float:
    return repetition.examples / repetition.seconds
