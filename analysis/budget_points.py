"""What an architecture reaches at each shared budget, without gaining from having had more tries.

The best of many configurations is best by luck too: of 12 equal ones it lies 1.6 standard deviations
low, of 4 one. Two ways to value a budget are free of that: the minimum of the valley that loss
against size is, and the mean over seeds of a choice made by the other seeds.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from scaling.analysis.law import Array
from scaling.analysis.repeats import Noise, Repeats
from scaling.analysis.valley import FEWEST, Grid, at_minimum, bracketed, window
from scaling.analysis.valley_curve import exponentials
from scaling.units import format_si

Rule = Literal["valley", "other seeds", "best", "hull"]
"""`hull` is for tables without shared budgets."""

SAID: dict[Rule, str] = {
    "valley": "the minimum of each budget's valley of loss against parameters",
    "other seeds": "each seed's value of the configuration that the other seeds choose",
    "best": "the best configuration of each budget",
    "hull": "the lower convex hull of the configurations",
}
SAME_SIZE = 0.01
"""Logs of sizes that differ by less are one size, so the budget isn't a valley of sizes."""
MISSED = 3.0
"""A valley that misses its configurations by so many standard deviations of one isn't one."""
SHALLOW = 0.25
"""The same without repeats, as a share of the range of log losses in a budget."""


def no_valley(data: Repeats, noise: Noise) -> str:
    """Why the budgets' minima can't be fitted; empty if they can."""
    if np.isnan(data.size).any():
        return "not every run has `params`"
    for k, budget in enumerate(data.budgets):
        sizes = np.sort(data.size[data.budget == k])
        if len(sizes) < FEWEST:
            return (
                f"budget {format_si(budget, digits=3)} has {len(sizes)} sizes, {FEWEST} are needed"
            )
        if (np.diff(sizes) < SAME_SIZE).any():
            return f"budget {format_si(budget, digits=3)} has several configurations of one size"
    grid = Grid(data.size, data.budget)
    means = _means(data.selection[None], data.present)
    loss = np.exp(means)
    curves = exponentials(grid, loss, window(grid, loss))
    place = bracketed(grid, loss, curves.place)[0]
    if not np.isfinite(place).all():
        bad = ", ".join(format_si(budget, digits=3) for budget in data.budgets[~np.isfinite(place)])
        return f"no minimum of loss against parameters inside the sizes of budget {bad}"
    near = window(grid, loss)[0] > 0
    fitted = np.concatenate(
        [curves.value(k, grid.x[None, s])[0] for k, s in enumerate(grid.places)]
    )
    off = (means[0] - np.log(fitted))[near]
    spare = int(near.sum()) - curves.num_parameters
    scatter = float(np.sqrt((off**2).sum() / max(spare, 1)))
    if noise.dof:
        fine = MISSED * np.sqrt(noise.total / data.present.sum(axis=1).mean())
    else:
        fine = SHALLOW * np.mean([np.ptp(means[0, rows]) for rows in grid.places])
    if spare > 0 and scatter > fine:
        return f"loss against parameters is no smooth valley: it is missed by {scatter:.2%}"
    return ""


def rule_for(pair: tuple[Repeats, Repeats], noises: tuple[Noise, Noise]) -> tuple[Rule, str]:
    """How both architectures are valued, alike; and why not by their valleys."""
    for data, noise in zip(pair, noises):
        why = no_valley(data, noise)
        if why:
            whole = all(one.present.all() and one.present.shape[1] > 1 for one in pair)
            return ("other seeds" if whole else "best"), why
    return "valley", ""


def budget_points(data: Repeats, target: Array, selection: Array, rule: Rule) -> Array:
    """Log of the loss at each budget, `[draws, budgets]`.

    Args:
        data: the configurations.
        target: logs, `[draws, configurations, seeds]`.
        selection: what the choice goes by, as `target`.
        rule: see `SAID`.
    """
    if rule == "valley":
        return _valley(data, target, selection)
    values, chosen_by = np.where(data.present, target, 0.0), np.where(data.present, selection, 0.0)
    if rule == "best":
        count = data.present.sum(axis=1)
        return _chosen(data, values.sum(axis=2) / count, chosen_by.sum(axis=2) / count)
    total = chosen_by.sum(axis=2)
    seeds = range(target.shape[2])
    parts = [_chosen(data, target[..., s], total - chosen_by[..., s]) for s in seeds]
    return np.asarray(np.mean(parts, axis=0))


def _valley(data: Repeats, target: Array, selection: Array) -> Array:
    """The test loss at the size that is best by validation."""
    grid = Grid(data.size, data.budget)
    same = target is selection
    loss = np.exp(_means(target, data.present))
    choice = loss if same else np.exp(_means(selection, data.present))
    curves = exponentials(grid, loss, window(grid, loss))
    by = curves if same else exponentials(grid, choice, window(grid, choice))
    inside = np.clip(by.place, grid.edges[:, 0], grid.edges[:, 1])
    return np.asarray(np.log(at_minimum(curves, inside)))


def _chosen(data: Repeats, values: Array, chosen_by: Array) -> Array:
    columns = []
    for k in range(len(data.budgets)):
        here = np.flatnonzero(data.budget == k)
        best = chosen_by[:, here].argmin(axis=1)
        columns.append(values[np.arange(len(values)), here[best]])
    return np.stack(columns, axis=1)


def _means(logs: Array, present: np.ndarray) -> Array:
    """Mean over the seeds that are there, `[draws, configurations]`."""
    return np.asarray(np.where(present, logs, 0.0).sum(axis=2) / present.sum(axis=1))
