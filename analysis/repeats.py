"""An architecture's configurations with their seeds, and what the seeds say about the noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.analysis.configurations import configuration_numbers, selection_column
from scaling.analysis.law import Array


@dataclass(frozen=True)
class Repeats:
    """Configurations, by budget and size, and the runs of each, by seed; NaN where there is none."""

    compute: Array
    """Mean over seeds, `[configurations]`."""
    size: Array
    """Logs of `params`, NaN without the column, `[configurations]`."""
    budget: np.ndarray
    """Number of the budget among `budgets`, `[configurations]`."""
    budgets: Array
    target: Array
    """Logs, `[configurations, seeds]`."""
    selection: Array
    """Logs of what the choice goes by, `[configurations, seeds]`."""
    seeds: tuple[str, ...]
    """What the columns stand for; empty where the table doesn't tell seeds apart."""
    runs: np.ndarray
    """Identifiers of the runs, empty where unknown, `[configurations, seeds]`."""

    @property
    def present(self) -> np.ndarray:
        return np.isfinite(self.target)

    @property
    def counts(self) -> np.ndarray:
        """Configurations of each budget."""
        return np.bincount(self.budget, minlength=len(self.budgets))


@dataclass(frozen=True)
class Noise:
    """What the seeds of an architecture say; variances of ln(target)."""

    total: float
    """Between seeds of one configuration; 0 without repeats."""
    shared: float
    """Part of `total` that configurations of one budget with one seed have in common."""
    selection: float
    """Of ln(selection) - ln(target) between seeds."""
    dof: int
    """Runs less configurations."""


def repeats(runs: pd.DataFrame, target: str) -> Repeats:
    """The arrays of one architecture's usable runs at shared budgets.

    Args:
        runs: with `compute`, `budget` and the target.
        target: a loss column; `validation_<target>` selects where every run has it.
    """
    runs = runs.reset_index(drop=True)
    selection = selection_column(runs, target)
    number = configuration_numbers(runs)
    column, seeds = _columns(runs, number)
    shape = (int(number.max()) + 1, int(column.max()) + 1)
    values = {
        name: np.full(shape, np.nan)
        for name in ("compute", "params", "budget", target, selection)
        if name in runs
    }
    for name, array in values.items():
        array[number, column] = pd.to_numeric(runs[name], errors="coerce").to_numpy(dtype=float)
    names = np.full(shape, "", dtype=object)
    if "run_id" in runs:
        names[number, column] = runs["run_id"].astype(object).fillna("").map(str).to_numpy()
    compute, budget = np.nanmean(values["compute"], axis=1), np.nanmean(values["budget"], axis=1)
    size = np.full(shape[0], np.nan)
    if "params" in values:
        sized = (values["params"] > 0).any(axis=1)
        size[sized] = np.log(np.nanmean(values["params"][sized], axis=1))
    budgets, place = np.unique(budget, return_inverse=True)
    order = np.lexsort((compute, size, place))
    ours = np.log(values[target])[order]
    theirs = ours if selection == target else np.log(values[selection])[order]
    return Repeats(
        compute[order], size[order], place[order], budgets, ours, theirs, seeds, names[order]
    )


def noise_of(data: Repeats) -> Noise:
    """Pooled over configurations and, for the shared part, over budgets."""
    away, dof = _deviations(data.target), int(data.present.sum() - len(data.target))
    if dof == 0:
        return Noise(0.0, 0.0, 0.0, 0)
    total = float(np.nansum(away**2) / dof)
    extra = _deviations(data.selection - data.target)
    means, members = _budget_means(data)
    spare = max(np.isfinite(means).sum() - len(data.budgets), 1)
    # A mean over K configurations has the shared part whole, and a K-th of the rest.
    of_mean, share = float(np.nansum(means**2) / spare), float(np.nanmean(1.0 / members))
    shared = (of_mean - total * share) / (1.0 - share) if share < 1 and data.seeds else 0.0
    return Noise(total, float(np.clip(shared, 0.0, total)), float(np.nansum(extra**2) / dof), dof)


def common_noise(one: Repeats, two: Repeats) -> tuple[float, float, int]:
    """Covariance and correlation of two architectures' seed means, and the cells they rest on.

    A cell is a budget and a seed that both have.
    """
    budgets, ours, theirs = np.intersect1d(one.budgets, two.budgets, return_indices=True)
    seeds = [name for name in one.seeds if name in two.seeds]
    if not len(budgets) or len(seeds) < 2:
        return 0.0, float("nan"), 0
    first = _budget_means(one)[0][np.ix_(ours, np.array([one.seeds.index(name) for name in seeds]))]
    second = _budget_means(two)[0][
        np.ix_(theirs, np.array([two.seeds.index(name) for name in seeds]))
    ]
    both = np.isfinite(first) & np.isfinite(second)
    first, second = (np.where(both, values, np.nan) for values in (first, second))
    first, second = (_deviations(values) for values in (first, second))
    spare = int(both.sum() - both.any(axis=1).sum())
    if spare < 1:
        return 0.0, float("nan"), 0
    product = float(np.nansum(first * second) / spare)
    scale = float(np.sqrt(np.nansum(first**2) * np.nansum(second**2)) / spare)
    return product, product / scale if scale > 0 else float("nan"), spare


def _columns(runs: pd.DataFrame, number: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Column of each run, and what the columns stand for."""
    if "seed" in runs.columns and runs["seed"].notna().all():
        labels, column = np.unique(runs["seed"].astype(str), return_inverse=True)
        if not pd.Series(list(zip(number, column))).duplicated().any():
            return column, tuple(labels)
    return pd.Series(number).groupby(number).cumcount().to_numpy(), ()


def _deviations(values: Array) -> Array:
    """From the mean of each row; NaN stays, a row of NaN too."""
    there = np.isfinite(values)
    mean = np.where(there, values, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return np.asarray(values - mean[:, None])


def _budget_means(data: Repeats) -> tuple[Array, Array]:
    """Mean deviation of a budget's configurations for each seed, and how many they are."""
    away = _deviations(data.target)
    shape = (len(data.budgets), away.shape[1])
    total, members = np.zeros(shape), np.zeros(shape)
    np.add.at(total, data.budget, np.nan_to_num(away))
    np.add.at(members, data.budget, np.isfinite(away))
    members = np.where(members > 0, members, np.nan)
    return total / members, members
