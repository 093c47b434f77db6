"""The frontier: the best an architecture reaches at each compute, chosen afresh in every draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from scaling.analysis.configurations import selection_column
from scaling.analysis.law import Array
from scaling.analysis.valley import Grid, polynomials, window

FEWEST_SIZES = 4
"""Sizes of a budget from which on a parabola through them is worth more than the best of them."""


@dataclass(frozen=True)
class Candidates:
    """The configurations of one architecture, `[configurations]` each."""

    compute: Array
    selection: Array
    """What the choice goes by: the validation loss where there is one."""
    target: Array
    """What a chosen point is worth: the test loss."""
    budget: Array | None
    """Shared budgets; None where the table has none."""
    size: Array | None = None
    """What a budget's valley is a curve in: the dense parameters, where all are known."""


@dataclass(frozen=True)
class Chosen:
    """Frontier points of several draws, `[draws, points]` each; a draw may lack a point."""

    compute: Array
    target: Array
    present: np.ndarray
    index: np.ndarray
    """Which configuration the point is; -1 for a point that is none of them."""
    size: Array | None = None
    """Where a point lies that is no configuration."""


class Rule(Protocol):
    """How a frontier is made from configurations that are present in a draw.

    A rule takes all draws at once, so that resampling repeats the choice at little cost. A point
    needn't be a configuration (a fitted isoFLOP minimum isn't): then its index is -1.
    """

    name: str

    def __call__(self, candidates: Candidates, counts: np.ndarray) -> Chosen:
        """`counts` `[draws, configurations]`: how often each stands in the draw."""


class BestOfBudget:
    """The configuration with the lowest selection loss of each budget."""

    name = "best configuration of each budget"

    def __call__(self, candidates: Candidates, counts: np.ndarray) -> Chosen:
        assert candidates.budget is not None
        chosen = []
        present = []
        for budget in np.unique(candidates.budget):
            here = (candidates.budget == budget) & (counts > 0)
            chosen.append(np.where(here, candidates.selection, np.inf).argmin(axis=1))
            present.append(here.any(axis=1))
        index, there = np.stack(chosen, axis=1), np.stack(present, axis=1)
        return Chosen(
            candidates.compute[index], candidates.target[index], there, np.where(there, index, -1)
        )


class FittedValley:
    """The minimum of a parabola in log size through each budget's valley.

    Its place comes from the selection loss, its height from a parabola through the target at the
    same sizes: those near the best, each with its best configuration. A budget with fewer than four
    sizes, or whose sizes don't enclose a minimum, gives its best configuration instead. Against
    that one, the height at 4 to 8 sizes scatters by a fifth to a third less, and is neither too low
    where sizes hardly matter nor too high where the best size lies between two.
    """

    name = "minimum of a parabola through each budget's valley, else its best configuration"

    def __call__(self, candidates: Candidates, counts: np.ndarray) -> Chosen:
        assert candidates.budget is not None
        best = BestOfBudget()(candidates, counts)
        if candidates.size is None:
            return best
        compute, target, index = best.compute.copy(), best.target.copy(), best.index.copy()
        size = candidates.size[index]
        for k, budget in enumerate(np.unique(candidates.budget)):
            x, chosen, there = _best_of_each_size(candidates, candidates.budget == budget, counts)
            if len(x) < FEWEST_SIZES:
                continue
            selection = np.where(there, candidates.selection[chosen], np.inf)
            weight = window(Grid(x, np.zeros(len(x), dtype=int)), selection, FEWEST_SIZES)
            weight *= np.take_along_axis(counts, chosen, axis=1)
            place, height = _parabola(x, selection, candidates.target[chosen], weight, there)
            known = np.isfinite(place) & (there.sum(axis=1) >= FEWEST_SIZES)
            logs = (weight * np.log(candidates.compute[chosen])).sum(axis=1)
            mean = np.exp(logs / np.maximum(weight.sum(axis=1), 1.0))
            compute[:, k] = np.where(known, mean, compute[:, k])
            target[:, k] = np.where(known, height, target[:, k])
            index[:, k] = np.where(known, -1, index[:, k])
            size[:, k] = np.where(known, np.exp(place), size[:, k])
        return Chosen(compute, target, best.present, index, size)


