"""A user's file: a model of its own, sweeps of it, and trials that misbehave.

It is loaded as `path.py:function` is, so Ray's workers get its classes by value.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from scaling.batch import Candidates, Context, Schema, View, ViewBatch
from scaling.compute import Flops, linear
from scaling.config import register
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.base import MODELS, Memory, ModelConfig, Ranker
from scaling.models.table import Table
from scaling.results import TrialResult
from scaling.running import Progress
from scaling.sweeps.base import Sweep
from scaling.sweeps.design import grid, variants
from scaling.sweeps.overhead import EmptyRun
from scaling.sweeps.recipe import Recipe
from scaling.training import CURVE_POINTS, TrialRun
from scaling.trial import TrialConfig


@register(MODELS, "bag")
@dataclass(frozen=True, kw_only=True)
class BagConfig(ModelConfig):
    """The mean of the history's item vectors, and the candidate's, through one layer."""

    def views(self) -> tuple[View, ...]:
        return (View(strategy="recent", length=self.seq_len),)

    def build(self, schema: Schema) -> Bag:
        return Bag(schema, self.width)

    def params(self, schema: Schema) -> Mapping[str, int]:
        head = 2 * self.width * schema.num_behaviours + schema.num_behaviours
        return {"embedding.items": schema.num_items * self.width, "head": head}

    def flops(
        self, schema: Schema, lengths: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]
    ) -> Flops:
        head = linear(candidates, 2 * self.width, schema.num_behaviours)
        return Flops({"candidates.head": head}, np.zeros(len(candidates)))


class Bag(Ranker):
    def __init__(self, schema: Schema, width: int) -> None:
        super().__init__()
        self.items = Table(schema.num_items, width, row_wise=True, std=0.1)
        self.head = nn.Linear(2 * width, schema.num_behaviours)

    def encode(self, history: tuple[ViewBatch, ...], context: Context) -> Memory:
        (view,) = history
        mask = view.mask[..., None]
        mean = (self.items(view.items) * mask).sum(1) / mask.sum(1).clamp(min=1)
        return Memory((mean,))

    def score(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        items = self.items(candidates.items)
        (mean,) = memory.tree
        logits: Tensor = self.head(torch.cat([items, mean[:, None].expand_as(items)], -1))
        return logits


def bags(
    *,
    budgets: tuple[float, ...] = (3e5, 6e5),
    widths: tuple[int, ...] = (4, 8),
    seeds: tuple[int, ...] = (0,),
    title: str = "bags",
) -> Sweep:
    """Milliseconds of training each."""
    return grid(
        title,
        models=variants(BagConfig(depth=1, width=4, seq_len=4), width=widths),
        dataset=SyntheticConfig.tiny(),
        budgets=budgets,
        seeds=seeds,
        recipe=Recipe(batch_size=8),
    )


def _helper() -> None:
    """Not a sweep: private."""


class InstantRun(EmptyRun):
    """No training at all; a wider model has the smaller loss."""

    def finish(self) -> TrialResult:
        result = super().finish()
        measured = {"loss": 0.7 - 0.01 * self.trial.model.width, "train_seconds": 0.001}
        return dataclasses.replace(
            result, metrics=result.metrics | measured, texts={"split": "none"}
        )


class FaultyRun(InstantRun):
    """Seed 1 raises; seed 2 takes its process with it, each time."""

    def advance(self, seconds: float, share: float = 1.0) -> Progress:
        if self.trial.seed == 1:
            raise ArithmeticError("the loss left the real line")
        if self.trial.seed == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().advance(seconds)


class SlowRun(InstantRun):
    """Seed 0 ends at once; the others don't end."""

    def advance(self, seconds: float, share: float = 1.0) -> Progress:
        if self.trial.seed == 0:
            return super().advance(seconds)
        time.sleep(seconds)
        return Progress(share=0.1, examples=1, steps=1, loss=0.5)


class StartTimeRun(InstantRun):
    """Writes down when it began: for the order in which trials are started."""

    def finish(self) -> TrialResult:
        result = super().finish()
        result.metrics["began"] = time.time()
        return result


def teams(*, workers: tuple[int, ...] = (1, 2)) -> Sweep:
    """The same trial by one worker and by several."""
    sweeps = [
        grid(
            "teams",
            models=[BagConfig(depth=1, width=8, seq_len=4)],
            dataset=SyntheticConfig.tiny(),
            budgets=(3.3e6,),
            seeds=(0,),
            recipe=Recipe(batch_size=9, workers=count),
        )
        for count in workers
    ]
    return Sweep(title="teams", trials=tuple(t for sweep in sweeps for t in sweep.trials))


class CurveRun(InstantRun):
    """Reports a scripted learning curve, a point at a time: all fall, that of width 4 from higher."""

    def __init__(self, trial: TrialConfig) -> None:
        super().__init__(trial)
        self._points = 0

    def advance(self, seconds: float, share: float = 1.0) -> Progress:
        self._points += 1
        self._done = self._points == CURVE_POINTS
        height = 0.5 if self.trial.model.width == 4 else 0.3 + 0.001 * self.trial.model.width
        curve = tuple((10 * i, height + 0.1 / i) for i in range(1, self._points + 1))
        examples = 10 * self._points
        share = self._points / CURVE_POINTS
        return Progress(share, examples, self._points, curve[-1][1], curve, seconds=2.0)


HELD = 30
"""The step at which a `HeldRun` waits."""


class HeldRun(TrialRun):
    """Trains a step at a time, each written down as `seed step process threads OMP_NUM_THREADS`;
    waits at a step until it has been told to go on, seed 0 aside."""

    def __init__(self, trial: TrialConfig, folder: str) -> None:
        super().__init__(trial)
        self._folder = Path(folder)

    def advance(self, seconds: float, share: float = 1.0) -> Progress:
        if self.trial.seed and self._steps == HELD and not self._may_go_on():
            time.sleep(0.01)
            share, examples = self._share, int(self._counts["examples"])
            return Progress(share=share, examples=examples, steps=HELD, loss=0.5)
        progress = super().advance(0.0)
        limit = os.environ.get("OMP_NUM_THREADS")
        words = (self.trial.seed, self._steps, os.getpid(), torch.get_num_threads(), limit)
        with (self._folder / "steps").open("a") as file:
            file.write(" ".join(map(str, words)) + "\n")
        return progress

    def _may_go_on(self) -> bool:
        return (self._folder / "go").exists()


class MortalRun(HeldRun):
    """Kills its own process once, when there is a checkpoint of the step at which it waits."""

    def _may_go_on(self) -> bool:
        if super()._may_go_on():
            return True
        if list(self._folder.rglob(f"*{HELD}.checkpoint")):
            (self._folder / "go").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return False


class NanRun(HeldRun):
    """Its parameters are no numbers from the first step on."""

    def advance(self, seconds: float, share: float = 1.0) -> Progress:
        for parameter in self._ranker.parameters():
            parameter.data.fill_(float("nan"))
        return super().advance(seconds)
