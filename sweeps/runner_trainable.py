"""A trial inside a Ray worker: trained a second at a time, its result sent as one piece."""

from __future__ import annotations

import json
import pickle
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scaling.checkpoint import TrialCheckpoints
from scaling.config import Config, canonical_json
from scaling.results import TrialResult
from scaling.running import Progress, Run
from scaling.sweeps.runner_checkpoints import TrialKeeper
from scaling.trial import TrialConfig

TRIAL = "trial"
"""Key of a worker's configuration: the trial as JSON."""
OUTCOME = "outcome"
"""Key of a last report: the pickled `Outcome`. The driver takes it out before Ray keeps the report."""
NEWS = "news"
"""Key of a report: sentences about the trial that the driver passes on."""

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

    def text(self) -> str:
        whole = {"trial": self.trial.to_dict(), "digest": self.digest, "code": self.code}
        return canonical_json(whole)

    @staticmethod
    def of(text: str) -> Assignment:
        whole = json.loads(text)
        return Assignment(TrialConfig.from_dict(whole["trial"]), whole["digest"], whole["code"])


@dataclass(frozen=True)
class Outcome:
    """How a trial ended."""

    result: TrialResult
    started: float | None
    """Seconds since the epoch; None where the process could not tell."""
    checkpoints: bool
    """Whether there are any to delete once the result is recorded."""


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

        def setup(self, config: dict[str, Any]) -> None:
            for kind in kinds:
                if kind.registry is not None:
                    kind.registry.register(kind.name)(kind)
            self.reset_config(config)

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self._text = new_config[TRIAL]
            self._begun: tuple[Run, TrialKeeper] | None = None
            self._started = time.time()
            return True

        def step(self) -> dict[str, Any]:
            keeper: TrialKeeper | None = None
            try:
                if self._begun is None:
                    self._begun = self._begin()
                run, keeper = self._begun
                before = time.perf_counter()
                progress = run.advance(STEP_SECONDS)
                if not run.done:
                    keeper.trained(run, time.perf_counter() - before)
                    return report(progress) | {NEWS: keeper.news()}
                result = run.finish()
            except Exception as error:
                # Told as a result: an exception would cost the process, and the next trial a start.
                result = failure(error)
            if self._begun is not None:
                self._begun[0].close()
            self._begun = None
            outcome = Outcome(result, self._started, keeper is not None and keeper.any)
            news = keeper.news() if keeper is not None else []
            return {"done": True, NEWS: news, OUTCOME: pickle.dumps(outcome)}

        def _begin(self) -> tuple[Run, TrialKeeper]:
            self._started = time.time()
            given = Assignment.of(self._text)
            files = TrialCheckpoints(checkpoints, given.digest, given.code)
            keeper = TrialKeeper(files, checkpoint_seconds)
            return keeper.begin(lambda: make_run(given.trial)), keeper

    return SweepTrial


def report(progress: Progress) -> dict[str, Any]:
    """A progress report as Ray carries it."""
    return {"share": progress.share, "examples": progress.examples, "train_loss": progress.loss}


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
