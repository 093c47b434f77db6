"""The isoFLOP analysis of an analysis' own groups, for the figures of its budgets."""

from __future__ import annotations

from dataclasses import replace

from scaling.analysis.figure import Skipped
from scaling.analysis.findings import Analysis
from scaling.analysis.frontier import shared_budgets
from scaling.analysis.isoflop import isoflop
from scaling.analysis.isoflop_result import Isoflop

DRAWS = 400
"""Of the intervals; `climber isoflop` takes 1000, and so its last digits may differ."""


def isoflop_of(analysis: Analysis, name: str) -> Isoflop | Skipped:
    """The valleys of every group with shared budgets.

    Args:
        analysis: of runs with `params`, `compute` and `budget`.
        name: of what is skipped where no group has any.
    """
    if analysis.law.increasing:
        return Skipped(name, f"{analysis.target} is better the higher: it has no valley")
    whole: Isoflop | None = None
    groups = {}
    for key, group in analysis.groups.items():
        table = group.configurations
        if not {"params", "compute"} <= set(table) or not shared_budgets(table):
            continue
        try:
            # Groups are made already, whatever column they came from: each is analysed alone.
            found = isoflop(
                group.runs.assign(architecture=key), target=analysis.target, level=analysis.level,
                bootstrap=DRAWS,
            )  # fmt: skip
        except ValueError:  # sizes that aren't numbers, say: those runs have other figures
            continue
        (part,) = found.groups.values()
        whole, groups[key] = found, replace(part, name=key)
    if whole is None:
        return Skipped(name, "no budget is shared by several configurations")
    return replace(whole, groups=groups)
