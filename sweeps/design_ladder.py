"""A design with one dial per architecture: models from small to large, each with its own budget."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from scaling.datasets.base import Dataset, DatasetConfig
from scaling.models.base import ModelConfig
from scaling.sweeps.base import Sweep
from scaling.sweeps.constraints import NO_LIMITS, Limits, within_limits
from scaling.sweeps.design import check, trials_of
from scaling.sweeps.recipe import RECIPE, Recipe
from scaling.sweeps.references import reference_trials, trained
from scaling.sweeps.sizes import request_cost, rounded


def ladder(
    title: str,
    *,
    ladders: Sequence[Sequence[ModelConfig]],
    dataset: DatasetConfig,
    seeds: Sequence[int],
    examples_per_param: float | None = None,
    examples_per_mflop: float | None = None,
    recipe: Recipe = RECIPE,
    limits: Limits = NO_LIMITS,
) -> Sweep:
    """Every model of each ladder on as many examples as belong to its size, with every seed.

    The size is the number of dense parameters, or the forward FLOPs that an example costs: where
    blocks have weights of their own, parameters grow at equal FLOPs, and only the latter compares.
    A model's budget is what its examples cost it, to three digits. References are counted once.

    Args:
        title: the sweep's title.
        ladders: for each architecture, its models; `rungs` makes them from one dial.
        dataset: what all are trained on.
        seeds: every trial is run with each.
        examples_per_param: labelled candidates per dense parameter; or
        examples_per_mflop: labelled candidates per million forward FLOPs of an example.
        recipe: how they are trained.
        limits: models beyond them are left out.

    Raises:
        ValueError: not exactly one ratio, one that is not positive, a ladder without models.
    """
    check(title, ladders=ladders, seeds=seeds)
    ratio = examples_per_mflop if examples_per_param is None else examples_per_param
    if ratio is None or None not in (examples_per_param, examples_per_mflop):
        raise ValueError(
            f"sweep {title!r}: a ladder needs either examples_per_param or examples_per_mflop"
        )
    if not ratio > 0:
        raise ValueError(f"sweep {title!r}: the examples per size must be positive, got {ratio:g}")
    data = dataset.open()
    pairs, left_out = [], list[str]()
    for models in ladders:
        check(title, ladder=models)
        kept, beyond = within_limits(trained(models), dataset, recipe, limits)
        left_out += beyond
        rungs = [(m, _budget(m, data, ratio, examples_per_param is not None, recipe)) for m in kept]
        pairs += sorted(rungs, key=lambda rung: rung[1])
    counted = reference_trials(itertools.chain.from_iterable(ladders), dataset)
    trials = (*trials_of(pairs, dataset, seeds, recipe), *counted)
    return Sweep(title=title, trials=trials, left_out=tuple(left_out))


def _budget(
    model: ModelConfig, data: Dataset, ratio: float, of_params: bool, recipe: Recipe
) -> float:
    """Training FLOPs of `ratio` examples per unit of the model's size."""
    cost = request_cost(model, data, recipe.items_per_record)
    size = model.num_params(data.schema)[0] if of_params else cost.flops_per_example / 1e6
    return rounded(ratio * size / cost.candidates * cost.training_flops)
