"""The training loop: one trial from its configuration to its result."""

from __future__ import annotations

from dataclasses import dataclass

from scaling.results import TrialResult
from scaling.trial import TrialConfig


@dataclass(frozen=True)
class Progress:
    """Where a running trial stands."""

    share: float
    """Compute spent over budget, 0 .. 1."""
    examples: int
    steps: int
    loss: float
    """Mean training loss since the last report."""


class TrialRun:
    """A trial being trained; `advance` until `done`, then `finish`."""

    def __init__(self, trial: TrialConfig) -> None:
        self.trial = trial

    @property
    def done(self) -> bool:
        """Whether the budget is spent or the trial has diverged."""
        raise NotImplementedError

    def advance(self, seconds: float) -> Progress:
        """Train for about that long, or to the end if that comes first."""
        raise NotImplementedError

    def finish(self) -> TrialResult:
        """Evaluate and sum up."""
        raise NotImplementedError
