"""Where a sweep stands while it runs, and what came of it: plain data for whoever shows it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from scaling.results import TrialResult
from scaling.sweeps.plan import Plan, PlannedTrial

Phase = Literal["waiting", "running", "finished", "failed", "stopped", "skipped", "reused"]
ENDED: tuple[Phase, ...] = ("finished", "failed", "stopped")
"""In this launch."""

MOST_RUNNING, MOST_CHARACTERS = 8, 300
"""Of a summary: it must fit into a tag of MLflow's."""
SURE_SECONDS, SURE_SHARE = 60.0, 0.02
"""After so long, or with that share behind, the pace says when the sweep will end."""


@dataclass
class TrialState:
    """One trial of a running sweep."""

    planned: PlannedTrial
    phase: Phase
    share: float = 0.0
    """Of its budget, 0 .. 1."""
    examples: int = 0
    loss: float | None = None
    """Training loss while it runs, test loss once it is finished."""
    reason: str = ""
    times: int = 1
    """How often it was begun: more than once if a worker was lost."""
    started: float | None = None
    """Seconds since the epoch."""
    ended: float | None = None
    """When its training was over; its phase changes once that is recorded."""


@dataclass
class SweepState:
    """A running sweep; changed by the runner, read by whoever shows it."""

    title: str
    trials: Mapping[str, TrialState]
    """By digest, in the order in which they are run."""
    started: float = field(default_factory=time.time)
    again: int = 0
    """How often a trial was begun again after its worker was lost."""
    failures: list[TrialState] = field(default_factory=list)
    """Trials that failed, as they came."""
    left: int = field(init=False)
    """Trials that have not ended."""
    message: str = ""
    """What happens before and after the trials (`starting Ray`)."""

    def __post_init__(self) -> None:
        self.left = len(self.in_phase("waiting", "running"))

    @staticmethod
    def of(plan: Plan) -> SweepState:
        """At the start: the longest first, what is finished behind."""
        phases: dict[str, Phase] = {
            "to do": "waiting", "done": "skipped", "reuse": "reused", "stopped": "skipped"
        }  # fmt: skip
        rest = [planned for planned in plan.trials if planned.state != "to do"]
        return SweepState(
            plan.title,
            {p.digest: TrialState(p, phases[p.state]) for p in (*plan.order(), *rest)},
        )

    def in_phase(self, *phases: Phase) -> list[TrialState]:
        return [trial for trial in self.trials.values() if trial.phase in phases]

    @property
    def share(self) -> float:
        """Of the planned seconds of all trials that this launch runs, those behind us."""
        mine = self.in_phase("waiting", "running", *ENDED)
        total = math.fsum(trial.planned.seconds for trial in mine)
        return self._seconds_behind() / total if total else 1.0

    def seconds_left(self, now: float | None = None) -> float | None:
        """Planned seconds still ahead, at the pace of those behind us; None while little is behind:
        starting takes longer than the first steps."""
        begun = [trial.started for trial in self.trials.values() if trial.started is not None]
        behind = self._seconds_behind()
        if not begun or behind <= 0:
            return None
        elapsed = (now or time.time()) - min(begun)
        mine = self.in_phase("waiting", "running", *ENDED)
        total = math.fsum(trial.planned.seconds for trial in mine)
        if elapsed < SURE_SECONDS and behind < SURE_SHARE * total:
            return None
        return max(total - behind, 0.0) * elapsed / behind

    def best(self) -> dict[str, TrialState]:
        """The finished trial with the smallest test loss, by architecture."""
        found: dict[str, TrialState] = {}
        for trial in self.in_phase("finished"):
            name = trial.planned.trial.model.name
            if trial.loss is not None and (
                name not in found or trial.loss < (found[name].loss or 0.0)
            ):
                found[name] = trial
        return found

    def summary(self) -> dict[str, Any]:
        """What `climber status` is told of a sweep that runs elsewhere: small plain data."""
        running = [
            {
                "name": t.planned.name,
                "share": t.share,
                "loss": t.loss,
                "started": t.started,
                "times": t.times,
            }
            for t in self.in_phase("running")
            if t.ended is None
        ]
        ended = self.in_phase(*ENDED)
        mine = self.in_phase("waiting", "running")
        return {
            "message": self.message[:MOST_CHARACTERS],
            "ended": len(ended),
            "trials": len(ended) + len(mine),
            "share": self.share,
            "seconds_left": self.seconds_left(),
            "again": self.again,
            "running": running[:MOST_RUNNING],
            "more_running": len(running[MOST_RUNNING:]),
        }

    def _seconds_behind(self) -> float:
        begun = self.in_phase(*ENDED, "running")
        return math.fsum(trial.planned.seconds * trial.share for trial in begun)

    def begin(self, digest: str) -> None:
        """A trial was sent to a worker."""
        trial = self.trials[digest]
        trial.phase, trial.ended = "running", None
        trial.started = trial.started or time.time()

    def lose(self, digest: str) -> None:
        """A trial's process was lost; it waits to be begun again."""
        trial = self.trials[digest]
        trial.phase, trial.times = "waiting", trial.times + 1
        self.again += 1

    def end(self, digest: str, result: TrialResult) -> None:
        """A trial's result is recorded."""
        trial = self.trials[digest]
        if trial.phase in ("waiting", "running"):
            self.left -= 1
        trial.phase = result.status
        trial.share, trial.ended, trial.reason = 1.0, trial.ended or time.time(), result.reason
        trial.loss = result.metrics.get("loss")
        if result.status == "failed":
            self.failures.append(trial)


@dataclass(frozen=True)
class SweepOutcome:
    """What a launch did."""

    title: str
    trials: int
    """Of the sweep, each digest once."""
    done: int
    """Trained now."""
    skipped: int
    """Finished before, in this sweep."""
    reused: int
    """Finished before in another sweep, and copied."""
    stopped: int
    """Stopped by a rule, now or in an earlier launch."""
    failed: tuple[tuple[str, str], ...]
    """Name and reason of the trials that failed now."""
    missing: int
    """Neither finished nor failed: what an interrupted launch left."""
    other_code: int
    """Skipped or reused runs that were made by code other than today's."""
    interrupted: bool
    seconds: float
    tracking_uri: str
    parent_run_id: str | None
    """The sweep's run in MLflow; None where nothing had to be opened."""
