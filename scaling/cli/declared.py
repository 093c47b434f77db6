"""What SWEEP on the command line stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scaling.sweeps.base import Sweep


def load(sweep: str, axes: tuple[str, ...], max_compute: float | None) -> Sweep:
    """The sweep that the command line names, its axes filled, within the compute allowed."""
    from scaling.cli.output import assignments, warn
    from scaling.sweeps.allowance import within_compute
    from scaling.sweeps.axes_values import fill
    from scaling.sweeps.base import Sweep
    from scaling.sweeps.sources import load_sweep

    source, values = load_sweep(sweep), assignments(axes, "--set")
    if isinstance(source, Sweep):
        if values:
            raise ValueError(f"{sweep} is a resolved spec: it has no axes to --set")
        declared = source
    else:
        declared = fill(source, values)
    if max_compute is None:
        return declared
    kept, cut = within_compute(declared, max_compute)
    if cut:
        budgets = ", ".join(f"{budget:.3g}" for budget in cut)
        warn(f"--max-compute {max_compute:g} leaves out the budgets {budgets}")
    return kept


def in_time(
    declared: Sweep,
    max_hours: float | None,
    *,
    slots: int | None,
    force: bool,
    tracking_uri: str | None,
) -> Sweep:
    """The sweep without the largest budgets that the hours are too short for."""
    if max_hours is None:
        return declared
    import dataclasses

    from scaling.cli.output import warn
    from scaling.sweeps.allowance import within_hours
    from scaling.sweeps.plan import make_plan

    made = make_plan(declared, tracking_uri=tracking_uri, force=force, slots=slots)
    kept, cut = within_hours(made, max_hours)
    if cut:
        budgets = ", ".join(f"{budget:.3g}" for budget in cut)
        warn(f"--max-hours {max_hours:g} leaves out the budgets {budgets}")
    return dataclasses.replace(declared, trials=tuple(planned.trial for planned in kept.trials))


def title_of(sweep: str) -> str:
    """The experiment that a command-line SWEEP belongs to; a plain name is taken as it is."""
    if ":" in sweep or sweep.endswith(".json"):
        return load(sweep, (), None).title
    return sweep
