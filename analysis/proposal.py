"""What is proposed to run next, and its forms: JSON and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.analysis.goals import Goal, Target
from scaling.analysis.result import Interval
from scaling.units import format_si, plain


@dataclass(frozen=True)
class Proposal:
    """Runs to make, and what they are expected to do for the goal."""

    goal: Goal
    level: float
    allowance: float
    trials: pd.DataFrame
    """One row per run in the order of choice: group, shape, `compute`, `seed`, `template`."""
    targets: tuple[Target, ...]
    after: tuple[Interval, ...]
    """Expected interval of each target, about today's value."""
    predictions: tuple[tuple[Target, Interval], ...]
    """Each group's loss far out (at the goal's compute, or 10 times the largest) and the interval
    expected of it; empty for laws that say no loss for a compute."""
    notes: tuple[str, ...]

    @property
    def compute(self) -> float:
        """Training FLOPs of the proposed runs."""
        return float(self.trials["compute"].sum()) if len(self.trials) else 0.0

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows of the goal as printed: today's interval and the expected one."""
        rows = [
            [target.group, target.name, f"{target.value:.4g}", _ends(target.interval), _ends(then)]
            for target, then in zip(self.targets, self.after)
        ]
        return ["group", "quantity", "today", f"{self.level:.0%} interval", "expected"], rows

    def losses(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows of the predicted losses as printed, today and as expected."""
        head = ["group", "predicted", "loss", f"today's {self.level:.0%} interval", "expected"]
        rows = [
            [one.group, one.name, f"{one.value:.4g}", _ends(one.interval), _ends(then)]
            for one, then in self.predictions
        ]
        return head, rows

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        hidden = {"template", "row", "seeds", "next_seed"}
        shown = self.trials.drop(columns=[c for c in self.trials.columns if c in hidden])
        out: dict[str, Any] = plain(
            {
                "goal": self.goal,
                "level": self.level,
                "allowance": self.allowance,
                "compute": self.compute,
                "targets": [_described(*pair) for pair in zip(self.targets, self.after)],
                "predictions": [_described(*pair) for pair in self.predictions],
                "rows": shown.to_dict(orient="records"),
                "notes": self.notes,
            }
        )
        return out


def _described(target: Target, then: Interval) -> dict[str, Any]:
    return {
        "group": target.group,
        "quantity": target.name,
        "value": target.value,
        "interval": list(target.interval),
        "expected_interval": list(then),
    }


def _ends(interval: Interval) -> str:
    """As printed; an end beyond any number of FLOPs is open."""
    low, high = (
        np.copysign(np.inf, end) if abs(end) > 1e50 else 0.0 if abs(end) < 1e-30 else end
        for end in interval
    )
    return f"[{format_si(low, digits=4)}, {format_si(high, digits=4)}]"
