"""A design by data instead of by compute: every model sees the same number of requests."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

from scaling.datasets.base import DatasetConfig
from scaling.models.base import ModelConfig
from scaling.sweeps.base import Sweep
from scaling.sweeps.design import check, trials_of
from scaling.sweeps.recipe import Recipe
from scaling.sweeps.references import reference_trials, trained
from scaling.sweeps.sizes import request_cost, rounded


def same_data(
    title: str,
    *,
    models: Sequence[ModelConfig],
    dataset: DatasetConfig,
    requests: float,
    seeds: Sequence[int],
    recipes: Sequence[Recipe],
) -> Sweep:
    """Every model on about `requests` training requests, under every recipe, with every seed.

    A trial's budget is what so many requests cost it. References are counted once.

    Raises:
        ValueError: an axis without values, or `requests` not positive.
    """
    check(title, models=models, seeds=seeds, recipes=recipes)
    if not requests > 0:
        raise ValueError(f"sweep {title!r}: requests must be positive, got {requests}")
    data = dataset.open()

    @functools.cache  # recipes of many learning rates ask the same
    def budget(model: ModelConfig, items_per_record: int) -> float:
        return requests * rounded(request_cost(model, data, items_per_record).training_flops)

    trials = itertools.chain.from_iterable(
        trials_of([(model, budget(model, recipe.items_per_record))], dataset, seeds, recipe)
        for model, recipe in itertools.product(trained(models), recipes)
    )
    return Sweep(title=title, trials=(*trials, *reference_trials(models, dataset)))
