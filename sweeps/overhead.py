"""Benchmark of what a sweep costs beyond training: start-up, and each further trial."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass

import pandas as pd

from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.transformer import TransformerConfig
from scaling.results import CurvePoint, TrialResult
from scaling.running import Progress, Run
from scaling.sweeps.design import grid
from scaling.sweeps.runner import run_sweep
from scaling.sweeps.state import SweepState
from scaling.trial import TrialConfig


class EmptyRun(Run):
    """A trial that trains nothing but leaves a record of usual size."""

    def __init__(self, trial: TrialConfig) -> None:
        self.trial = trial
        self._done = False

    @property
    def done(self) -> bool:
        return self._done

    def advance(self, seconds: float) -> Progress:
        self._done = True
        return Progress(share=1.0, examples=10, steps=1, loss=0.5)

    def finish(self) -> TrialResult:
        metrics = {f"auc.behaviour{i}": 0.5 for i in range(40)}
        curve = [CurvePoint(10 * i, {"train_loss": 0.5, "lr_now": 0.1}) for i in range(24)]
        rows = range(2000)
        table = pd.DataFrame(
            {"request": rows, "user": rows, "behaviour": "x", "sum_loss": 0.5, "count": 1}
        )
        whole = metrics | {"loss": 0.5, "examples": 100.0, "compute": self.trial.budget}
        return TrialResult("finished", "", whole, {}, curve, table)


@dataclass(frozen=True)
class Overhead:
    """What was measured, in seconds."""

    first_trial: float
    """From the call to the first finished trial: store, Ray, worker processes."""
    each_further: float
    """Slope between the small and the large sweep, MLflow included."""


def measure(small: int, large: int) -> Overhead:
    """Run two sweeps of empty trials in a store of their own."""
    walls, firsts = [], []
    for count in (small, large):
        sweep = grid(
            f"empty-{count}",
            models=[TransformerConfig(depth=1, width=16, seq_len=16)],
            dataset=SyntheticConfig.tiny(),
            budgets=(1e8,),
            seeds=range(count),
        )
        begin, first = time.perf_counter(), [0.0]

        def told(state: SweepState, begin: float = begin, first: list[float] = first) -> None:
            if not first[0] and state.in_phase("finished"):
                first[0] = time.perf_counter() - begin

        with tempfile.TemporaryDirectory() as folder:
            uri = f"sqlite:///{folder}/mlflow.db"
            outcome = run_sweep(sweep, tracking_uri=uri, on_progress=told, make_run=EmptyRun)
        assert outcome.done == count, outcome
        walls.append(time.perf_counter() - begin)
        firsts.append(first[0])
    return Overhead(min(firsts), (walls[1] - walls[0]) / (large - small))
