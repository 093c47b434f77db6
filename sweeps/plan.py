"""What a sweep will do, before anything runs: every trial with its size, time and state."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from scaling.batch import View
from scaling.code import code_digest
from scaling.compute import TRAINING_FACTOR
from scaling.config import canonical_json
from scaling.counting import requests_to_count
from scaling.datasets.base import Dataset, DatasetConfig
from scaling.models.reference import ReferenceConfig
from scaling.records import counts
from scaling.running import opened
from scaling.sweeps import cost
from scaling.sweeps.base import Sweep
from scaling.sweeps.calibration import read_calibrations
from scaling.sweeps.cost_speed import Basis, Speed
from scaling.sweeps.plan_schedule import local_slots, makespan
from scaling.tracking_read import known
from scaling.tracking_record import run_name
from scaling.trial import TrialConfig

FEWEST_STEPS = 200
"""Below this a run says more about its warm-up than about its model."""

_SAMPLE = 512
"""Requests whose lengths stand for a split's."""

State = Literal["to do", "done", "reuse", "stopped"]


@dataclass(frozen=True)
class PlannedTrial:
    """One trial of a plan; numbers are expected values."""

    trial: TrialConfig
    digest: str
    name: str
    state: State
    """`reuse`: finished in another sweep, its record is copied. `stopped`: by a rule, in an earlier
    launch."""
    run_id: str | None
    """The finished run, if any."""
    other_code: bool
    """Whether the finished run was made by code other than today's."""
    params: int
    params_embedding: int
    examples: float
    requests: float
    flops_per_request: float
    steps: int
    epochs: float | None
    """Passes over the training part; None where the data have no end."""
    seconds: float
    memory_bytes: float
    warnings: tuple[str, ...]
    basis: Basis = "assumed"
    """What `seconds` rests on."""


@dataclass(frozen=True)
class Plan:
    """The trials of a sweep in its order, each digest once."""

    title: str
    trials: tuple[PlannedTrial, ...]
    slots: int = 1
    """Trials that run at the same time."""
    left_out: tuple[str, ...] = ()
    """Models that the design's limits left out, and why."""
    search_compute: float = 0.0
    """Training FLOPs that were spent on finding the learning rates."""

    def in_state(self, state: State) -> tuple[PlannedTrial, ...]:
        return tuple(planned for planned in self.trials if planned.state == state)

    def order(self) -> tuple[PlannedTrial, ...]:
        """What is to do, the longest first: the last trials then end at about the same time."""
        return tuple(sorted(self.in_state("to do"), key=lambda planned: -planned.seconds))

    @property
    def seconds(self) -> float:
        """Expected processor time of what is to do, one trial after the other."""
        return sum(planned.seconds for planned in self.in_state("to do"))

    @property
    def wall_seconds(self) -> float:
        """Expected time from the launch to the end of the last trial, on the slots."""
        seconds = [planned.seconds for planned in self.order()]
        return cost.START_SECONDS + makespan(seconds, self.slots) if seconds else 0.0

    @property
    def critical_seconds(self) -> float:
        """Expected time of the longest trial to do: no number of slots makes the sweep shorter."""
        return max((planned.seconds for planned in self.in_state("to do")), default=0.0)

    def price(self, per_hour: float) -> float:
        """What the slots cost at a price per hour and slot; idle ones cost as much."""
        return per_hour * self.slots * self.wall_seconds / 3600

    @property
    def compute(self) -> float:
        """Training FLOPs of what is to do."""
        return sum(planned.trial.budget for planned in self.in_state("to do"))

    @property
    def other_code(self) -> int:
        """Finished trials that were made by code other than today's."""
        return sum(planned.other_code for planned in self.trials)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The trials' warnings, with their names."""
        return tuple(f"{p.name}: {text}" for p in self.trials for text in p.warnings)


def make_plan(
    sweep: Sweep,
    *,
    tracking_uri: str | None = None,
    force: bool = False,
    slots: int | None = None,
    keep_stopped: bool = False,
) -> Plan:
    """Count what every trial of a sweep needs, and look up which are finished.

    Args:
        sweep: what to plan.
        tracking_uri: the store that is asked; see `scaling.tracking_store.resolve_uri`.
        force: treat finished trials as to do.
        slots: trials that will run at the same time; None for as many as this machine takes.
        keep_stopped: leave alone what a rule has stopped; else it is to do, and goes on from its
            last checkpoint.

    Raises:
        ValueError: a budget too small for one batch, data or a store that can't be read.
    """
    here = local_slots(sweep.trials)
    slots = here if slots is None else slots
    trials = {trial.digest(): trial for trial in sweep.trials}
    store = known(sweep.title, trials, tracking_uri=tracking_uri)
    codes = {code_digest(trial) for trial in sweep.trials}
    speed = Speed.of(store.rows, read_calibrations(codes, min(slots, here)))
    counter = _Counter()
    planned = []
    for digest, trial in trials.items():
        finished = store.finished.get(digest)
        state: State = "to do"
        if finished is not None and not force:
            state = "reuse" if finished.elsewhere else "done"
        elif keep_stopped and not force and digest in store.stopped:
            state = "stopped"
        planned.append(
            PlannedTrial(
                trial=trial,
                digest=digest,
                name=run_name(trial),
                state=state,
                run_id=finished.run_id if finished else None,
                other_code=finished is not None and finished.code != code_digest(trial),
                **counter.count(trial, speed),
            )
        )
    spent = sum(search.compute for search in sweep.searches)
    return Plan(sweep.title, tuple(planned), slots, sweep.left_out, spent)


