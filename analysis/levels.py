"""Runs in the order of their compute: what is fitted up to each level, and what lies beyond."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from scaling.analysis.configurations import Usable, configurations, usable
from scaling.analysis.frontier import frontier, shared_budgets
from scaling.analysis.law import Array, FitError, Law
from scaling.analysis.rows import rank_correlation

ALIKE = 1.1
"""Computes within this factor are one level, where no budgets say so."""
MOST = 12
"""Levels of runs at many computes: neighbours are put together."""


LeftOut = tuple[tuple[str, str], ...]
"""Rows that can't be used, by label, and why."""


@dataclass(frozen=True)
class Ladder:
    """Levels of compute, from the smallest."""

    compute: tuple[float, ...]
    """Largest compute (or params x examples) of each level."""
    window: Callable[[int], pd.DataFrame]
    """What a law is fitted to when only levels below `k` are known."""
    held: Callable[[int], pd.DataFrame]
    """The rows of level `k`."""
    rows: str
    """What the rows are, in words."""
    excluded: LeftOut

    @property
    def size(self) -> int:
        return len(self.compute)


def ladder(runs: pd.DataFrame, law: Law, *, target: str, all_runs: bool = False) -> Ladder:
    """The levels of a group's runs, for a law in compute (its frontier) or in other columns.

    Raises:
        FitError: no usable run.
        ValueError: a missing column.
    """
    if law.variables == ("compute",):
        use = _used(runs, ["compute", target])
        if all_runs:
            return _of_runs(use, "compute", target)
        return _of_frontier(use, target, law.increasing)
    runs, order = with_order(runs)
    return _of_runs(_used(runs, [*law.variables, target, order]), order, target)


def left_out(excluded: pd.DataFrame) -> LeftOut:
    """From a table of rows that can't be used, with the column `excluded` (why)."""
    return tuple((str(row), str(why)) for row, why in excluded["excluded"].items())


def _used(runs: pd.DataFrame, columns: list[str]) -> Usable:
    use = usable(runs, columns)
    if use.runs.empty:
        raise FitError(f"no usable run among {len(runs)}: {use.why_none()}")
    return use


def with_order(runs: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The table with a column that orders its runs by compute, and that column's name."""
    if "compute" in runs.columns:
        return runs, "compute"
    if {"params", "examples"} <= set(runs.columns):
        # As floats: whole numbers of parameters and tokens overflow 64 bits.
        product = pd.to_numeric(runs["params"], errors="coerce").astype(np.float64) * pd.to_numeric(
            runs["examples"], errors="coerce"
        ).astype(np.float64)
        return runs.assign(**{"params x examples": product}), "params x examples"
    raise ValueError(
        "the run table has no column 'compute' (nor 'params' and 'examples') to order its runs "
        f"by; it has: {', '.join(map(str, runs.columns))}"
    )


@dataclass(frozen=True)
class Windows:
    """Windows that laws of all kinds have in common: up to each point of the runs' frontier."""

    runs: pd.DataFrame
    points: pd.DataFrame
    """The frontier of all runs, by compute."""
    order: str
    shared: bool
    target: str
    increasing: bool
    """Whether more of the target is better."""
    excluded: LeftOut
    fronts: Mapping[int, pd.DataFrame]
    """What laws in compute are fitted to: the frontier of the runs up to each point that is tried,
    and of all; made once for all laws. Empty where the runs have no compute."""

    @property
    def size(self) -> int:
        return len(self.points)

    @property
    def tried(self) -> range:
        """Numbers of points that laws are fitted to, to predict the others."""
        return range((self.size + 1) // 2, self.size)

    def rows(self, law: Law, k: int) -> pd.DataFrame:
        """What `law` is fitted to when only the first `k` points, and the runs up to them, are known.

        Raises:
            ValueError: a column that the law needs is missing, in the table or in some run.
        """
        if law.variables == ("compute",) and k in self.fronts:
            return self.fronts[k]
        column = "budget" if self.shared else self.order
        known = self.runs[self.runs[column] <= self.points[column].iloc[k - 1]]
        found = usable(known, [*law.variables, self.target])
        if len(found.excluded):
            raise ValueError(f"{len(found.excluded)} runs: {found.excluded['excluded'].iloc[0]}")
        return found.runs

    def words(self, law: Law) -> str:
        """What `rows` are."""
        return "the frontier" if law.variables == ("compute",) else "all runs"


def frontier_windows(runs: pd.DataFrame, target: str) -> Windows:
    """The windows of a group's runs.

    Raises:
        FitError: no usable run.
        ValueError: a missing column.
    """
    runs, order = with_order(runs)
    use = _used(runs, [order, target])
    table = configurations(use.runs.assign(compute=use.runs[order]), target)
    shared = shared_budgets(table)
    # A rising metric needs the other side of the cloud; the laws refuse what goes the other way.
    rising = rank_correlation(table["compute"].to_numpy(), table[target].to_numpy()) > 0

    def front(known: pd.DataFrame) -> pd.DataFrame:
        return frontier(known, target=target, budgets=shared, increasing=rising).points

    points = front(table)
    excluded = left_out(use.excluded)
    windows = Windows(use.runs, points, order, shared, target, rising, excluded, {})
    if order != "compute":
        return windows

    def known(k: int) -> pd.DataFrame:
        column = "budget" if shared else order
        return configurations(use.runs[use.runs[column] <= points[column].iloc[k - 1]], target)

    return replace(windows, fronts={k: front(known(k)) for k in (*windows.tried, windows.size)})


def _of_frontier(use: Usable, target: str, increasing: bool) -> Ladder:
    table = configurations(use.runs, target)
    shared = shared_budgets(table)
    points = frontier(table, target=target, budgets=shared, increasing=increasing).points

    def window(k: int) -> pd.DataFrame:
        if shared:
            return points.iloc[:k]
        known = table[table["compute"] <= points["compute"][k - 1]]
        return frontier(known, target=target, budgets=False, increasing=increasing).points

    return Ladder(
        tuple(points["compute"]), window, lambda k: points.iloc[k : k + 1], "the frontier",
        left_out(use.excluded),
    )  # fmt: skip


def _of_runs(use: Usable, order: str, target: str) -> Ladder:
    runs = use.runs.sort_values([order, target], kind="stable")
    number = levels(runs, order)
    compute = runs[order].to_numpy(dtype=np.float64)
    return Ladder(
        tuple(float(compute[number == k].max()) for k in range(number.max() + 1)),
        lambda k: runs[number < k],
        lambda k: runs[number == k],
        "all runs",
        left_out(use.excluded),
    )


def levels(runs: pd.DataFrame, order: str) -> np.ndarray:
    """Number of each run's level, from 0; `runs` sorted by `order`.

    Shared budgets are levels; otherwise computes within 10 %, put together to at most 12.
    """
    if shared_budgets(runs):
        return np.asarray(np.unique(runs["budget"], return_inverse=True)[1])
    number = _alike(np.log(runs[order].to_numpy(dtype=np.float64)))
    count = int(number.max()) + 1
    return number if count <= MOST else number * MOST // count


def _alike(logs: Array) -> np.ndarray:
    """Runs of sorted logs that begin a new level where one lies 10 % above the level's first."""
    number = np.zeros(len(logs), dtype=np.int64)
    first = logs[0]
    for k in range(1, len(logs)):
        beyond = logs[k] > first + np.log(ALIKE)
        first = logs[k] if beyond else first
        number[k] = number[k - 1] + beyond
    return number
