"""Whether two architectures had equally many tries, and what comes out if they had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from scaling.analysis.configurations import configuration_numbers
from scaling.analysis.law import FitError
from scaling.analysis.pairing import Paired

UNEQUAL = 1.5
"""Numbers of configurations that differ by more than this factor call for the smaller one in both."""
SUBSAMPLES = 10
NO_BUDGET = float("nan")
"""Stands for the whole table where it has no budgets."""


@dataclass(frozen=True)
class Tries:
    """Configurations per budget of two architectures."""

    budgets: tuple[float, ...]
    baseline: tuple[int, ...]
    candidate: tuple[int, ...]

    @property
    def ratio(self) -> float:
        """The larger over the smaller mean number per budget."""
        means = [float(np.mean([n for n in side if n])) for side in (self.baseline, self.candidate)]
        return max(means) / min(means)

    @property
    def unequal(self) -> bool:
        return self.ratio > UNEQUAL

    def sentence(self, names: tuple[str, str]) -> str:
        """The numbers in words."""
        told = [
            f"{name} {_span([n for n in side if n])}"
            for name, side in zip(names, (self.baseline, self.candidate))
        ]
        return f"configurations per budget: {', '.join(told)}"


def tries(baseline: pd.DataFrame, candidate: pd.DataFrame) -> Tries:
    """Count the configurations of each budget; one number for all where the table has no budgets."""
    sides = [_counted(runs) for runs in (baseline, candidate)]
    budgets = sorted({*sides[0], *sides[1]})
    columns = [tuple(side.get(budget, 0) for budget in budgets) for side in sides]
    return Tries(tuple(budgets), columns[0], columns[1])


def equalised(
    baseline: pd.DataFrame,
    candidate: pd.DataFrame,
    compared: Callable[[pd.DataFrame, pd.DataFrame, int], Paired],
    *,
    seed: int = 0,
) -> Paired:
    """The two fits with as many configurations per budget of one as of the other.

    Of the larger one as many as the smaller one has are chosen at random, several times; the draws
    of all choices are put together, and the middle one by its ratio of losses gives the value.

    Args:
        baseline, candidate: usable runs of one architecture each.
        compared: makes the paired fits of such tables, given the number of the choice.
        seed: of the choices.

    Raises:
        FitError: no choice could be fitted.
    """
    rng = np.random.default_rng(seed)
    counted = tries(baseline, candidate)
    few = [
        round(float(np.mean([n for n in s if n]))) for s in (counted.baseline, counted.candidate)
    ]
    found, error = list[Paired](), ""
    for number in range(SUBSAMPLES):
        sides = [_few(runs, min(few), rng) for runs in (baseline, candidate)]
        try:
            found.append(compared(sides[0], sides[1], number))
        except FitError as failed:
            error = str(failed)
    if not found:
        raise FitError(f"no choice of equally many configurations can be fitted: {error}")
    # An average of laws' parameters would be no law of any points.
    middle = found[int(np.argsort([_gap(one) for one in found])[len(found) // 2])]
    fits = [
        replace(
            getattr(middle, side),
            draws={
                name: np.concatenate([np.asarray(getattr(one, side).draws[name]) for one in found])
                for name in getattr(middle, side).params
            },
        )
        for side in ("baseline", "candidate")
    ]
    return replace(middle, baseline=fits[0], candidate=fits[1])


def _gap(pair: Paired) -> float:
    """Ratio of the losses at the largest common compute."""
    top = min(fit.measured["compute"][1] for fit in (pair.baseline, pair.candidate))
    here = {"compute": np.array([top])}
    return float(pair.baseline.predict(here)[0] / pair.candidate.predict(here)[0])


def _few(runs: pd.DataFrame, most: int, rng: np.random.Generator) -> pd.DataFrame:
    """Runs of at most so many configurations of each budget."""
    number = configuration_numbers(runs)
    budget = runs["budget"].to_numpy() if _has_budgets(runs) else np.zeros(len(runs))
    chosen = [rng.permutation(np.unique(number[budget == one]))[:most] for one in np.unique(budget)]
    return runs[np.isin(number, np.concatenate(chosen))]


def _has_budgets(runs: pd.DataFrame) -> bool:
    return "budget" in runs.columns and bool(runs["budget"].notna().all())


def _counted(runs: pd.DataFrame) -> dict[float, int]:
    number = configuration_numbers(runs)
    if not _has_budgets(runs):
        return {NO_BUDGET: len(np.unique(number))}
    budget = runs["budget"].to_numpy(dtype=np.float64)
    return {float(one): len(np.unique(number[budget == one])) for one in np.unique(budget)}


def _span(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"
