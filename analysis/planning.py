"""Which runs to make next: those that shrink an uncertainty most per FLOP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd

from scaling.analysis.cells import cells, fitted_rows, noise
from scaling.analysis.distributions import t_quantile
from scaling.analysis.extrapolation import has_compute
from scaling.analysis.findings import Analysis, Group
from scaling.analysis.goals import GOALS, Goal, Target, loss_at, targets
from scaling.analysis.law import Array
from scaling.analysis.proposal import Proposal
from scaling.analysis.result import Interval

MOST_RUNS = 200
"""Runs of one proposal."""
MOST_REPEATS = 4
"""New runs of one cell: no law is so exact that a single place would do."""
WORTH = 1e-4
"""A run that shrinks the goal's variance by less than this share isn't proposed."""


@dataclass(frozen=True)
class _Design:
    """One group's information: existing configurations, then cells that are new."""

    gradient: Array
    """d ln L / d theta, `[rows, parameters]`."""
    runs: Array
    """Runs of each row, 0 for a new one, `[rows]`."""
    inside: np.ndarray
    dof: int
    misfit: float
    between: float
    averaged: bool
    """Whether a new run of a known row leaves the degrees of freedom as they are."""

    def weight(self, runs: Array) -> Array:
        """Information of a row's mean over so many runs, `[rows]`."""
        variance = self.misfit + self.between / np.maximum(runs, 1.0)
        # Rows without any scatter would be known exactly.
        return np.where(runs > 0, 1.0 / np.maximum(variance, 1e-18), 0.0)

    def covariance(self, runs: Array, also: np.ndarray) -> Array:
        """Of the parameters, for so many runs of each row and one more of a row of `also`.

        Args:
            runs: `[rows]`.
            also: rows, `[batch]`; -1 for no further run.

        Returns:
            `[batch, parameters, parameters]`.
        """
        weight = self.weight(runs)
        gain = np.where(also >= 0, (self.weight(runs + 1.0) - weight)[also], 0.0)
        there = self.gradient[also]
        matrix = (self.gradient * weight[:, None]).T @ self.gradient
        matrices = matrix + gain[:, None, None] * there[:, :, None] * there[:, None, :]
        diagonal = np.einsum("bpp->bp", matrices)
        scale = np.where(self.inside, 1.0 / np.sqrt(np.maximum(diagonal, 1e-300)), 0.0)
        pair = scale[:, :, None] * scale[:, None, :]
        return np.asarray(np.linalg.pinv(matrices * pair, rcond=1e-13, hermitian=True) * pair)

    def quantile(self, runs: Array, also: np.ndarray, level: float) -> Array:
        """Student's t at the degrees of freedom that the runs leave, `[batch]`."""
        if self.averaged:  # a further seed of a known row is no further point
            more = ((runs > 0) & (self.runs == 0)).sum() + ((also >= 0) & (runs[also] == 0))
        else:
            more = (runs - self.runs).sum() + (also >= 0)
        return np.asarray(t_quantile(0.5 + level / 2, self.dof + more))


def propose(
    analysis: Analysis,
    *,
    goal: Goal = "exponent",
    allowance: float,
    at: float | None = None,
) -> Proposal:
    """The runs that shrink a goal's interval most per FLOP, within an allowance.

    Sequential optimal design: each candidate run adds its row's information to the linearised
    covariance of the parameters, and the run whose interval shrinks most per FLOP is taken, until
    the allowance is spent; the same is done without dividing by FLOPs, and the better of the two
    sets is proposed. (Greedy by ratio alone may spend everything on small runs; with the other, at
    least a constant share of the best set's gain is reached: Khuller, Moss and Naor 1999.) The
    degrees of freedom that new runs bring count too. `cells.cells` says which runs are candidates.

    Args:
        analysis: of the runs so far; groups without a fit take no part, and are noted.
        goal: `exponent` (all exponents of the law), `crossing` (the compute at which the curves of
            two groups meet) or `loss` (at `at`).
        allowance: training FLOPs to spend.
        at: where the loss is predicted, and the compute of the goal `loss`; by default 10 times
            the largest measured.

    Raises:
        ValueError: an unknown goal, an allowance that isn't positive or pays for no run, no group
            with a fit that has a spare row, or curves that don't cross.
    """
    if goal not in get_args(Goal):
        raise ValueError(f"unknown goal {goal!r}; valid: {', '.join(GOALS)}")
    if not (np.isfinite(allowance) and allowance > 0):
        raise ValueError(f"the allowance must be a positive number of FLOPs, got {allowance!r}")
    groups = {n: g for n, g in analysis.groups.items() if g.fit is not None and g.fit.dof > 0}
    notes = [f"{name} takes no part: {_why(g)}" for name, g in analysis.groups.items()
             if name not in groups]  # fmt: skip
    if not groups:
        raise ValueError(f"no group has a fit with a spare row: {'; '.join(notes)}")
    far = tuple(
        loss_at(group, name, at, analysis.level)
        for name, group in groups.items()
        if has_compute(analysis.law)
    )
    wanted = far if goal == "loss" else targets(analysis, groups, goal=goal)
    if not wanted:
        what = "loss at a compute" if goal == "loss" else "free exponent"
        raise ValueError(f"law {analysis.law.name!r} has no {what} to make surer")
    table = _candidates(analysis, groups, allowance)
    if not len(table):
        raise ValueError(
            f"{allowance:.3g} FLOPs pay for no run: the smallest measured takes "
            f"{min(float(g.runs['compute'].min()) for g in groups.values()):.3g}"
        )
    designs, table = _designs(analysis, groups, table)
    today = _half_widths(designs, table, wanted, [], analysis.level)

    def remaining(taken: Sequence[int], also: np.ndarray | None = None) -> Array:
        """Sum over targets of the squared half-width, in units of today's; `[1]` or `[also]`."""
        widths = _half_widths(designs, table, wanted, taken, analysis.level, also)
        return np.asarray((widths / today).sum(axis=0))

    cost = table["compute"].to_numpy(dtype=np.float64)
    chosen = min(
        (_greedy(remaining, cost, allowance, by_cost) for by_cost in (1, 0)),
        key=lambda picks: remaining(picks)[0],
    )
    after = _expected(designs, table, wanted, chosen, analysis.level)
    then = _expected(designs, table, far, chosen, analysis.level)
    return Proposal(
        goal, analysis.level, allowance, _listed(table, chosen), wanted, after,
        tuple(zip(far, then)), tuple(notes),
    )  # fmt: skip


