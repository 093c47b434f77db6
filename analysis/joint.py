"""Several groups fitted at once, with some parameters in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from scaling.analysis.diagnosis import diagnosed, with_interval_warnings
from scaling.analysis.distributions import t_quantile
from scaling.analysis.fitting import (
    Objective,
    check_given,
    covariance,
    described,
    objective_name,
    row_loss,
)
from scaling.analysis.law import Array, FitError, Law, law_of
from scaling.analysis.multistart import best_of, spread
from scaling.analysis.result import Fit, Interval, Problem, number
from scaling.analysis.rows import Rows, read_rows, refuse_hopeless, refuse_wrong_way, tied
from scaling.units import plain


@dataclass(frozen=True, repr=False)
class JointFit:
    """One law fitted to several groups with shared parameters; made by `fit_joint`."""

    law: Law
    target: str
    shared: dict[str, float]
    """The parameters that all groups have in common, raw units."""
    groups: dict[str, Fit]
    """By name: parameters, errors and predictions of each group. Errors come from the joint
    covariance, so a shared parameter is as sure as all runs together make it."""
    cov: pd.DataFrame
    """Of the raw parameters of all groups, both axes (group, parameter)."""
    n: int
    """Rows of all groups."""
    dof: int
    """Rows less free parameters, shared ones counted once."""
    objective: float
    """Summed over all rows."""
    starts: int
    starts_at_optimum: float
    scatter: float
    """Residual standard deviation of ln(target), taken to be the same in all groups."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={number(value)}" for name, value in self.shared.items())
        return f"JointFit({self.law.name}: {shown} shared by {', '.join(self.groups)}; n={self.n})"

    def difference(
        self, parameter: str, candidate: str, baseline: str, level: float = 0.95
    ) -> tuple[float, Interval]:
        """The candidate's parameter less the baseline's, with its t-based delta interval.

        What the two groups' errors have in common through the shared parameters cancels.

        Raises:
            ValueError: a group or a parameter that isn't there.
        """
        for name in (candidate, baseline):
            if name not in self.groups:
                raise ValueError(f"no group {name!r}; valid: {', '.join(self.groups)}")
        if parameter not in self.law.parameters:
            valid = ", ".join(self.law.parameters)
            raise ValueError(
                f"law {self.law.name!r} has no parameter {parameter!r}; valid: {valid}"
            )
        value = self.groups[candidate].params[parameter] - self.groups[baseline].params[parameter]
        pair = [(candidate, parameter), (baseline, parameter)]
        ((mine, both), (_, theirs)) = self.cov.loc[pair, pair].to_numpy()
        t = t_quantile(0.5 + level / 2, self.dof) if self.dof > 0 else np.nan
        half = float(t * np.sqrt(max(mine + theirs - 2 * both, 0.0)))
        if np.isnan(mine + theirs + both):
            half = float("nan")
        return value, (value - half, value + half)

    def to_dict(self, level: float = 0.95) -> dict[str, Any]:
        """For JSON: the shared parameters, then every group as in `climber fit --json`."""
        first = next(iter(self.groups.values()))
        intervals = first.interval(level)
        out: dict[str, Any] = plain(
            {
                "law": self.law.name,
                "target": self.target,
                "level": level,
                "shared": {
                    name: {"value": value, "interval": list(intervals[name])}
                    for name, value in self.shared.items()
                },
                "n": self.n,
                "objective": self.objective,
                "starts": self.starts,
                "starts_at_optimum": self.starts_at_optimum,
                "groups": {name: fit.to_dict(level) for name, fit in self.groups.items()},
            }
        )
        return out


