"""The isoFLOP analysis of an analysis' own groups, for the figures of its budgets."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pandas as pd

from scaling.analysis.figure import Skipped
from scaling.analysis.findings import Analysis
from scaling.analysis.frontier import shared_budgets
from scaling.analysis.isoflop import isoflop
from scaling.analysis.isoflop_result import Isoflop
from scaling.analysis.mapper import Mapper

DRAWS = 400
"""Of the intervals; `climber isoflop` takes 1000, and so its last digits may differ."""


def isoflop_of(analysis: Analysis, name: str, mapper: Mapper = map) -> Isoflop | Skipped:
    """The valleys of every group with shared budgets.

    Args:
        analysis: of runs with `params`, `compute` and `budget`.
        name: of what is skipped where no group has any.
        mapper: analyses the groups.
    """
    if analysis.law.increasing:
        return Skipped(name, f"{analysis.target} is better the higher: it has no valley")
    # Groups are made already, whatever column they came from: each is analysed alone.
    tables = [
        group.runs.assign(architecture=key)
        for key, group in analysis.groups.items()
        if {"params", "compute"} <= set(group.configurations)
        and shared_budgets(group.configurations)
    ]
    found = mapper(partial(_alone, target=analysis.target, level=analysis.level), tables)
    known = [one for one in found if one is not None]
    if not known:
        return Skipped(name, "no budget is shared by several configurations")
    return replace(known[0], groups={k: v for one in known for k, v in one.groups.items()})


def _alone(runs: pd.DataFrame, target: str, level: float) -> Isoflop | None:
    """None where sizes aren't numbers, say: such runs have other figures."""
    try:
        return isoflop(runs, target=target, level=level, bootstrap=DRAWS)
    except ValueError:
        return None
