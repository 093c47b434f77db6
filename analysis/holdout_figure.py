"""The figure of the hold-out: what was measured, against the forecast from less compute."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scaling.analysis.figure import Figure, Layer, Panel, Skipped
from scaling.analysis.holdout import HoldOut
from scaling.analysis.quantity import COMPUTE
from scaling.analysis.said import said_once
from scaling.analysis.trust import GroupTrust

NAME = "holdout"
TALLEST = 8.0
"""An interval is cut at so many times the largest error: errors must stay visible beside it."""


def forecasts(groups: Mapping[str, GroupTrust]) -> Figure | Skipped:
    """Every hold-out's error with the errors that its interval allows, a panel per group.

    A law fitted up to a compute predicts the next one. 0 is the forecast.

    Args:
        groups: as in `Trust.groups`.
    """
    held = {name: group.held for name, group in groups.items() if group.held is not None}
    reasons = said_once((name, one.reason) for name, one in groups.items() if one.held is None)
    if not held:
        return Skipped(NAME, "; ".join(reasons) or "nothing was held out")
    errors = [step.measured / step.predicted - 1 for one in held.values() for step in one.steps]
    most = TALLEST * max(abs(error) for error in errors) or 1.0
    first = next(iter(held.values()))
    ends = [end for one in held.values() for s in one.steps for end in (s.fitted_to, s.compute)]
    notes = [f"{name}: {one.sentence()}" for name, one in held.items()]
    ratios = [
        end / step.predicted - 1
        for one in held.values() for step in one.steps for end in step.interval
    ]  # fmt: skip
    if cut := sum(abs(ratio) > most for ratio in ratios):
        notes.append(f"{cut} of {len(ratios)} ends of intervals lie beyond {most:.0%} and are cut")
    return Figure(
        name=NAME, title="Hold-out: the next compute, forecast from less",
        x_label=COMPUTE.label, y_label=f"measured {first.target} / forecast \N{MINUS SIGN} 1 (%)",
        panels=tuple(Panel(name, _layers(name, one, most, ends)) for name, one in held.items()),
        keys=tuple(held), labels=tuple(held), ordered=False, frontier="measured (0: the forecast)",
        notes=(*notes, *reasons),
        meanings=(("interval", f"where it may lie if the law holds ({first.level:.0%})"),),
    )  # fmt: skip


def _layers(name: str, held: HoldOut, most: float, ends: list[float]) -> tuple[Layer, ...]:
    x = np.array([step.compute for step in held.steps])
    error = np.array([step.measured / step.predicted - 1 for step in held.steps])
    allowed = np.array([np.array(step.interval) / step.predicted - 1 for step in held.steps])
    allowed = np.clip(allowed, -most, most)
    return (
        Layer("line", "", np.array([min(ends) / 1.5, max(ends) * 1.5]), np.zeros(2)),
        Layer("interval", name, x, 100 * allowed[:, 0], 100 * allowed[:, 1]),
        Layer("frontier", name, x, 100 * error),
    )