def fit_joint(
    law: str | Law,
    runs: pd.DataFrame,
    *,
    by: str = "architecture",
    shared: Sequence[str] = ("E",),
    target: str = "loss",
    objective: Objective = "huber",
    huber_delta: float = 1e-3,
    fixed: Mapping[str, float] | None = None,
    starts: int = 24,
    seed: int = 0,
) -> JointFit:
    """Fit `law` to every group of `runs` at once; the groups have the parameters `shared` in common.

    On one data set the floor E is a property of the data, not of the architecture: sharing it lets
    every architecture's runs speak about it, and exponents become comparable. Whether a parameter
    can be shared is an assumption: compare the objective with that of separate fits.

    Args:
        law: a registered law's name, or a law.
        runs: as for `fit`, with the column `by`.
        by: the column that names the groups.
        shared: parameters that all groups have in common; the others are each group's own.
        target, objective, huber_delta, fixed, starts, seed: as for `fit`.

    Raises:
        FitError: as for `fit`, group by group; fewer than two groups; a row without a group.
        ValueError: an unknown law, objective or parameter; a parameter both shared and given;
            nothing shared, or everything.
    """
    law = law_of(law)
    given = check_given(law, fixed or {})
    common = _check_shared(law, shared, given)
    loss = row_loss(objective, huber_delta)
    parts = _parts(law, runs, by, target, {**given, **dict.fromkeys(common, np.nan)})
    logs = np.concatenate([rows.logs for rows in parts.values()])
    log_values = np.log(np.concatenate([rows.values for rows in parts.values()]))
    # A shared parameter must be one working coordinate of all groups, as a given one.
    centre = law.centre(logs, {**given, **dict.fromkeys(common, np.nan)})
    stacked = _Stacked.of(law, (*given, *common), len(parts))
    number_of = np.repeat(np.arange(len(parts)), [len(rows.values) for rows in parts.values()])
    x = np.column_stack([logs - centre, number_of])
    own = np.array([float(name not in given) for name in law.parameters])
    free = stacked.joined([own] * len(parts)) > 0
    dof = len(x) - int(free.sum())
    if dof < 0:
        raise FitError(
            f"{len(x)} rows can't determine the {free.sum()} free parameters of all groups"
        )

    each = [(rows.logs - centre, rows.values) for rows in parts.values()]
    ends = [law.bounds(*pair) for pair in each]
    lower = stacked.joined([low for low, _ in ends], np.min)
    upper = stacked.joined([high for _, high in ends], np.max)
    rng = np.random.default_rng(seed)
    tries = [law.starts(a[spread(len(a))], b[spread(len(a))], starts, rng) for a, b in each]
    theta = stacked.joined(tries)
    if given:
        filled = np.array([{**law.example, **given}[name] for name in law.parameters])
        theta[:, ~free] = stacked.joined([law.to_working(filled, centre)] * len(parts))[~free]
    best = best_of(
        stacked.evaluate, theta, x, log_values, lower=lower, upper=upper, free=free, loss=loss
    )
    predicted, gradient = stacked.evaluate(x[None], best.theta[None])
    residual = log_values - predicted[0]
    at_bound = (best.theta <= lower) | (best.theta >= upper)
    cov, scatter = covariance(gradient[0], residual, free & ~at_bound, dof, loss)

    groups = {}
    for g, (name, rows) in enumerate(parts.items()):
        places = stacked.places[g]
        problem = Problem(
            best.theta[places], centre, free[places], lower[places], upper[places], loss,
            cov[np.ix_(places, places)],
        )  # fmt: skip
        part = float(loss.value(residual[number_of == g]).sum())
        found = described(
            law, rows, given, replace(best, objective=part), problem,
            dof=dof, scatter=scatter, objective=objective_name(loss),
        )  # fmt: skip
        bound = [p for p, k in zip(law.parameters, places) if free[k] and at_bound[k]]
        groups[name] = with_interval_warnings(
            diagnosed(found, settled=best.settled, bound=bound, tied=tied(rows.logs))
        )
    first = next(iter(groups.values()))
    return JointFit(
        law, target, {name: first.params[name] for name in common}, groups,
        _raw_covariance(law, groups, stacked, centre, best.theta, cov, free),
        len(x), dof, best.objective, best.starts, best.starts_at_optimum, scatter,
    )  # fmt: skip


