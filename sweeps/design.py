"""Designs: which models meet which budgets."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from scaling.batch import Schema
from scaling.datasets.base import DatasetConfig
from scaling.models.base import ModelConfig
from scaling.sweeps.base import Sweep
from scaling.sweeps.recipe import RECIPE, Recipe
from scaling.sweeps.references import reference_trials, trained
from scaling.trial import TrialConfig


def variants(template: ModelConfig, **axes: Sequence[int]) -> list[ModelConfig]:
    """The template at every combination of axis values (`depth`, `width`, `seq_len`, `blocks`).

    Raises:
        ValueError: an unknown axis, an axis without values, or a combination that the architecture
            refuses; the axis values are named.
    """
    for axis, values in axes.items():
        if not values:
            raise ValueError(f"{template.name}: axis {axis} has no values")
    found = []
    for values in itertools.product(*axes.values()):
        point = dict(zip(axes, values))
        try:
            model = template.scaled(**point)
            model.views()  # lengths that do not fit show here
        except ValueError as error:
            named = ", ".join(f"{axis}={value}" for axis, value in point.items())
            raise ValueError(f"{template.name} can't have {named}: {error}") from error
        found.append(model)
    return found


def grid(
    title: str,
    *,
    models: Sequence[ModelConfig],
    dataset: DatasetConfig,
    budgets: Sequence[float],
    seeds: Sequence[int],
    recipe: Recipe = RECIPE,
) -> Sweep:
    """Every model at every budget with every seed; a reference once."""
    _check(title, models=models, budgets=budgets, seeds=seeds)
    pairs = list(itertools.product(trained(models), budgets))
    counted = reference_trials(models, dataset)
    return Sweep(title=title, trials=(*_trials(pairs, dataset, seeds, recipe), *counted))


def isoflop(
    title: str,
    *,
    ladders: Sequence[Sequence[ModelConfig]],
    dataset: DatasetConfig,
    budgets: Sequence[float],
    sizes_per_budget: int,
    seeds: Sequence[int],
    recipe: Recipe = RECIPE,
) -> Sweep:
    """IsoFLOP valleys: at each budget, neighbouring sizes of each ladder, larger ones for larger.

    The window of `sizes_per_budget` models slides from the foot of a ladder at the smallest budget
    to its top at the largest, in even steps over the budgets' ranks: the optimum grows with the
    budget, and a large model on a small budget would see too few steps to say anything.

    Args:
        title: the sweep's title.
        ladders: for each architecture, its models; ranked by FLOPs per request at full lengths.
            A reference has no size: it is run once, at no budget.
        dataset: what all are trained on.
        budgets: training FLOPs.
        sizes_per_budget: models per valley; at least 3 make a valley with two walls.
        seeds: every trial is run with each.
        recipe: how they are trained.
    """
    _check(title, ladders=ladders, budgets=budgets, seeds=seeds)
    ranked = sorted(set(budgets))
    pairs = []
    schema = dataset.open().schema
    for unranked in ladders:
        sized = trained(unranked)
        if unranked and not sized:
            continue
        ladder = sorted(sized, key=lambda model: _flops_per_request(model, schema))
        if not 1 <= sizes_per_budget <= len(ladder):
            name = ladder[0].name if ladder else "an empty ladder"
            raise ValueError(
                f"sweep {title!r}: sizes_per_budget must be 1 to {len(ladder)}, the sizes of "
                f"{name}, got {sizes_per_budget}"
            )
        room = len(ladder) - sizes_per_budget
        for rank, budget in enumerate(ranked):
            first = round(room * rank / max(len(ranked) - 1, 1))
            pairs += [(model, budget) for model in ladder[first : first + sizes_per_budget]]
    counted = reference_trials(itertools.chain.from_iterable(ladders), dataset)
    return Sweep(title=title, trials=(*_trials(pairs, dataset, seeds, recipe), *counted))


def _flops_per_request(model: ModelConfig, schema: Schema) -> float:
    """Forward FLOPs at full lengths and with as many candidates as the data set ever has."""
    lengths = np.array([[view.length for view in model.views()]])
    return float(model.flops(schema, lengths, np.array([schema.max_candidates])).total[0])


def _trials(
    pairs: Sequence[tuple[ModelConfig, float]],
    dataset: DatasetConfig,
    seeds: Sequence[int],
    recipe: Recipe,
) -> tuple[TrialConfig, ...]:
    return tuple(
        TrialConfig(
            model=model,
            dataset=dataset,
            training=recipe.training_for(model),
            budget=float(budget),
            seed=seed,
        )
        for (model, budget), seed in itertools.product(pairs, seeds)
    )


def _check(title: str, **axes: Sequence[object]) -> None:
    for axis, values in axes.items():
        if not values:
            raise ValueError(f"sweep {title!r}: {axis} must hold at least one value")