def _why(group: Group) -> str:
    return group.error or "as many free parameters as rows"


def _candidates(analysis: Analysis, groups: Mapping[str, Group], allowance: float) -> pd.DataFrame:
    parts = [
        cells(group, analysis.law, allowance=allowance).assign(group=name)
        for name, group in groups.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _designs(
    analysis: Analysis, groups: Mapping[str, Group], table: pd.DataFrame
) -> tuple[dict[str, _Design], pd.DataFrame]:
    """Designs by group; in the table, `row` of a new cell becomes its row in the design."""
    designs = {}
    rows = table["row"].to_numpy(copy=True)
    variables = list(analysis.law.variables)
    for name, group in groups.items():
        fit = group.fit
        assert fit is not None
        known = fitted_rows(group, analysis.law)
        new = np.flatnonzero((table["group"] == name).to_numpy() & (rows < 0))
        rows[new] = len(known) + np.arange(len(new))
        values = np.concatenate(
            [known[variables].to_numpy(dtype=np.float64),
             table.iloc[new][variables].to_numpy(dtype=np.float64)]
        )  # fmt: skip
        x = np.log(values) - fit.problem.centre
        _, gradient = analysis.law.evaluate(x[None], fit.problem.theta[None])
        misfit, between = noise(group)
        designs[name] = _Design(
            gradient[0],
            np.concatenate([known["num_seeds"].to_numpy(dtype=np.float64), np.zeros(len(new))]),
            np.diag(fit.problem.cov) > 0, fit.dof, misfit, between, group.frontier is not None,
        )  # fmt: skip
    return designs, table.assign(row=rows)


def _greedy(
    remaining: Callable[..., Array], cost: Array, allowance: float, by_cost: int
) -> list[int]:
    taken: list[int] = []
    left = allowance
    now = remaining([])[0]
    while len(taken) < MOST_RUNS:
        times = np.bincount(np.array(taken, dtype=int), minlength=len(cost))
        affordable = np.flatnonzero((cost <= left) & (times < MOST_REPEATS))
        if not affordable.size:
            break
        then = remaining(taken, affordable)
        gain = np.log(now) - np.log(then)
        best = int(np.argmax(gain / cost[affordable] ** by_cost))
        if gain.max() < WORTH:
            break
        taken.append(int(affordable[best]))
        left -= cost[affordable[best]]
        now = float(then[best])
    return taken


def _half_widths(
    designs: Mapping[str, _Design],
    table: pd.DataFrame,
    wanted: Sequence[Target],
    taken: Sequence[int],
    level: float,
    also: np.ndarray | None = None,
) -> Array:
    """Squared half-widths `[targets, 1]`, or `[targets, also]` with one more run each."""
    groups, rows = table["group"].to_numpy(), table["row"].to_numpy()
    size = 1 if also is None else len(also)
    total = np.zeros((len(wanted), size))
    for name, design in designs.items():
        runs = design.runs.copy()
        for cell in taken:
            if groups[cell] == name:
                runs[rows[cell]] += 1
        further = np.full(size, -1)
        if also is not None:
            mine = groups[also] == name
            further[mine] = rows[also[mine]]
        covariance = design.covariance(runs, further)
        quantile = design.quantile(runs, further, level)
        for k, target in enumerate(wanted):
            if name in target.gradients:
                c = target.gradients[name]
                total[k] += quantile**2 * np.einsum("p,bpq,q->b", c, covariance, c)
    return total


def _expected(
    designs: Mapping[str, _Design],
    table: pd.DataFrame,
    wanted: Sequence[Target],
    taken: Sequence[int],
    level: float,
) -> tuple[Interval, ...]:
    today = _half_widths(designs, table, wanted, [], level)[:, 0]
    then = _half_widths(designs, table, wanted, taken, level)[:, 0]
    ratios = np.sqrt(then / np.maximum(today, 1e-300))
    return tuple(target.shrunk(float(ratio)) for target, ratio in zip(wanted, ratios))


def _listed(table: pd.DataFrame, taken: Sequence[int]) -> pd.DataFrame:
    """The chosen cells as runs, with the seeds that come next."""
    times: dict[int, int] = {}
    seeds = []
    for cell in taken:
        seeds.append(int(table["next_seed"].iloc[cell]) + times.get(cell, 0))
        times[cell] = times.get(cell, 0) + 1
    return table.iloc[list(taken)].assign(seed=seeds).reset_index(drop=True)
