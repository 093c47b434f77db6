"""The isoFLOP analysis of an analysis' own groups, for the figures of its budgets."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pandas as pd

from scaling.analysis.figure import Skipped
from scaling.analysis.findings import Analysis
from scaling.analysis.frontier import shared_budgets
from scaling.analysis.isoflop import isoflop
from scaling.analysis.isoflop_budgets import budgets_of, named
from scaling.analysis.isoflop_result import Isoflop
from scaling.analysis.mapper import Mapper
from scaling.analysis.marks import positive
from scaling.analysis.valley import FEWEST

MOST = 0.9
"""Share of a group's configurations."""
DRAWS = 400
"""Of the intervals; `climber isoflop` takes 1000, and so its last digits may differ."""


def isoflop_of(analysis: Analysis, name: str, mapper: Mapper = map) -> Isoflop | Skipped:
    """The valleys of every group with shared budgets, or with runs of nearly equal compute.

    Args:
        analysis: of runs with `params` and `compute`.
        name: of what is skipped where no group has any.
        mapper: analyses the groups.
    """
    if analysis.law.increasing:
        return Skipped(name, f"{analysis.target} is better the higher: it has no valley")
    # Groups are made already, whatever column they came from: each is analysed alone.
    tables = [
        group.runs.assign(architecture=key)
        for key, group in analysis.groups.items()
        if {"params", "compute"} <= set(group.configurations) and _shared(group.configurations)
    ]
    found = mapper(partial(_alone, target=analysis.target, level=analysis.level), tables)
    known = [one for one in found if one is not None]
    if not known:
        return Skipped(name, "no budget is shared by several configurations")
    return replace(known[0], groups={k: v for one in known for k, v in one.groups.items()})


def _shared(table: pd.DataFrame) -> bool:
    """Whether budgets are named and shared or, where none are named, nearly all configurations have
    others of their compute: compute that is spread makes neighbours by chance, and no valleys."""
    if named(table):
        return shared_budgets(table)
    if not (positive(table, "compute").all() and positive(table, "params").all()):
        return False
    several = [
        len(budget.table)
        for budget in budgets_of(table)
        if budget.table["params"].nunique() >= FEWEST
    ]
    return sum(several) >= MOST * len(table)


def _alone(runs: pd.DataFrame, target: str, level: float) -> Isoflop | None:
    """None where sizes aren't numbers, say: such runs have other figures."""
    try:
        return isoflop(runs, target=target, level=level, bootstrap=DRAWS)
    except ValueError:
        return None