@dataclass(frozen=True)
class _Stacked:
    """The groups' laws as one, over one vector of working parameters: common ones, then own ones."""

    law: Law
    places: list[np.ndarray]
    """Per group: where each of its parameters stands in the vector."""
    size: int

    @classmethod
    def of(cls, law: Law, common: Sequence[str], groups: int) -> _Stacked:
        first = {name: place for place, name in enumerate(common)}
        own = [name for name in law.parameters if name not in first]
        places = []
        for g in range(groups):
            mine = {name: len(first) + g * len(own) + k for k, name in enumerate(own)}
            places.append(np.array([{**first, **mine}[name] for name in law.parameters]))
        return cls(law, places, len(first) + groups * len(own))

    def joined(self, parts: Sequence[Array], agree: Any = np.mean) -> Array:
        """One vector `[..., size]` from each group's `[..., parameters]`; `agree` where they meet."""
        out = np.empty((*np.shape(parts[0])[:-1], self.size))
        for place in range(self.size):
            meet = [
                np.asarray(part)[..., int(np.flatnonzero(mine == place)[0])]
                for part, mine in zip(parts, self.places)
                if place in mine
            ]
            out[..., place] = agree(meet, axis=0)
        return out

    def evaluate(self, x: Array, theta: Array) -> tuple[Array, Array]:
        """As `Law.evaluate`; the last variable is the number of the row's group."""
        batch, rows = theta.shape[0], x.shape[1]
        value, gradient = np.empty((batch, rows)), np.zeros((batch, self.size, rows))
        for g, places in enumerate(self.places):
            here = np.flatnonzero(x[0, :, -1] == g)
            value[:, here], slope = self.law.evaluate(x[:, here, :-1], theta[:, places])
            gradient[:, places[:, None], here] = np.swapaxes(slope, 1, 2)
        return value, np.swapaxes(gradient, 1, 2)


def _check_shared(law: Law, shared: Sequence[str], given: Mapping[str, float]) -> tuple[str, ...]:
    for name in shared:
        if name not in law.parameters:
            valid = ", ".join(law.parameters)
            raise ValueError(f"law {law.name!r} has no parameter {name!r} to share; valid: {valid}")
        if name in given:
            raise ValueError(f"parameter {name!r} is given: it can't be shared as well")
    if not shared:
        raise ValueError("nothing is shared: fit the groups one by one")
    if len({*shared, *given}) == len(law.parameters):
        raise ValueError("everything is shared: fit all runs as one group")
    return tuple(name for name in law.parameters if name in shared)


def _parts(
    law: Law, runs: pd.DataFrame, by: str, target: str, settled: Mapping[str, float]
) -> dict[str, Rows]:
    """The rows of each group, by name in order; `settled` isn't the group's own to determine."""
    if by not in runs.columns:
        raise FitError(
            f"the table has no column {by!r} to group by; it has: {', '.join(map(str, runs.columns))}"
        )
    nameless = runs.index[runs[by].isna()]
    if len(nameless):
        raise FitError(f"{by} is missing in row {', '.join(map(str, nameless[:8]))}")
    names = runs[by].astype(str)
    if names.nunique() < 2:
        raise FitError(
            f"a joint fit needs two groups or more; {by} has: {', '.join(names.unique())}"
        )
    parts = {}
    for name, part in runs.groupby(names, sort=True):
        try:
            parts[str(name)] = rows = read_rows(law, part, target)
            refuse_hopeless(law, rows, settled)
            refuse_wrong_way(law, rows)
        except FitError as error:
            raise FitError(f"{by} {name}: {error}") from None
    return parts


def _raw_covariance(
    law: Law,
    groups: Mapping[str, Fit],
    stacked: _Stacked,
    centre: Array,
    theta: Array,
    cov: Array,
    free: np.ndarray,
) -> pd.DataFrame:
    """Covariance of every group's raw parameters, NaN where the data say nothing."""
    slope = np.zeros((len(groups) * len(law.parameters), stacked.size))
    for g, places in enumerate(stacked.places):
        block = slice(g * len(law.parameters), (g + 1) * len(law.parameters))
        slope[block, places] = law.raw_gradient(theta[places], centre)
    raw = slope @ cov @ slope.T
    unknown = (np.abs(slope) > 0) @ (free & (np.diag(cov) == 0))
    raw[unknown, :] = raw[:, unknown] = np.nan
    index = pd.MultiIndex.from_product([groups, law.parameters], names=["group", "parameter"])
    return pd.DataFrame(raw, index=index, columns=index)
