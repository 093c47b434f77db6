"""Why a trial's process was lost, and how often that is put up with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOSSES = 3
"""Of processes, after which a trial is tried again; one more, and it has failed."""

_LONGEST = 400


@dataclass(frozen=True)
class Loss:
    """A process that ended before its trial did."""

    reason: str
    likely_again: bool
    """Too little memory, or a process that can't even begin: tried once more, no more."""


def loss_of(trial: Any) -> Loss:
    """The last loss of a trial of Ray Tune, in Ray's words without its ids."""
    try:
        # One failure behind the other, each below a heading.
        told = Path(trial.error_file).read_text().rpartition("Failure # ")[2].splitlines()[1:]
    except (OSError, TypeError):
        told = []
    lines = [line.strip() for line in told if line.strip() and not line.startswith("\t")]
    reason = " ".join(lines)[:_LONGEST] or "the worker process died"
    # What the kernel ends for want of memory looks like anything that is killed.
    if "running low on memory" in reason:
        return Loss(f"out of memory: {reason}", likely_again=True)
    return Loss(reason, likely_again="raised in its creation task" in reason)
