"""Which run a trial gets: models are trained, references counted."""

from __future__ import annotations

from scaling.counting import CountingRun
from scaling.running import Run
from scaling.training import TrialRun
from scaling.trial import TrialConfig


def start_run(trial: TrialConfig) -> Run:
    """Begin a trial, whatever the role of its model."""
    kinds: tuple[type[Run], ...] = (TrialRun, CountingRun)
    return next(kind for kind in kinds if kind.role == trial.model.role)(trial)
