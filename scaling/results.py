"""What a trial leaves behind: the payload between the trial's process and the tracker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

Status = Literal["finished", "failed", "stopped"]
"""`stopped`: ended by a rule before its budget was spent, and not evaluated (`sweeps.stopping`)."""


@dataclass(frozen=True)
class CurvePoint:
    """One point of the learning curve: means since the point before."""

    examples: int
    """Labelled candidates seen so far: the step of the MLflow metric."""
    metrics: dict[str, float]
    """`train_loss`, `compute` (so far), `lr`, `examples_per_second`."""


@dataclass(frozen=True)
class TrialResult:
    """The outcome of one trial; columns are named as in the run table (`scaling.runs`)."""

    status: Status
    reason: str
    """Why it failed or was stopped; empty for a finished trial."""
    metrics: dict[str, float]
    """Numeric columns measured in the trial; a value that couldn't be measured is absent."""
    texts: dict[str, str]
    """Text columns known in the trial: `split`, `device`, `precision`."""
    curve: list[CurvePoint]
    evaluation: pd.DataFrame | None = None
    """Test part, one row per (request, user, behaviour): `sum_loss`, `count`; None unless finished."""
    notes: dict[str, str] = field(default_factory=dict)
    """Why a metric is absent (`auc.share: one class only`)."""
