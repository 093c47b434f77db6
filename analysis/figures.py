"""What the figures show, as plain data: any renderer draws the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from scaling.analysis.bars import Bars, Forest, TimeBars
from scaling.analysis.compare_figure import multiplier_vs_compute
from scaling.analysis.cost import COSTS
from scaling.analysis.cost_figure import COLUMNS, loss_vs_cost
from scaling.analysis.crossing_figure import crossings
from scaling.analysis.curve_figure import learning_curves
from scaling.analysis.figure import Figure, Skipped
from scaling.analysis.findings import Analysis
from scaling.analysis.holdout_figure import forecasts
from scaling.analysis.isoflop_figure import NAME as ISOFLOP
from scaling.analysis.isoflop_figure import isoflop_valleys, without_sizes
from scaling.analysis.isoflop_groups import isoflop_of
from scaling.analysis.loss_figure import loss_vs_axis, loss_vs_compute
from scaling.analysis.mapper import Mapper
from scaling.analysis.optima_figure import optima_vs_compute
from scaling.analysis.rate_figure import loss_vs_lr
from scaling.analysis.residual_figure import residuals
from scaling.analysis.sensitivity_figure import moved_exponents, moved_multipliers
from scaling.analysis.shape_figure import ASTRO, depth_by_length
from scaling.analysis.temperatures import HeatMap, HeatPanel, temperatures
from scaling.analysis.time_figure import time_vs_plan
from scaling.analysis.trust import Trust
from scaling.analysis.versus import Versus

Drawing = Figure | HeatMap | Bars | TimeBars | Forest
"""What `scaling.analysis.plots` draws."""


def figures(
    analysis: Analysis,
    *,
    trust: Callable[[], Trust] | None = None,
    curves: pd.DataFrame | None = None,
    shapes: Callable[[], Sequence[HeatPanel]] = tuple,
    mapper: Mapper = map,
) -> tuple[list[Drawing], list[Skipped]]:
    """All that an analysis has to show, what the verdict rests on first, and what has nothing.

    Args:
        analysis: of a run table.
        trust: gives what is known of the same runs, asked last; None leaves out hold-out and
            sensitivity.
        curves: metrics logged while training, see `learning_curves`; None: none.
        shapes: gives the paper's, see `depth_by_length`.
        mapper: does the independent parts of the work.

    Returns:
        the figures, and the figures that have nothing to show, with reasons. What few tables have
        (times, learning rates, learned temperatures, several contests) is not missed elsewhere.
    """
    contests = [one for one in analysis.contests if isinstance(one, Versus)]
    compute = COSTS["compute"]
    found: list[Drawing | Skipped] = [loss_vs_compute(analysis)]
    if contests:
        found.append(multiplier_vs_compute(contests, compute))
    if len(contests) > 1:  # one crossing stands in the figure above
        found.append(crossings(contests, compute))
    found += _of_budgets(analysis, mapper)
    found += [loss_vs_axis(analysis, axis) for axis in ("params", "seq_len")]
    rare: list[Drawing | Skipped] = [
        *(loss_vs_axis(analysis, axis) for axis in ("depth", "width") if _apart(analysis, axis)),
        loss_vs_axis(analysis, "blocks"),
        *(loss_vs_cost(analysis, column) for column in COLUMNS), loss_vs_lr(analysis),
    ]  # fmt: skip
    found += [one for one in rare if not isinstance(one, Skipped)]
    if (learned := temperatures(analysis)) is not None:
        found.append(learned)
    shaped = depth_by_length(analysis, shapes)
    if isinstance(shaped, HeatMap) or ASTRO in analysis.groups:
        found.append(shaped)
    if curves is not None:
        found.append(learning_curves(analysis, curves))
    found.append(residuals(analysis))
    if trust is not None:
        known = trust()
        found += [
            forecasts(known.groups),
            moved_exponents(known.sensitivity),
            moved_multipliers(known.sensitivity),
        ]
    if isinstance(timed := time_vs_plan(analysis), Figure):
        found.append(timed)
    drawn = [one for one in found if not isinstance(one, Skipped)]
    return (
        [_alike(one, analysis) if isinstance(one, Figure) else one for one in drawn],
        [one for one in found if isinstance(one, Skipped)],
    )


def _alike(figure: Figure, analysis: Analysis) -> Figure:
    """With every group in the colour that it has in the others, also where some groups are missing;
    a contest in its candidate's."""
    groups = tuple(analysis.groups)
    compared = [one.comparison for one in analysis.contests if isinstance(one, Versus)]
    baselines = dict.fromkeys(one.baseline for one in compared)
    contests = [tuple(f"{one} against {baseline}" for one in groups) for baseline in baselines]
    for known in (groups, *contests):
        if not figure.ordered and set(known) & set(figure.keys):
            others = tuple(key for key in figure.keys if key not in known)
            return replace(figure, among=known + others)
    return figure


def _of_budgets(analysis: Analysis, mapper: Mapper) -> list[Drawing | Skipped]:
    """The valleys of shared budgets, and how the best of every axis moves with compute."""
    found = isoflop_of(analysis, ISOFLOP, mapper)
    if isinstance(found, Skipped):
        return [found]
    if why := without_sizes(found):
        return [Skipped(ISOFLOP, why)]
    optima = optima_vs_compute(found)
    # Without the best size, the best data and shape are not missed besides.
    missed = [one for one in optima if isinstance(one, Skipped)][:1]
    return [isoflop_valleys(found), *(one for one in optima if isinstance(one, Figure)), *missed]


def _apart(analysis: Analysis, axis: str) -> bool:
    """Whether the axis says anything that the size does not: some group has several values of one
    for a value of the other."""
    for group in analysis.groups.values():
        table = group.configurations
        if {axis, "params"} <= set(table):
            pairs = table[[axis, "params"]].drop_duplicates()
            if pairs[axis].duplicated().any() or pairs["params"].duplicated().any():
                return True
    return False