def _best_of_each_size(
    candidates: Candidates, here: np.ndarray, counts: np.ndarray
) -> tuple[Array, np.ndarray, np.ndarray]:
    """Log sizes `[sizes]`, the best present configuration at each, and whether there is one."""
    assert candidates.size is not None
    sizes = np.unique(candidates.size[here])
    chosen = np.empty((len(counts), len(sizes)), dtype=np.int64)
    there = np.empty(chosen.shape, dtype=bool)
    for k, size in enumerate(sizes):
        present = here & (candidates.size == size) & (counts > 0)
        chosen[:, k] = np.where(present, candidates.selection, np.inf).argmin(axis=1)
        there[:, k] = present.any(axis=1)
    return np.log(sizes), chosen, there


def _parabola(
    x: Array, selection: Array, target: Array, weight: Array, there: np.ndarray
) -> tuple[Array, Array]:
    """Place of the selection's minimum and height of the target there, `[draws]`; NaN for none."""
    grid = Grid(x, np.zeros(len(x), dtype=int))
    place = polynomials(grid, np.where(there, selection, 0.0), weight, 2).place
    lowest = x[selection.argmin(axis=1)]
    low = np.where(there, x, np.inf).min(axis=1)
    high = np.where(there, x, -np.inf).max(axis=1)
    enclosed = (low < lowest) & (lowest < high) & (low < place[:, 0]) & (place[:, 0] < high)
    place = np.where(enclosed, place[:, 0], np.nan)
    curve = polynomials(grid, np.where(there, target, 0.0), weight, 2)
    return place, curve.value(0, place[:, None])[:, 0]


class LowerHull:
    """The falling part of the lower convex hull of (log compute, selection loss)."""

    name = "lower convex hull in (log compute, loss)"

    def __call__(self, candidates: Candidates, counts: np.ndarray) -> Chosen:
        order = np.lexsort((candidates.selection, candidates.compute))
        logs = np.log(candidates.compute)
        hulls = [
            _hull(order[row[order] > 0], logs, candidates.selection)
            for row in np.atleast_2d(counts)
        ]
        width = max(len(hull) for hull in hulls)
        index = np.full((len(hulls), width), -1)
        for draw, hull in enumerate(hulls):
            index[draw, : len(hull)] = hull
        there = index >= 0
        return Chosen(candidates.compute[index], candidates.target[index], there, index)


def _hull(order: np.ndarray, x: Array, y: Array) -> list[int]:
    """Andrew's monotone chain, lower side; `order` sorts by x, then y."""
    hull: list[int] = []
    for new in order:
        if hull and x[new] == x[hull[-1]]:
            continue  # the same compute, not better
        if hull and y[new] >= y[hull[-1]]:
            continue  # more compute, not better: no frontier point, nor any later one above it
        while len(hull) >= 2:
            a, b = hull[-2], hull[-1]
            if (x[b] - x[a]) * (y[new] - y[a]) > (y[b] - y[a]) * (x[new] - x[a]):
                break
            hull.pop()
        hull.append(int(new))
    return hull


@dataclass(frozen=True)
class Frontier:
    """An architecture's frontier, and what it takes to draw it again."""

    points: pd.DataFrame
    """Rows of the configuration table, by compute."""
    configurations: pd.DataFrame
    candidates: Candidates
    rule: Rule
    selected_by: str
    """The column that the choice went by."""

    @property
    def num_configurations(self) -> int:
        return len(self.configurations)

    def resample(self, counts: np.ndarray) -> Chosen:
        """The frontier of each draw; `counts` is `[draws, configurations]`."""
        return self.rule(self.candidates, counts)


