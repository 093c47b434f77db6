"""What SWEEP on the command line stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scaling.sweeps.base import Sweep
    from scaling.sweeps.plan import Plan


def load(sweep: str, axes: tuple[str, ...], max_compute: float | None) -> Sweep:
    """The sweep that the command line names, its axes filled, within the compute allowed."""
    from scaling.cli.output import assignments
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
    _warn_cut(f"--max-compute {max_compute:g}", cut)
    return kept


def in_time(made: Plan, max_hours: float | None) -> Plan:
    """The plan without the largest budgets that the hours are too short for."""
    if max_hours is None:
        return made
    from scaling.sweeps.allowance import within_hours

    kept, cut = within_hours(made, max_hours)
    _warn_cut(f"--max-hours {max_hours:g}", cut)
    return kept


def _warn_cut(option: str, cut: Sequence[float]) -> None:
    from scaling.cli.output import warn

    if cut:
        budgets = ", ".join(f"{budget:.3g}" for budget in cut)
        warn(f"{option} leaves out the budgets {budgets}")


def title_of(sweep: str) -> str:
    """The experiment that a command-line SWEEP belongs to; a plain name is taken as it is."""
    if ":" in sweep or sweep.endswith(".json"):
        return load(sweep, (), None).title
    return sweep
