"""How sure a fit is: the whole way from configurations to parameters, repeated on resampled ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from scaling.analysis.diagnosis import with_interval_warnings
from scaling.analysis.frontier import Frontier
from scaling.analysis.law import Array, FitError
from scaling.analysis.result import Fit
from scaling.analysis.solver import minimise

CONTENDERS = 2.0
"""A configuration so many standard deviations of a difference behind the best is no contender."""
TRIES = 20
"""How often draws are made again in place of those that can't be fitted."""


@dataclass(frozen=True)
class Points:
    """What is fitted in each draw: logs of the variables and of the target, and weights."""

    logs: Array
    """`[draws or 1, points, variables]`"""
    log_target: Array
    """`[draws or 1, points]`"""
    weight: Array
    """`[draws, points]`; 0 for a point that the draw lacks."""


class Sample(Protocol):
    """Configurations that can be drawn with replacement, all seeds of one together."""

    def strata(self, scatter: float) -> np.ndarray:
        """Number of each configuration's stratum: as many are drawn from each as it has.

        `scatter` is the relative standard deviation of a point about the law.
        """

    @property
    def varies(self) -> bool:
        """Whether a draw's weights alone carry the scatter of the points about the law."""

    def points(self, counts: np.ndarray) -> Points:
        """The points of each draw; `counts` is `[draws, configurations]`."""


@dataclass(frozen=True)
class FrontierSample:
    """The frontier of the configurations in a draw: the selection is part of what is repeated.

    Shared budgets are strata: they belong to the design, and each keeps its point in every draw.
    Within a budget only contenders are drawn, those that noise may have put behind the best.
    Without them a draw would tell how bad the second-best size is: at sizes a factor of 4 apart and
    noise of 0.1 %, an architecture that needs half the compute came out as not decided.
    """

    frontier: Frontier
    varies: bool = False

    def strata(self, scatter: float) -> np.ndarray:
        candidates = self.frontier.candidates
        if candidates.budget is None:
            return np.zeros(self.frontier.num_configurations, dtype=np.int64)
        strata = np.unique(candidates.budget, return_inverse=True)[1]
        logs = np.log(candidates.selection)
        best = np.full(strata.max() + 1, np.inf)
        np.minimum.at(best, strata, logs)
        behind = logs - best[strata] > CONTENDERS * np.sqrt(2.0) * np.nan_to_num(scatter)
        strata[behind] = best.size + np.arange(behind.sum())  # each its own: never the best anyway
        return strata

    def points(self, counts: np.ndarray) -> Points:
        chosen = self.frontier.resample(counts)
        return Points(
            np.log(chosen.compute)[..., None],
            np.log(chosen.target),
            chosen.present.astype(np.float64),
        )


@dataclass(frozen=True)
class RowSample:
    """All rows, for laws in parameters and examples; rows of one configuration come together."""

    logs: Array
    """`[rows, variables]`"""
    log_target: Array
    """`[rows]`"""
    configuration: np.ndarray
    """Number of each row's configuration, from 0, `[rows]`."""
    varies: bool = True

    def strata(self, scatter: float) -> np.ndarray:
        return np.zeros(int(self.configuration.max()) + 1, dtype=np.int64)

    def points(self, counts: np.ndarray) -> Points:
        weight = counts[:, self.configuration].astype(np.float64)
        return Points(self.logs[None], self.log_target[None], weight)


def bootstrapped(
    fit: Fit,
    sample: Sample,
    *,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    diagnose: bool = True,
) -> Fit:
    """The fit with `draws`: its parameters on resampled configurations; intervals follow from them.

    Configurations are drawn with replacement (Efron 1979), the frontier is chosen again, and the
    law is fitted from the optimum. A frontier has few points, often the same ones in most draws, so
    the scatter of its points about the law would go missing: what of it the draws don't show is
    added as noise, with the variance drawn as sigma^2 dof / chi^2. In 60 simulations a cell (5
    budgets, 1 to 12 sizes, noise of 0.1 or 0.3 %) 95 % intervals covered the exponent in 90-98 % of
    cases, the loss at the largest compute in 82-98 %, and two copies of one architecture came out
    different in 0-2 %. The loss is covered worst where sizes hardly matter: the best of several
    equal ones is best by luck, which no resampling of the best undoes.

    Args:
        fit: of the points that `sample` gives when every configuration is drawn once.
        sample: what is drawn from.
        draws: how many; at least 100 for a 95 % interval that means anything.
        seed: of the draws.
        level: of the intervals that the warnings speak of.
        diagnose: whether to renew the warnings, see `fit`.

    Raises:
        FitError: hardly any draw holds as many distinct points as there are free parameters.
    """
    problem = fit.problem
    rng = np.random.default_rng(seed)
    points = _draw(sample, fit, draws, rng)
    x = points.logs - problem.centre
    log_target = np.broadcast_to(points.log_target, points.weight.shape)
    theta = np.repeat(problem.theta[None], len(points.weight), axis=0)
    if not sample.varies and fit.dof > 0:
        predicted, _ = fit.law.evaluate(np.broadcast_to(x, (*log_target.shape, x.shape[-1])), theta)
        shown = _variance(log_target - predicted, points.weight)
        missing = fit.scatter**2 * fit.dof / rng.chisquare(fit.dof, size=len(theta)) - shown
        noise = rng.normal(size=log_target.shape)
        log_target = log_target + np.sqrt(np.maximum(missing, 0.0))[:, None] * noise
    solution = minimise(
        fit.law.evaluate, theta, x, log_target, points.weight,
        lower=problem.lower, upper=problem.upper, free=problem.free, loss=problem.loss,
    )  # fmt: skip
    raw = fit.law.to_raw(solution.theta, problem.centre)
    found = {name: raw[:, k] for k, name in enumerate(fit.law.parameters)} | {
        name: np.full(len(raw), value) for name, value in fit.fixed.items()
    }
    drawn = replace(fit, draws=found)
    return with_interval_warnings(drawn, level) if diagnose else drawn


def _draw(sample: Sample, fit: Fit, draws: int, rng: np.random.Generator) -> Points:
    """Points of so many draws, each with at least as many points as free parameters."""
    strata, needed = sample.strata(fit.scatter), int(fit.problem.free.sum())
    kept: list[np.ndarray] = []
    for _ in range(TRIES):
        counts = np.zeros((draws, strata.size), dtype=np.int64)
        for stratum in np.unique(strata):
            members = np.flatnonzero(strata == stratum)
            share = np.full(members.size, 1.0 / members.size)
            counts[:, members] = rng.multinomial(members.size, share, size=draws)
        enough = (sample.points(counts).weight > 0).sum(axis=1) >= needed
        kept.append(counts[enough])
        if sum(map(len, kept)) >= draws:
            return sample.points(np.concatenate(kept)[:draws])
    raise FitError(
        f"of {TRIES * draws} draws of {strata.size} configurations only {sum(map(len, kept))} hold "
        f"{needed} points: too few configurations for a bootstrap"
    )


def _variance(excess: Array, weight: Array) -> float:
    """Variance between draws of a point's height above the law, averaged over points."""
    mean = (weight * excess).sum(axis=0) / np.maximum(weight.sum(axis=0), 1.0)
    return float((weight * (excess - mean) ** 2).sum() / weight.sum())
