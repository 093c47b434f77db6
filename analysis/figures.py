"""What the figures show, as plain data: any renderer draws the same."""

from __future__ import annotations

import pandas as pd

from scaling.analysis.bars import Bars, Forest, TimeBars
from scaling.analysis.compare_figure import multiplier_vs_compute
from scaling.analysis.cost import COSTS
from scaling.analysis.figure import Figure, Skipped
from scaling.analysis.findings import Analysis
from scaling.analysis.latency_figure import COLUMNS, loss_vs_latency
from scaling.analysis.loss_figure import loss_vs_axis, loss_vs_compute
from scaling.analysis.rate_figure import loss_vs_lr
from scaling.analysis.temperatures import HeatMap, temperatures
from scaling.analysis.trust import Trust
from scaling.analysis.versus import Versus

Drawing = Figure | HeatMap | Bars | TimeBars | Forest
"""What `scaling.analysis.plots` draws."""


def figures(
    analysis: Analysis, *, trust: Trust | None = None, curves: pd.DataFrame | None = None
) -> tuple[list[Drawing], list[Skipped]]:
    """Loss against compute, parameters and sequence length, and the compute multiplier, each named
    where there is nothing to show; and where a table has them, loss against latency and learning rate,
    and learned temperatures."""
    found = [loss_vs_compute(analysis), *(loss_vs_axis(analysis, a) for a in ("params", "seq_len"))]
    contests = [one for one in analysis.contests if isinstance(one, Versus)]
    if contests:
        found.insert(1, multiplier_vs_compute(contests, COSTS["compute"]))
    drawn: list[Drawing] = [one for one in found if isinstance(one, Figure)]
    by_rate, learned = loss_vs_lr(analysis), temperatures(analysis)
    for column in COLUMNS:
        if isinstance(by_latency := loss_vs_latency(analysis, column), Figure):
            drawn.append(by_latency)
    if isinstance(by_rate, Figure):  # few tables hold such a sweep: nobody misses it in the others
        drawn.append(by_rate)
    return (
        drawn if learned is None else [*drawn, learned],
        [one for one in found if isinstance(one, Skipped)],
    )
