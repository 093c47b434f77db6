"""Noise between seeds told apart from what the law misses; what counts as one piece of news.

Rows of one configuration (its seeds, its checkpoints) share whatever the law gets wrong about it,
so a fit knows the law as well as its configurations tell, not its rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from scaling.analysis.configurations import configuration_numbers
from scaling.analysis.distributions import f_tail
from scaling.analysis.law import Array
from scaling.analysis.profile import Data
from scaling.analysis.result import Fit

UNLIKELY = 0.01
"""Share of right laws for which seeds and scatter are called in disagreement, on either side."""


@dataclass(frozen=True)
class Noise:
    """Two estimates of the relative error of a run, and whether they are one."""

    seeds: float
    """Standard deviation of ln(target) between rows of one configuration at one place: pure error.
    NaN without repeats."""
    seeds_dof: int
    misfit: float
    """The same as configurations' means show it by their distance from the law; larger where the
    law is wrong. NaN without spare configurations."""
    misfit_dof: int

    @property
    def ratio(self) -> float:
        """F = misfit^2 / seeds^2 (lack of fit: Draper and Smith 1998, section 2.1)."""
        if not (np.isfinite(self.misfit) and self.seeds > 0):
            return float("nan")
        return (self.misfit / self.seeds) ** 2

    @property
    def p_value(self) -> float:
        """How rarely a right law, and independent rows, give a ratio this large."""
        return float(f_tail(self.ratio, self.misfit_dof, self.seeds_dof))

    def note(self) -> str:
        """A warning where the two disagree; empty where they don't, or one is missing."""
        p = self.p_value
        if not (p < UNLIKELY or p > 1 - UNLIKELY):  # NaN: nothing to compare
            return ""
        shown = (
            f"seeds differ by {self.seeds:.2%} ({self.seeds_dof} degrees of freedom), configurations "
            f"lie {self.misfit:.2%} about the law ({self.misfit_dof}): "
        )
        if p < UNLIKELY:
            return shown + f"the law misses more than seeds explain (F test, p = {p:.1g})"
        return shown + (
            f"closer than seeds allow (F test, p = {1 - p:.1g}): are the rows of a configuration "
            "independent runs?"
        )


def noise_of(residual: Array, x: Array, configuration: np.ndarray, parameters: int) -> Noise:
    """Pure error and lack of fit of one fit.

    Args:
        residual: ln(target) less the law's, `[rows]`.
        x: logs of the variables, `[rows, variables]`: seeds stand at one place, checkpoints don't.
        configuration: number of each row's configuration, `[rows]`.
        parameters: free ones.
    """
    place = np.unique(np.column_stack([configuration, np.round(x, 9)]), axis=0, return_inverse=True)
    pure, count = _within(residual, place[1].ravel())
    pure_dof = len(residual) - count
    within, groups = _within(residual, configuration)
    dof = groups - parameters
    lack = max(float((residual**2).sum()) - within, 0.0)
    return Noise(
        seeds=float(np.sqrt(pure / pure_dof)) if pure_dof > 0 else float("nan"),
        seeds_dof=pure_dof,
        misfit=float(np.sqrt(lack / dof)) if dof > 0 else float("nan"),
        misfit_dof=max(dof, 0),
    )


def with_rows(fit: Fit, runs: pd.DataFrame) -> Fit:
    """The fit, not diagnosed yet, holding its rows (profile intervals need them), counted right.

    Where configurations have several rows, errors follow from the scatter of the configurations
    about the law and their number less the free parameters. Seeds of a design with as many of them
    everywhere lose nothing by it but degrees of freedom.

    Args:
        fit: of `runs`.
        runs: the table, with its configurations named as `configuration_numbers` reads them.
    """
    names = [*fit.law.variables, fit.target]
    table = runs[names].apply(pd.to_numeric).to_numpy(dtype=np.float64)
    x = np.log(table[:, :-1]) - fit.problem.centre
    log_target = np.log(table[:, -1])
    data = Data(x[None], log_target[None], np.ones((1, len(x))))
    fit = replace(fit, problem=replace(fit.problem, data=data), _known={})
    configuration = np.unique(configuration_numbers(runs), return_inverse=True)[1].ravel()
    count, parameters = int(configuration.max()) + 1, int(fit.problem.free.sum())
    if count == len(x) or fit.dof <= 0:
        return fit
    predicted, _ = fit.law.evaluate(data.x, fit.problem.theta[None])
    noise = noise_of(log_target - predicted[0], x, configuration, parameters)
    notes = [text for text in (noise.note(),) if text]
    if noise.misfit_dof == 0:
        notes.append(
            f"{count} configurations can't say how far the law is off: the intervals take all "
            f"{len(x)} rows for independent"
        )
    else:
        inflation = (noise.misfit / fit.scatter) ** 2 if fit.scatter > 0 else 1.0
        if noise.seeds_dof < len(x) - count:  # checkpoints: the share between them is no error
            inflation = max(inflation, 1.0)
        root = float(np.sqrt(inflation))
        fit = replace(
            fit, dof=noise.misfit_dof, inflation=inflation, cov=fit.cov * inflation,
            stderr={name: error * root for name, error in fit.stderr.items()},
            problem=replace(fit.problem, cov=fit.problem.cov * inflation),
        )  # fmt: skip
    return replace(fit, noise=noise, warnings=(*fit.warnings, *notes))


def _within(residual: Array, group: np.ndarray) -> tuple[float, int]:
    """Sum of squares about the groups' means, and how many groups there are."""
    size = np.bincount(group)
    mean = np.bincount(group, residual) / np.maximum(size, 1)
    return float(((residual - mean[group]) ** 2).sum()), int((size > 0).sum())
