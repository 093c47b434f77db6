"""From configurations to valleys: which share a budget, and the best one at each size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.analysis.law import Array
from scaling.analysis.valley import FEWEST
from scaling.units import format_si

WITHIN = 1.1
"""Computes within this factor of their mean are one budget, where the table names none."""


@dataclass(frozen=True)
class Budget:
    """The configurations of one group that were trained with one compute."""

    compute: float
    """Geometric mean over the configurations, FLOPs."""
    table: pd.DataFrame


@dataclass(frozen=True)
class Refused:
    """A budget without a minimum that could be told."""

    compute: float
    reason: str


def budgets_of(table: pd.DataFrame) -> list[Budget]:
    """The budgets of a configuration table, by the column `budget`, else by compute within 10 %."""
    numbers = budget_numbers(table)
    compute = table["compute"].to_numpy(dtype=np.float64)
    return [
        Budget(float(np.exp(np.log(compute[numbers == k]).mean())), table[numbers == k])
        for k in range(int(numbers.max()) + 1)
    ]


def named(table: pd.DataFrame) -> bool:
    """Whether the table says what each row's budget is."""
    if "budget" not in table:
        return False
    budgets = pd.to_numeric(table["budget"], errors="coerce")
    return bool((budgets > 0).all())


def budget_numbers(table: pd.DataFrame) -> np.ndarray:
    """Number of each row's budget, ascending from 0, `[rows]`."""
    if named(table):
        return np.unique(table["budget"].to_numpy(dtype=np.float64), return_inverse=True)[1]
    logs = np.log(table["compute"].to_numpy(dtype=np.float64))
    order = np.argsort(logs, kind="stable")
    numbers = np.empty(len(logs), dtype=np.int64)
    number, total, count = 0, 0.0, 0
    for row in order:
        if count and logs[row] - total / count > np.log(WITHIN):
            number, total, count = number + 1, 0.0, 0
        numbers[row] = number
        total, count = total + logs[row], count + 1
    return numbers


def best_of_each(budget: Budget, axis: str, selection: str) -> pd.DataFrame:
    """The configuration with the lowest selection loss at each value of an axis, ascending."""
    best = budget.table.groupby(axis)[selection].idxmin()
    return budget.table.loc[best].sort_values(axis)


def refusal(sizes: Array, loss: Array, axis: str) -> str:
    """Why these sizes, ascending, enclose no minimum of the loss; empty where they do."""
    num = len(np.unique(sizes))
    shown = [format_si(float(size), digits=3) for size in (sizes[0], sizes[-1])]
    if num < FEWEST:
        values = f"one value of {axis}, {shown[0]}" if num == 1 else f"{num} values of {axis}"
        return f"{values}: a minimum takes {FEWEST}"
    lowest = float(sizes[int(np.argmin(loss))])
    for edge, word, where, end in (
        (sizes[0], "smallest", "below", 0),
        (sizes[-1], "largest", "above", 1),
    ):
        if lowest == edge:
            return f"the lowest loss is at the {word} {axis}, {shown[end]}: the minimum may lie {where}"
    return ""
