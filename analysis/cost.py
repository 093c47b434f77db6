"""What two architectures are held equal in: training FLOPs, or a cost of another kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

TRAINING_FACTOR = 3.0
"""Training FLOPs over forward FLOPs, as the run table counts them."""
SINGLE = "flops_per_request_single"
"""Column: forward FLOPs of a request with one candidate, averaged over the trial's candidates."""


@dataclass(frozen=True)
class Cost:
    """A cost that runs can be compared at."""

    column: str
    words: str
    """As in `needs 2 times the ...`."""
    unit: str
    by_machine: bool = False
    """Whether it depends on the device, the threads and the precision."""

    @property
    def label(self) -> str:
        """Of an axis."""
        return f"{self.words} ({self.unit})" if self.unit != self.words else self.words


COSTS = {
    cost.column: cost
    for cost in (
        Cost("compute", "compute", "FLOPs"),
        Cost("flops_per_request", "FLOPs per request", "FLOPs"),
        Cost("train_seconds", "training time", "s", by_machine=True),
        Cost("latency_ms", "latency", "ms", by_machine=True),
        Cost("latency_cached_ms", "latency with cached history", "ms", by_machine=True),
        Cost("params", "parameters", "parameters"),
    )
}
"""What architectures are compared at, by column of the run table."""
AXES_OF_COST = COSTS | {
    "examples": Cost("examples", "training examples", "labelled candidates"),
    "wall_seconds": Cost("wall_seconds", "wall-clock time", "s", by_machine=True),
}
"""What a loss is drawn against."""
MACHINE = ("device", "threads", "precision")


def cost_of(name: str) -> Cost:
    """The cost of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in COSTS:
        raise ValueError(f"no cost {name!r}; valid: {', '.join(COSTS)}")
    return COSTS[name]


def refuse_unlike(runs: pd.DataFrame, cost: Cost) -> None:
    """Raise `ValueError` where the table lacks the cost, or was measured on unlike machines.

    Args:
        runs: usable runs of both architectures.
        cost: what they are to be compared at.
    """
    if cost.column not in runs.columns or runs[cost.column].isna().all():
        there = [name for name in COSTS if name in runs.columns and runs[name].notna().any()]
        raise ValueError(
            f"the run table has no numbers in column {cost.column!r}; it can be compared at: "
            f"{', '.join(there) or 'nothing'}"
        )
    if not cost.by_machine:
        return
    missing = [name for name in MACHINE if name not in runs.columns]
    if missing:
        raise ValueError(
            f"comparing at {cost.column} needs the columns {', '.join(MACHINE)}, to know that all was "
            f"measured alike; the run table lacks {', '.join(missing)}"
        )
    # Who has never used several workers has no column for them.
    for name in (*MACHINE, *({"workers"} & set(runs.columns))):
        values = sorted(runs[name].map(str).unique())
        if len(values) > 1:
            raise ValueError(
                f"{cost.column} of runs with different {name} can't be compared: "
                f"{', '.join(values)}; select one"
            )


def at_one_candidate(runs: pd.DataFrame) -> tuple[pd.DataFrame | None, str]:
    """The runs with the compute they would take with every candidate as a request of its own.

    Every example then pays for its history: 3 · examples · forward FLOPs with one candidate.

    Returns:
        the table and nothing, or nothing and why it can't be said.
    """
    for name in (SINGLE, "examples"):
        if name not in runs.columns:
            return None, f"the run table has no column {name!r}"
        numbers = pd.to_numeric(runs[name], errors="coerce").to_numpy(dtype=float)
        bad = int((~(np.isfinite(numbers) & (numbers > 0))).sum())
        if bad:
            return None, f"{name} is missing in {bad} of {len(runs)} runs"
    single = TRAINING_FACTOR * runs["examples"].astype(float) * runs[SINGLE].astype(float)
    return runs.assign(compute=single), ""
