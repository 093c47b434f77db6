"""Calibration: a few seconds of real steps per shape, as many processes at once as there are slots.

Trials that run side by side share caches and memory, and each is slower than one alone. So shapes
are measured in rounds: every process prepares its own, all begin their steps at the same moment.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import statistics
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from scaling.code import code_digest
from scaling.config import canonical_json
from scaling.sweeps.calibrate_worker import work
from scaling.sweeps.calibration import Calibration
from scaling.sweeps.cost import Shape
from scaling.sweeps.plan import Plan, PlannedTrial
from scaling.sweeps.plan_schedule import local_slots
from scaling.sweeps.sources import MODULE_PREFIX
from scaling.trial import TrialConfig

SECONDS = 3.0
"""Of training steps per shape, on the clock that `calibrate_worker` uses."""

_LONGEST_STEP = 20.0
"""A shape whose step is expected to take longer is not calibrated."""
_POLL_SECONDS = 0.2

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Calibrated:
    """What a calibration did."""

    measured: tuple[Calibration, ...]
    skipped: tuple[tuple[str, str], ...]
    """Names of trials whose shapes were not measured, and why."""

    @property
    def busy(self) -> float | None:
        """Median share of its cores that a process had; None where none is known."""
        known = [one.busy for one in self.measured if one.busy is not None]
        return statistics.median(known) if known else None


def calibrate(
    plan: Plan, *, seconds: float = SECONDS, tell: Tell = lambda text: None
) -> Calibrated:
    """Measure and keep every shape of what is to do, whether or not it was measured before.

    Args:
        plan: whose trials to calibrate; references need none.
        seconds: of steps per shape.
        tell: called with what happens.

    Raises:
        ValueError: a process was lost, or the results can't be kept.
    """
    wanted: dict[Shape, PlannedTrial] = {}
    for planned in plan.in_state("to do"):
        if planned.trial.model.role == "trained":
            same = wanted.setdefault(Shape.of(planned.trial), planned)
            if planned.steps > same.steps:
                wanted[Shape.of(planned.trial)] = planned
    at_once = min(plan.slots, local_slots(planned.trial for planned in plan.trials))
    skipped = {shape: why for shape, p in wanted.items() if (why := _unfit(p, at_once))}
    chosen = {shape: p.trial for shape, p in wanted.items() if shape not in skipped}
    measured = []
    if chosen:
        tell(f"calibrating {len(chosen)} shapes, {at_once} at once, {seconds:g} s of steps each")
    with contextlib.closing(_measured(chosen, at_once, seconds)) as results:
        for found, (shape, trial) in zip(results, chosen.items()):
            if isinstance(found, str):
                skipped[shape] = found
                continue
            one = Calibration(shape=shape, code=code_digest(trial), slots=at_once, **found)
            one.save()
            measured.append(one)
    return Calibrated(
        tuple(measured), tuple((wanted[shape].name, why) for shape, why in skipped.items())
    )


def _unfit(planned: PlannedTrial, at_once: int) -> str:
    """Why a shape can't be measured here; empty where it can."""
    if planned.trial.training.workers > 1:
        return f"it has {planned.trial.training.workers} workers, and one process is timed"
    step = planned.seconds / max(planned.steps, 1)
    if step > _LONGEST_STEP:
        return f"a step of it would take about {step:.0f} s"
    if planned.trial.training.device != "cpu":
        return ""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if planned.memory_bytes * at_once > free:
        needed = planned.memory_bytes * at_once / 1e9
        return f"{at_once} of it at once need {needed:.3g} GB, this machine has {free / 1e9:.3g}"
    return ""


def _measured(
    chosen: Mapping[Shape, TrialConfig], at_once: int, seconds: float
) -> Generator[dict[str, Any] | str]:
    """What was measured of each shape, in order, or why it could not be.

    The last round is filled up with shapes of the first, so that it is as loaded as the others.
    """
    if not chosen:
        return
    rounds = -(-len(chosen) // at_once)
    queue = list(itertools.islice(itertools.cycle(chosen.values()), rounds * at_once))
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(at_once)
    files = sorted({file for trial in chosen.values() for file in _files_of(trial)})
    workers, ends = [], []
    threads = str(max(trial.training.threads for trial in chosen.values()))
    with _variable("OMP_NUM_THREADS", threads):
        for number in range(at_once):
            mine = [canonical_json(trial.to_dict()) for trial in queue[number::at_once]]
            end, its = context.Pipe(duplex=False)
            worker = context.Process(
                target=work, args=(its, barrier, files, mine, seconds), daemon=True
            )
            worker.start()
            its.close()
            workers.append(worker)
            ends.append(end)
    try:
        for number in range(len(chosen)):
            yield _received(ends[number % at_once], workers)
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


def _received(end: Connection, workers: Sequence[SpawnProcess]) -> dict[str, Any] | str:
    """The next message of a worker; where any worker is lost, the others wait for it in vain."""
    lost = "a calibrating process was lost (killed, or out of memory): use fewer --slots"
    while not end.poll(_POLL_SECONDS):
        if any(worker.exitcode for worker in workers):
            raise ValueError(lost)
    try:
        found: dict[str, Any] | str = end.recv()
    except EOFError:
        raise ValueError(lost) from None
    return found


def _files_of(trial: TrialConfig) -> Iterator[str]:
    """Files of a user's that define parts of a trial: another process has to load them."""
    for config in (trial.model, trial.dataset, trial.training):
        module = type(config).__module__
        if module.startswith(MODULE_PREFIX):
            yield str(sys.modules[module].__file__)


@contextlib.contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """A variable of the environment for the processes that are started meanwhile."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
