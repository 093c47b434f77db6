"""Cutting a sweep to an allowance of compute or time: whole budgets, the largest first."""

from __future__ import annotations

import dataclasses

from scaling.sweeps.base import Sweep
from scaling.sweeps.plan import Plan
from scaling.sweeps.references import budgets_of


def within_compute(sweep: Sweep, max_compute: float) -> tuple[Sweep, list[float]]:
    """The sweep without its largest budgets, so that the training FLOPs of the rest fit.

    Whole budgets go, because half a budget would compare some configurations and not others.
    References, which are counted, cost none and stay.

    Returns:
        The sweep that fits, and the budgets left out, largest first.

    Raises:
        ValueError: not even the smallest budget fits.
    """
    cut: list[float] = []
    kept = list(sweep.trials)
    budgets = budgets_of(kept)
    while sum(budgets) > max_compute:
        largest = max(budgets)
        cut.append(largest)
        kept = [trial for trial in kept if trial.budget != largest]
        budgets = budgets_of(kept)
    if cut and not budgets:
        smallest = cut[-1]
        needed = sum(trial.budget for trial in sweep.trials if trial.budget == smallest)
        raise ValueError(
            f"--max-compute {max_compute:g} is too little for sweep {sweep.title!r}: the trials of "
            f"its smallest budget, {smallest:g}, need {needed:g} FLOPs"
        )
    return dataclasses.replace(sweep, trials=tuple(kept)), cut


def within_hours(plan: Plan, max_hours: float) -> tuple[Plan, list[float]]:
    """The plan without its largest budgets, so that what is to do ends in time on its slots.

    A budget with nothing to do takes no time and stays. References stay too.

    Returns:
        The plan that fits, and the budgets left out, largest first.

    Raises:
        ValueError: not even the smallest budget fits.
    """
    cut: list[float] = []
    kept = plan
    while kept.wall_seconds > 3600 * max_hours:
        budgets = {planned.trial.budget for planned in kept.in_state("to do")} - {0.0}
        if len(budgets) < 2:
            raise ValueError(
                f"--max-hours {max_hours:g} is too little for sweep {plan.title!r}: what is to do "
                f"of its smallest budget takes {kept.wall_seconds / 3600:.2g} hours on "
                f"{plan.slots} slots"
            )
        cut.append(max(budgets))
        kept = dataclasses.replace(
            kept, trials=tuple(p for p in kept.trials if p.trial.budget != cut[-1])
        )
    return kept, cut
