"""A trial inside a Ray worker: trained a second at a time, its result sent as one piece."""

from __future__ import annotations

import json
import pickle
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scaling.checkpoint import TrialCheckpoints
from scaling.config import Config, canonical_json
from scaling.results import TrialResult
from scaling.running import Progress, Run
from scaling.sweeps.runner_checkpoints import TrialKeeper
from scaling.sweeps.runner_data import Shipped, make_ready
from scaling.sweeps.runner_extras import Added, Extras, with_extras
from scaling.trial import TrialConfig

TRIAL = "trial"
"""Key of a worker's configuration: the trial as JSON."""
OUTCOME = "outcome"
"""Key of a last report: the pickled `Outcome`. The driver takes it out before Ray keeps the report."""
NEWS = "news"
"""Key of a report: sentences about the trial that the driver passes on."""
SHARE, TRAIN_LOSS, CURVE = "share", "train_loss", "curve"
"""Keys of a report: see `scaling.running.Progress`."""
FINISHED = "finished"
"""Key of a last report: whether the trial is finished, and not failed."""

STEP_SECONDS = 1.0
"""How long a trial trains between two reports."""

_LONGEST_MESSAGE = 400

MakeRun = Callable[[TrialConfig], Run]


@dataclass(frozen=True)
class Assignment:
    """What a worker is told; as JSON, since Ray keeps it with every report."""

    trial: TrialConfig
    digest: str
    code: str
    rungs: tuple[float, ...] = ()
    """Shares of the budget at which it has to report, ascending."""
    data: Shipped | None = None
    """None where every node has the data, or can make them."""
    extras: Extras = field(default_factory=Extras)

    def text(self) -> str:
        whole = {"trial": self.trial.to_dict(), "digest": self.digest, "code": self.code}
        data = None if self.data is None else self.data.to_dict()
        extras = vars(self.extras)
        return canonical_json({**whole, "rungs": list(self.rungs), "data": data, "extras": extras})

    @staticmethod
    def of(text: str) -> Assignment:
        whole = json.loads(text)
        trial, rungs = TrialConfig.from_dict(whole["trial"]), tuple(whole["rungs"])
        data = None if whole["data"] is None else Shipped(**whole["data"])
        extras = Extras(**whole["extras"])
        return Assignment(trial, whole["digest"], whole["code"], rungs, data, extras)


@dataclass(frozen=True)
class Outcome:
    """How a trial ended."""

    result: TrialResult
    started: float | None
    """Seconds since the epoch; None where the process could not tell."""
    checkpoints: bool
    """Whether there are any to delete once the result is recorded."""
    model: bytes | None = None
    """See `scaling.logged_model.pack`; None where it was not asked for."""


def trainable_class(
    make_run: MakeRun,
    kinds: tuple[type[Config], ...],
    checkpoints: str,
    checkpoint_seconds: float,
) -> type:
    """The class that Ray Tune runs, one process per slot, trial after trial.

    Args:
        make_run: begins a trial; `start_run` but for measurements of the runner itself.
        kinds: configuration classes that workers can't import; sent by value.
        checkpoints: where they are kept; see `scaling.checkpoint.full_place`.
        checkpoint_seconds: of training between two of a trial.
    """
    from ray import tune

    class SweepTrial(tune.Trainable):  # type: ignore[misc]
        """Ray starts a process once (`reuse_actors`), then resets it for the next trial."""

        _begun: tuple[Run, TrialKeeper] | None = None

        def setup(self, config: dict[str, Any]) -> None:
            for kind in kinds:
                if kind.registry is not None:
                    kind.registry.register(kind.name)(kind)
            self.reset_config(config)

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.cleanup()
            self._text = new_config[TRIAL]
            self._share = 0.0
            self._started = time.time()
            return True

        def cleanup(self) -> None:
            """Ends a trial that was stopped on its way."""
            if self._begun is not None:
                self._begun[0].close()
            self._begun = None

        def step(self) -> dict[str, Any]:
            keeper: TrialKeeper | None = None
            curve: Any = ()
            added = Added()
            try:
                if self._begun is None:
                    self._begun = self._begin()
                run, keeper = self._begun
                before = time.perf_counter()
                rungs = (rung for rung in self._rungs if rung > self._share)
                progress = run.advance(STEP_SECONDS, next(rungs, 1.0))
                self._share, curve = progress.share, progress.curve
                if not run.done:
                    keeper.trained(run, time.perf_counter() - before)
                    return report(progress) | {NEWS: keeper.news()}
                result = run.finish()
                added = with_extras(run, result, self._extras)
                result = added.result or result
            except Exception as error:
                # Told as a result: an exception would cost the process, and the next trial a start.
                result = failure(error)
            self.cleanup()
            outcome = Outcome(result, self._started, keeper is not None and keeper.any, added.model)
            news = [*(keeper.news() if keeper is not None else []), *added.news]
            last = {FINISHED: result.status == "finished", CURVE: curve}
            return {"done": True, NEWS: news, OUTCOME: pickle.dumps(outcome), **last}

        def _begin(self) -> tuple[Run, TrialKeeper]:
            self._started = time.time()
            given = Assignment.of(self._text)
            self._rungs, self._extras = given.rungs, given.extras
            if given.data is not None:
                make_ready(given.trial.dataset, given.data)
            files = TrialCheckpoints(checkpoints, given.digest, given.code)
            keeper = TrialKeeper(files, checkpoint_seconds)
            return keeper.begin(lambda: make_run(given.trial)), keeper

    return SweepTrial


def report(progress: Progress) -> dict[str, Any]:
    """A progress report as Ray carries it."""
    return {
        SHARE: progress.share,
        "examples": progress.examples,
        "steps": progress.steps,
        "train_seconds": progress.seconds,
        TRAIN_LOSS: progress.loss,
        CURVE: progress.curve,
    }


def failure(error: BaseException) -> TrialResult:
    """The result of a trial that raised: the error's type, message and innermost line."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line})" if frames else ""
    # Some messages hold pages; the first line is the one that says it.
    message = (str(error).strip().splitlines() or [""])[0][:_LONGEST_MESSAGE]
    return failed(f"{type(error).__name__}: {message}{place}")


def failed(reason: str) -> TrialResult:
    """The result of a trial that has none."""
    return TrialResult(
        status="failed", reason=reason, metrics={}, texts={}, curve=[], evaluation=None
    )