def shared_budgets(configurations: pd.DataFrame) -> bool:
    """Whether the table was made at common budgets: all have one, and some budget has several."""
    if "budget" not in configurations.columns or len(configurations) == 0:
        return False
    budgets = configurations["budget"]
    return bool(budgets.notna().all() and (budgets > 0).all() and budgets.duplicated().any())


def frontier(
    configurations: pd.DataFrame,
    *,
    target: str = "loss",
    budgets: bool | None = None,
    rule: Rule | None = None,
    increasing: bool = False,
) -> Frontier:
    """The frontier of one architecture.

    Args:
        configurations: of one architecture, as `analysis.configurations` makes them.
        target: the loss that a point is valued on; `validation_<target>` selects where every
            configuration has it.
        budgets: whether budgets are shared (ask the whole table, not one architecture's part);
            None: as these configurations say.
        rule: another rule than the default: the minimum of each shared budget's valley, else the
            convex hull.
        increasing: whether more of the target is better (an AUC). Valleys are a loss's, so the
            highest of each shared budget is the point, else the hull of the inverse.

    Raises:
        ValueError: no configuration.
    """
    if len(configurations) == 0:
        raise ValueError("no usable configuration: there is no frontier")
    shared = shared_budgets(configurations) if budgets is None else budgets
    selection = selection_column(configurations, target)
    candidates = Candidates(
        compute=configurations["compute"].to_numpy(dtype=np.float64),
        selection=configurations[selection].to_numpy(dtype=np.float64) ** (-1 if increasing else 1),
        target=configurations[target].to_numpy(dtype=np.float64),
        budget=configurations["budget"].to_numpy(dtype=np.float64) if shared else None,
        size=_sizes(configurations),
    )
    if rule is None:
        by_budget: Rule = BestOfBudget() if increasing else FittedValley()
        rule = by_budget if shared else LowerHull()
    chosen = rule(candidates, np.ones((1, len(configurations)), dtype=int))
    points = _points(configurations, candidates, chosen).assign(
        compute=chosen.compute[0][chosen.present[0]],
        **{target: chosen.target[0][chosen.present[0]]},
    )
    return Frontier(
        points.sort_values("compute", ignore_index=True),
        configurations, candidates, rule, selection,
    )  # fmt: skip


def _sizes(configurations: pd.DataFrame) -> Array | None:
    if "params" not in configurations:
        return None
    sizes = pd.to_numeric(configurations["params"], errors="coerce").to_numpy(dtype=np.float64)
    return sizes if bool((sizes > 0).all()) else None


def _points(configurations: pd.DataFrame, candidates: Candidates, chosen: Chosen) -> pd.DataFrame:
    """The rows of the chosen configurations; of a point that is none, what all of them share, its
    place, and the examples that a configuration there would have seen."""
    there = chosen.present[0]
    index = chosen.index[0][there]
    points = configurations.reset_index(drop=True).reindex(index).reset_index(drop=True)
    fitted = index < 0
    if not fitted.any() or candidates.budget is None or chosen.size is None:
        return points
    for name in configurations:
        if configurations[name].nunique(dropna=False) == 1:
            points[name] = configurations[name].iloc[0]
    budgets, sizes = np.unique(candidates.budget)[there][fitted], chosen.size[0][there][fitted]
    points.loc[fitted, "budget"] = budgets
    points.loc[fitted, "params"] = sizes
    if "examples" in configurations:
        examples = configurations["examples"].to_numpy(dtype=np.float64)
        points.loc[fitted, "examples"] = [
            _between(candidates, candidates.budget == budget, examples, size)
            for budget, size in zip(budgets, sizes)
        ]
    return points


def _between(candidates: Candidates, here: np.ndarray, values: Array, size: float) -> float:
    """What a column of positive values is between the sizes of a budget: a straight line in logs."""
    x, chosen, _ = _best_of_each_size(candidates, here, np.ones((1, len(here)), dtype=int))
    return float(np.exp(np.interp(np.log(size), x, np.log(values[chosen[0]]))))
