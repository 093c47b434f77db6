"""Cutting a sweep to a compute allowance: whole budgets, the largest first."""

from __future__ import annotations

import dataclasses

from scaling.sweeps.base import Sweep


def within_compute(sweep: Sweep, max_compute: float) -> tuple[Sweep, list[float]]:
    """The sweep without its largest budgets, so that the training FLOPs of the rest fit.

    Whole budgets go, because half a budget would compare some configurations and not others.

    Returns:
        The sweep that fits, and the budgets left out, largest first.

    Raises:
        ValueError: not even the smallest budget fits.
    """
    cut = []
    kept = list(sweep.trials)
    while kept and sum(trial.budget for trial in kept) > max_compute:
        largest = max(trial.budget for trial in kept)
        cut.append(largest)
        kept = [trial for trial in kept if trial.budget != largest]
    if not kept:
        smallest = min(trial.budget for trial in sweep.trials)
        needed = sum(trial.budget for trial in sweep.trials if trial.budget == smallest)
        raise ValueError(
            f"--max-compute {max_compute:g} is too little for sweep {sweep.title!r}: the trials of "
            f"its smallest budget, {smallest:g}, need {needed:g} FLOPs"
        )
    return dataclasses.replace(sweep, trials=tuple(kept)), cut
