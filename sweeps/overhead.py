"""Benchmark of what a sweep costs beyond training: start-up, and each further trial."""

from __future__ import annotations

import itertools
import tempfile
import time
from dataclasses import dataclass

import pandas as pd

from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.transformer import TransformerConfig
from scaling.process import peak_bytes
from scaling.results import CurvePoint, TrialResult
from scaling.running import Progress, Run
from scaling.sweeps.base import Sweep
from scaling.sweeps.design import grid
from scaling.sweeps.plan import make_plan
from scaling.sweeps.runner import run_sweep
from scaling.sweeps.state import SweepState
from scaling.tracking_read import read_runs
from scaling.trial import TrialConfig

Moment = tuple[float, float]
"""Seconds of the clock, and of this process's processor time."""


class EmptyRun(Run):
    """A trial that trains nothing but leaves a record of usual size."""

    def __init__(self, trial: TrialConfig) -> None:
        self.trial = trial
        self._done = False

    @property
    def done(self) -> bool:
        return self._done

    def advance(self, seconds: float, share: float = 1.0) -> Progress:
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


@dataclass(frozen=True)
class Scale:
    """What a sweep of many empty trials takes, in seconds and bytes."""

    plan: float
    run: float
    """Launch, all trials, all records."""
    read: float
    """The run table, from MLflow."""
    plan_again: float
    """With all trials finished."""
    peak_bytes: int
    """Of the driver's memory."""
    first_half: tuple[float, float]
    second_half: tuple[float, float]
    """Per trial, on the clock and of the driver's processor: equal where the cost of one trial
    doesn't grow with their number."""


def measure(small: int, large: int) -> Overhead:
    """Run two sweeps of empty trials in a store of their own."""
    walls, firsts = [], []
    for count in (small, large):
        ends: list[Moment] = []
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            _run(_empty(count), f"sqlite:///{folder}/mlflow.db", ends)
        walls.append(time.perf_counter() - begin)
        firsts.append(ends[0][0] - begin)
    return Overhead(min(firsts), (walls[1] - walls[0]) / (large - small))


def measure_scale(count: int) -> Scale:
    """Plan, run and read back one large sweep of empty trials in a store of its own.

    Raises:
        ValueError: fewer than 4 trials, which have no halves to compare.
    """
    if count < 4:
        raise ValueError(f"at least 4 trials, got {count}")
    sweep, ends = _empty(count), list[Moment]()
    with tempfile.TemporaryDirectory() as folder:
        uri = f"sqlite:///{folder}/mlflow.db"
        laps = [time.perf_counter()]
        make_plan(sweep, tracking_uri=uri)
        laps.append(time.perf_counter())
        _run(sweep, uri, ends)
        laps.append(time.perf_counter())
        assert len(read_runs(sweep.title, tracking_uri=uri)) == count
        laps.append(time.perf_counter())
        make_plan(sweep, tracking_uri=uri)
        laps.append(time.perf_counter())
    plan, run, read, again = (b - a for a, b in itertools.pairwise(laps))
    middle = count // 2
    return Scale(
        plan=plan,
        run=run,
        read=read,
        plan_again=again,
        peak_bytes=peak_bytes(),
        first_half=_each(ends[0], ends[middle], middle),
        second_half=_each(ends[middle], ends[-1], count - 1 - middle),
    )


def _each(begin: Moment, end: Moment, count: int) -> tuple[float, float]:
    return (end[0] - begin[0]) / count, (end[1] - begin[1]) / count


def _empty(count: int) -> Sweep:
    return grid(
        f"empty-{count}",
        models=[TransformerConfig(depth=1, width=16, seq_len=16)],
        dataset=SyntheticConfig.tiny(),
        budgets=(1e8,),
        seeds=range(count),
    )


def _run(sweep: Sweep, uri: str, ends: list[Moment]) -> None:
    """Runs it; `ends` gets the moment at which each trial was recorded."""
    count = len(sweep.trials)

    def told(state: SweepState) -> None:
        if len(ends) < count - state.left:
            ends.append((time.perf_counter(), time.process_time()))

    outcome = run_sweep(sweep, tracking_uri=uri, on_progress=told, make_run=EmptyRun)
    assert outcome.done == count == len(ends), outcome
