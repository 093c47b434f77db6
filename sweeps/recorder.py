"""What the driver does with news from the workers: it keeps the sweep's state, and writes results to
MLflow in a thread of its own, so that no worker waits for a store that is slow or away."""

from __future__ import annotations

import collections
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Self

from scaling.lease import Lease
from scaling.sweeps.runner_checkpoints import discard_quietly
from scaling.sweeps.runner_trainable import Outcome
from scaling.sweeps.state import SweepState
from scaling.tracking import SweepTracker

logger = logging.getLogger(__name__)

MOST_WAITING_BYTES = 256 * 2**20
MOST_WAITING = 200
"""Results that wait to be written; beyond, the workers wait. A result that was not written when the
driver dies is trained again."""

_HURRY_SECONDS = 20.0
"""How long an interrupted sweep waits for a store that is away."""


class Recorder:
    """Used as a context around the trials; at its end every result is written."""

    def __init__(
        self,
        tracker: SweepTracker,
        lease: Lease,
        state: SweepState,
        tell: Callable[[SweepState], None],
        checkpoints: str,
    ) -> None:
        """`checkpoints`: where those of recorded trials are deleted."""
        self._tracker, self._lease, self._state, self._tell = tracker, lease, state, tell
        self._checkpoints = checkpoints
        self._telling = threading.RLock()
        self._changed = threading.Condition()
        self._waiting: collections.deque[tuple[str, Outcome, float]] = collections.deque()
        self._bytes = 0
        self._over = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="climber-recorder", daemon=True)
        tracker.patience.tell = self._away

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Waits until all is written.

        Raises:
            LeaseError: another driver has taken the sweep over.
            StoreError: the store failed, or was away for too long.
            KeyboardInterrupt: a second Ctrl-C; what is not written by then is trained again.
        """
        with self._changed:
            self._over = True
            self._changed.notify_all()
        if kind is not None or self._state.in_phase("waiting"):
            self._tracker.patience.hurry(_HURRY_SECONDS)
        try:
            while self._thread.is_alive():
                self._thread.join(0.5)
        except KeyboardInterrupt:
            self._tracker.patience.hurry(0)
            with self._changed:
                self._waiting.clear()
            self._thread.join(_HURRY_SECONDS)
            raise
        finally:
            self._say("")
        if self._error is not None:
            # Tune wraps what a listener raises.
            raise self._error from None

    def begin(self, digest: str) -> None:
        self._check()
        self._state.begin(digest)
        self._told()

    def progress(self, digest: str, report: Mapping[str, Any]) -> None:
        self._check()
        trial = self._state.trials[digest]
        trial.share, trial.examples = float(report["share"]), int(report["examples"])
        loss = float(report["train_loss"])
        trial.loss = loss if loss == loss else None
        self._told()

    def news(self, digest: str, text: str) -> None:
        logger.warning("trial %s: %s", self._state.trials[digest].planned.name, text)

    def lost(self, digest: str, reason: str) -> None:
        self._state.lose(digest)
        name = self._state.trials[digest].planned.name
        text = "trial %s lost its process and goes on from its last checkpoint: %s"
        logger.warning(text, name, reason)
        self._told()

    def end(self, digest: str, outcome: Outcome) -> None:
        trial = self._state.trials[digest]
        trial.share, trial.ended = 1.0, time.time()
        begun = outcome.started or trial.started or trial.ended
        with self._changed:
            while len(self._waiting) >= MOST_WAITING or self._bytes > MOST_WAITING_BYTES:
                self._check()
                self._changed.wait(1.0)
            self._check()
            self._waiting.append((digest, outcome, begun))
            self._bytes += _size(outcome)
            self._changed.notify_all()
        self._told()

    def _work(self) -> None:
        try:
            while (job := self._next()) is not None:
                digest, outcome, begun = job
                trial, result = self._state.trials[digest], outcome.result
                planned = {"planned_seconds": trial.planned.seconds}
                if result.status == "finished":  # others took a part of the time
                    result = replace(result, metrics={**result.metrics, **planned})
                self._tracker.log(
                    trial.planned.trial,
                    result,
                    started=begun,
                    ended=trial.ended,
                    model=outcome.model,
                )
                if outcome.checkpoints:
                    discard_quietly(self._checkpoints, [digest])
                self._state.end(digest, result)
                if result.status == "failed":
                    logger.warning("trial %s failed: %s", trial.planned.name, result.reason)
                self._told()
        except BaseException as error:
            self._error = error

    def _next(self) -> tuple[str, Outcome, float] | None:
        with self._changed:
            while not self._waiting:
                if self._over:
                    return None
                self._changed.wait()
            job = self._waiting.popleft()
            self._bytes -= _size(job[1])
            self._changed.notify_all()
            return job

    def _check(self) -> None:
        """Raises what ended the recording: then nothing may begin any more."""
        self._lease.check()
        if self._error is not None:
            raise self._error

    def _away(self, text: str) -> None:
        with self._changed:
            waiting = len(self._waiting) + 1
        self._say(f"{text}; {waiting} results wait for it, training goes on" if text else "")

    def _say(self, message: str) -> None:
        self._state.message = message
        self._told()

    def _told(self) -> None:
        with self._telling:
            self._tell(self._state)


def _size(outcome: Outcome) -> int:
    """Roughly, in memory."""
    table = outcome.result.evaluation
    return len(outcome.model or b"") + (0 if table is None else int(table.memory_usage().sum()))
