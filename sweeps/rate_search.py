"""A small search of the learning rate for each size of a sweep: ASHA over a few rates.

The search is a sweep of its own, at the smallest budget of each size. Its winners are trials of the
sweep that they were searched for: those are not trained again.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from scaling.models.base import ModelConfig
from scaling.sweeps.base import RateSearch, Sweep
from scaling.sweeps.sizes import rounded
from scaling.sweeps.stopping import Halving
from scaling.trial import TrialConfig

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Times the declared rate."""


@dataclass(frozen=True)
class Search:
    """What is to be searched, before anything runs."""

    declared: Sweep
    sweep: Sweep
    """Every size at every rate; its title is that of the declared one and `-rates`."""
    groups: Mapping[str, str]
    """The size of each trial of `sweep`, both by digest."""

    def rule(self) -> Halving:
        return Halving(self.groups)


def search_of(declared: Sweep, factors: Sequence[float] = FACTORS) -> Search:
    """The search for a declared sweep.

    Raises:
        ValueError: fewer than two factors or one that is not positive, a sweep that compares rates
            itself, or one without a trained model.
    """
    if len(set(factors)) < 2 or not all(0 < factor < math.inf for factor in factors):
        raise ValueError(f"a search needs two or more positive factors, got {tuple(factors)}")
    smallest: dict[ModelConfig, TrialConfig] = {}
    rates: dict[ModelConfig, set[float]] = {}
    for trial in declared.trials:
        if trial.model.role != "trained":
            continue
        rates.setdefault(trial.model, set()).add(trial.training.lr)
        best = smallest.setdefault(trial.model, trial)
        if (trial.budget, trial.seed) < (best.budget, best.seed):
            smallest[trial.model] = trial
    if not smallest:
        raise ValueError(f"sweep {declared.title!r} trains no model: there is no rate to search")
    for model, found in rates.items():
        if len(found) > 1:
            raise ValueError(
                f"sweep {declared.title!r} gives {model.name} d{model.depth} w{model.width} "
                f"{len(found)} learning rates: it compares rates itself, so there is none to search"
            )
    trials, groups = [], {}
    for model, trial in smallest.items():
        # The likely ones first: what is compared with them can be stopped.
        for factor in sorted(set(factors), key=lambda factor: (abs(math.log(factor)), factor)):
            one = _at(trial, rounded(trial.training.lr * factor), len(set(factors)), trial.budget)
            trials.append(one)
            groups[one.digest()] = model.digest()
    sweep = Sweep(title=f"{declared.title}-rates", trials=tuple(trials))
    return Search(declared, sweep, groups)


def searched(search: Search, runs: pd.DataFrame) -> Sweep:
    """The declared sweep at each size's best rate: the one with the smallest validation loss.

    Args:
        search: what was searched.
        runs: the run table of the search, stopped and failed runs included.

    Raises:
        ValueError: a size none of whose rates has finished.
    """
    budgets = {
        search.groups[trial.digest()]: (trial.model, trial.budget) for trial in search.sweep.trials
    }
    count = len(search.sweep.trials) // len(budgets)
    runs = runs.drop_duplicates("digest", keep="last")
    sizes = runs["digest"].map(search.groups)
    found: dict[str, RateSearch] = {}
    for size, (model, budget) in budgets.items():
        mine = runs[sizes == size]
        done = mine[mine["status"] == "finished"].sort_values("validation_loss")
        if done.empty or done["validation_loss"].isna().iloc[0]:
            reasons = "; ".join(
                f"{row['lr']:.3g}: {row['reason'] or row['status']}" for _, row in mine.iterrows()
            )
            raise ValueError(
                f"no learning rate of {model.name} d{model.depth} w{model.width} has finished "
                f"({reasons or 'none was run'}); run the search again"
            )
        found[size] = RateSearch(
            model=f"{model.name} d{model.depth} w{model.width} n{model.seq_len} b{model.blocks}",
            budget=budget,
            rates=tuple(sorted(mine["lr"].astype(float))),
            chosen=float(done["lr"].iloc[0]),
            compute=float(mine["compute"].sum()),
        )
    trials = []
    for trial in search.declared.trials:
        if trial.model.role == "trained":
            one = found[trial.model.digest()]
            trial = _at(trial, one.chosen, count, one.budget)
        trials.append(trial)
    return dataclasses.replace(
        search.declared, trials=tuple(trials), searches=tuple(found.values())
    )


def _at(trial: TrialConfig, rate: float, count: int, budget: float) -> TrialConfig:
    """The trial at a rate; the words are the same for the search and for what uses its result, so
    that one run serves both."""
    rule = f"the best of {count} rates by ASHA at {budget:g} FLOPs"
    training = dataclasses.replace(trial.training, lr=rate, lr_rule=rule)
    return dataclasses.replace(trial, training=training)
