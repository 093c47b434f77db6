"""From the state and the runs to a figure: at once without a fit, then with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from scaling.analysis.compare_figure import multiplier_vs_compute
from scaling.analysis.cost import AXES_OF_COST, COSTS
from scaling.analysis.figure import Figure, Skipped
from scaling.analysis.figures import Drawing
from scaling.analysis.findings import Analysis
from scaling.analysis.isoflop_figure import isoflop_valleys
from scaling.analysis.isoflop_groups import isoflop_of
from scaling.analysis.law import law_of
from scaling.analysis.loss_figure import loss_vs_axis, loss_vs_compute
from scaling.analysis.optima_figure import optima_vs_compute
from scaling.analysis.rate_figure import loss_vs_lr
from scaling.analysis.residual_figure import residuals
from scaling.analysis.summary import analyse
from scaling.analysis.temperatures import temperatures
from scaling.analysis.versus import Versus
from scaling.dashboards.explorer_state import State

FITTED_ONLY = ("multiplier", "isoflop", "residuals")
"""Figures that show nothing but what was fitted, besides the optima."""
OPTIMUM = "optimal_"
"""What the name of a figure of optima begins with."""
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Fitted:
    """What was made in the background."""

    analysis: Analysis | None
    budgets: Mapping[str, Figure | Skipped] = field(default_factory=dict)
    """By name: the figures of shared budgets."""
    problem: str = ""
    """Why there is no analysis."""

    @property
    def fits(self) -> int:
        """How many groups could be fitted."""
        groups = self.analysis.groups.values() if self.analysis else ()
        return sum(group.fit is not None for group in groups)


def costed(runs: pd.DataFrame, state: State) -> pd.DataFrame:
    """The table with the chosen cost in the column `compute`, which laws and frontiers are in.

    A cost that isn't compute has no shared budgets: its frontier is a convex hull.
    """
    if law_of(state.law).variables != ("compute",) and state.cost != "compute":
        return runs  # the law is fitted in its own columns
    column = state.counting if state.cost == "compute" else state.cost
    if column == "compute" or column not in runs.columns:
        return runs
    return runs.assign(compute=runs[column]).drop(
        columns=["budget"] if state.cost != "compute" and "budget" in runs else []
    )


def unfitted(runs: pd.DataFrame, state: State) -> Analysis:
    """Groups, configurations and frontiers alone; see `analyse` for the errors."""
    return analyse(costed(runs, state), fits=False, **_options(state))


def fitted(runs: pd.DataFrame, state: State, progress: Progress) -> Fitted:
    """Everything that takes longer; what can't be made says why."""
    table = costed(runs, state)
    try:
        analysis = analyse(table, progress=progress, **_options(state))
    except ValueError as error:
        return Fitted(None, problem=str(error))
    progress("valleys of the budgets", 0.95)
    found = isoflop_of(analysis, "isoflop")
    figures = [found] if isinstance(found, Skipped) else [isoflop_valleys(found)]
    if not isinstance(found, Skipped):
        figures += optima_vs_compute(found)
    return Fitted(analysis, {figure.name: figure for figure in figures})


def drawing(analysis: Analysis, state: State, found: Fitted | None) -> Drawing | Skipped:
    """The figure that the state asks for.

    Args:
        analysis: of `found` where there is one, else without fits.
        state: resolved.
        found: None as long as nothing was fitted.
    """
    kind = state.figure
    if fitted_only(kind) and (found is None or found.analysis is None):
        return Skipped(kind, "it is drawn from the fit, which isn't there")
    if found is not None and kind in found.budgets:
        return found.budgets[kind]
    if kind.startswith(OPTIMUM):
        return Skipped(kind, "no valleys of shared budgets were found")
    if kind == "residuals":
        return residuals(analysis)
    if kind == "multiplier":
        contests = [one for one in analysis.contests if isinstance(one, Versus)]
        if not contests:
            return Skipped(kind, "it needs two fitted groups on one data set and a law in compute")
        return multiplier_vs_compute(contests, AXES_OF_COST.get(state.cost, COSTS["compute"]))
    if kind == "temperatures":
        learned = temperatures(analysis)
        return learned or Skipped(kind, "no run has learned temperatures")
    if kind == "lr":
        return _named(loss_vs_lr(analysis), state)
    if kind == "cost":
        return _named(_without_lines(loss_vs_compute(analysis), found), state)
    return _named(loss_vs_axis(analysis, kind), state)


def fitted_only(kind: str) -> bool:
    """Whether a figure shows nothing but what was fitted."""
    return kind in FITTED_ONLY or kind.startswith(OPTIMUM)


def _options(state: State) -> dict[str, Any]:
    return {"law": state.law, "target": state.metric, "by": state.by, "allow_mixed": True}


def _without_lines(figure: Figure | Skipped, found: Fitted | None) -> Figure | Skipped:
    """No note tells of lines where there are none."""
    if isinstance(figure, Skipped) or (found is not None and found.fits):
        return figure
    return replace(figure, notes=tuple(n for n in figure.notes if not n.startswith("Lines:")))


def _named(figure: Figure | Skipped, state: State) -> Figure | Skipped:
    """With the name of the chosen cost."""
    if isinstance(figure, Skipped):
        return figure
    cost = AXES_OF_COST[state.cost]
    if state.figure != "cost":
        return figure
    if cost.column == "compute":
        counted = _COUNTED.get(state.counting, "FLOPs")
        return replace(figure, x_label=figure.x_label.replace("(FLOPs)", f"({counted})"))
    return replace(
        figure,
        name=f"loss_vs_{cost.column}",
        title=figure.title.replace("training compute", cost.words),
        x_label=cost.label[0].upper() + cost.label[1:],
        notes=tuple(
            note.replace("compute", cost.words) if note.startswith("Lines:") else note
            for note in figure.notes
        ),
    )


_COUNTED = {
    "compute_causal": "FLOPs, causal half of attention",
    "compute_nominal": "FLOPs, full lengths",
}