class _Counter:
    """Expected counts; what trials have in common is counted once."""

    def __init__(self) -> None:
        self._samples: dict[tuple[str, tuple[View, ...]], _Sample] = {}
        self._models: dict[tuple[str, str, int], tuple[int, int, float]] = {}
        self._evaluated: dict[str, int] = {}
        self._keys: dict[DatasetConfig, str] = {}

    def count(self, trial: TrialConfig, speed: Speed) -> dict[str, Any]:
        dataset = opened(trial.dataset)
        key = self._keys.setdefault(trial.dataset, canonical_json(trial.dataset.to_dict()))
        sample = self._sample(key, trial, dataset)
        if isinstance(trial.model, ReferenceConfig):
            return self._reference(key, trial, trial.model, dataset, sample)
        params, embedding, flops = self._model(key, trial, dataset, sample)
        requests = trial.budget / (TRAINING_FACTOR * flops)
        batch = trial.training.batch_size
        if requests < batch:
            least = batch * TRAINING_FACTOR * flops
            raise ValueError(
                f"{run_name(trial)}: the budget {trial.budget:g} is too small for one batch of "
                f"{batch} requests, which costs {least:.2g} FLOPs. Cure: budgets of at least "
                f"{FEWEST_STEPS * least:.2g} ({FEWEST_STEPS} steps), or smaller models"
            )
        steps = math.ceil(requests / batch)
        size = dataset.size("train")
        epochs = None if size is None else requests / size.requests
        evaluated = self._evaluation_requests(key, dataset)
        return {
            "params": params,
            "params_embedding": embedding,
            "examples": requests * sample.mean_candidates,
            "requests": requests,
            "flops_per_request": flops,
            "steps": steps,
            "epochs": epochs,
            "seconds": speed.seconds(
                trial, steps=steps, flops_per_request=flops, evaluated=evaluated
            ),
            "basis": speed.basis(cost.Shape.of(trial)),
            "memory_bytes": cost.memory_bytes(trial, params, embedding, sample.mean_candidates),
            "warnings": _warnings(steps, epochs),
        }

    def _reference(
        self,
        key: str,
        trial: TrialConfig,
        model: ReferenceConfig,
        dataset: Dataset,
        sample: _Sample,
    ) -> dict[str, Any]:
        """A reference reads its data once and costs no FLOPs."""
        size = dataset.size("train")
        requests = requests_to_count(model, None if size is None else size.requests)
        return {
            "params": 0,
            "params_embedding": 0,
            "examples": requests * sample.mean_candidates,
            "requests": float(requests),
            "flops_per_request": 0.0,
            "steps": math.ceil(requests / trial.training.batch_size),
            "epochs": None if size is None else 1.0,
            "seconds": cost.counting_seconds(requests, self._evaluation_requests(key, dataset)),
            "memory_bytes": cost.memory_bytes(trial, 0, 0, sample.mean_candidates),
            "warnings": (),
        }

    def _sample(self, key: str, trial: TrialConfig, dataset: Dataset) -> _Sample:
        views = trial.model.views()
        if (key, views) not in self._samples:
            self._samples[key, views] = _Sample(*dataset.sample("train", views, _SAMPLE))
        return self._samples[key, views]

    def _model(
        self, key: str, trial: TrialConfig, dataset: Dataset, sample: _Sample
    ) -> tuple[int, int, float]:
        model = trial.model
        most = trial.training.items_per_record
        known = (key, canonical_json(model.to_dict()), most)
        if known not in self._models:
            computed = counts(sample.lengths, sample.candidates, most)
            flops = model.flops(dataset.schema, *computed)
            mean = float(flops.total.sum()) / len(sample.candidates)
            self._models[known] = (*model.num_params(dataset.schema), mean)
        return self._models[known]

    def _evaluation_requests(self, key: str, dataset: Dataset) -> int:
        if key not in self._evaluated:
            sizes = (dataset.size("validation"), dataset.size("test"))
            self._evaluated[key] = sum(size.requests for size in sizes if size is not None)
        return self._evaluated[key]


@dataclass(frozen=True)
class _Sample:
    lengths: npt.NDArray[np.int64]
    candidates: npt.NDArray[np.int64]

    @property
    def mean_candidates(self) -> float:
        return float(self.candidates.mean())


def _warnings(steps: int, epochs: float | None) -> tuple[str, ...]:
    found = []
    if steps < FEWEST_STEPS:
        found.append(f"{steps} steps, fewer than {FEWEST_STEPS}")
    if epochs is not None and epochs > 1:
        found.append(f"needs {epochs:.3g} times the training data: it sees them again and again")
    return tuple(found)


def totals(plan: Plan) -> Mapping[str, int]:
    """Number of trials per state."""
    return {state: len(plan.in_state(state)) for state in typing.get_args(State)}
