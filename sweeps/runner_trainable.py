"""A trial inside a Ray worker: trained a second at a time, its result sent as one piece."""

from __future__ import annotations

import json
import pickle
import time
import traceback
from collections.abc import Callable
from typing import Any

from scaling.config import Config
from scaling.results import TrialResult
from scaling.running import Progress, Run
from scaling.trial import TrialConfig

TRIAL = "trial"
"""Key of a worker's configuration: the trial as JSON."""
OUTCOME = "outcome"
"""Key of a last report: the pickled result. The driver takes it out before Ray keeps the report."""

STEP_SECONDS = 1.0
"""How long a trial trains between two reports."""

_LONGEST_MESSAGE = 400

MakeRun = Callable[[TrialConfig], Run]


def trainable_class(make_run: MakeRun, kinds: tuple[type[Config], ...]) -> type:
    """The class that Ray Tune runs, one process per slot, trial after trial.

    Args:
        make_run: begins a trial; `start_run` but for measurements of the runner itself.
        kinds: configuration classes that workers can't import; sent by value.
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
            self._trial = new_config[TRIAL]
            self._run: Run | None = None
            self._started = time.time()
            return True

        def step(self) -> dict[str, Any]:
            try:
                if self._run is None:
                    self._started = time.time()
                    self._run = make_run(TrialConfig.from_dict(json.loads(self._trial)))
                progress = self._run.advance(STEP_SECONDS)
                if not self._run.done:
                    return report(progress)
                result = self._run.finish()
            except Exception as error:
                # Told as a result: an exception would cost the process, and the next trial a start.
                result = failure(error)
            if self._run is not None:
                self._run.close()
            self._run = None
            return {"done": True, OUTCOME: pickle.dumps((self._started, result))}

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
    reason = f"{type(error).__name__}: {message}{place}"
    return TrialResult(
        status="failed", reason=reason, metrics={}, texts={}, curve=[], evaluation=None
    )
