"""Designs: which models meet which budgets."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from scaling.datasets.base import DatasetConfig
from scaling.models.base import ModelConfig
from scaling.sweeps.base import Sweep
from scaling.sweeps.constraints import NO_LIMITS, Limits, within_limits
from scaling.sweeps.recipe import RECIPE, Recipe
from scaling.sweeps.references import reference_trials, trained
from scaling.sweeps.sizes import full_flops
from scaling.trial import TrialConfig


def variants(template: ModelConfig, **axes: Sequence[int]) -> list[ModelConfig]:
    """The template at every combination of axis values (`depth`, `width`, `seq_len`, `blocks`).

    Raises:
        ValueError: an unknown axis, an axis without values, or a combination that the architecture
            refuses; the axis values are named.
    """
    _check_axes(template, axes)
    return [scaled(template, dict(zip(axes, v))) for v in itertools.product(*axes.values())]


def rungs(template: ModelConfig, **axes: Sequence[int]) -> list[ModelConfig]:
    """The template along one dial: the first values of all axes, then the second ones, and so on.

    An axis with a single value keeps it on every rung.

    Raises:
        ValueError: as `variants`, and axes of different lengths.
    """
    _check_axes(template, axes)
    lengths = {axis: len(values) for axis, values in axes.items() if len(values) > 1}
    if len(set(lengths.values())) > 1:
        named = ", ".join(f"{axis} has {length}" for axis, length in lengths.items())
        raise ValueError(f"{template.name}: the rungs of a ladder need as many values: {named}")
    count = max(lengths.values(), default=1)
    wide = {axis: values if len(values) > 1 else [*values] * count for axis, values in axes.items()}
    return [scaled(template, dict(zip(wide, values))) for values in zip(*wide.values())]


def scaled(template: ModelConfig, point: Mapping[str, int]) -> ModelConfig:
    """The template at a point of its axes; `ValueError` names the point where it can't be."""
    try:
        model = template.scaled(**point)
        model.views()  # lengths that do not fit show here
    except ValueError as error:
        named = ", ".join(f"{axis}={value}" for axis, value in point.items())
        raise ValueError(f"{template.name} can't have {named}: {error}") from error
    return model


def grid(
    title: str,
    *,
    models: Sequence[ModelConfig],
    dataset: DatasetConfig,
    budgets: Sequence[float],
    seeds: Sequence[int],
    recipe: Recipe = RECIPE,
    limits: Limits = NO_LIMITS,
) -> Sweep:
    """Every model within the limits at every budget with every seed; a reference once."""
    check(title, models=models, budgets=budgets, seeds=seeds)
    kept, left_out = within_limits(models, dataset, recipe, limits)
    pairs = itertools.product(trained(kept), budgets)
    trials = (*trials_of(pairs, dataset, seeds, recipe), *reference_trials(models, dataset))
    return Sweep(title=title, trials=trials, left_out=left_out)


def isoflop(
    title: str,
    *,
    ladders: Sequence[Sequence[ModelConfig]],
    dataset: DatasetConfig,
    budgets: Sequence[float],
    sizes_per_budget: int,
    seeds: Sequence[int],
    recipe: Recipe = RECIPE,
    limits: Limits = NO_LIMITS,
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
        limits: models beyond them are no part of a ladder.
    """
    check(title, ladders=ladders, budgets=budgets, seeds=seeds)
    ranked = sorted(set(budgets))
    pairs, left_out = [], list[str]()
    schema = dataset.open().schema
    for unranked in ladders:
        sized, beyond = within_limits(trained(unranked), dataset, recipe, limits)
        if unranked and not sized:
            continue
        left_out += beyond
        ladder = sorted(sized, key=lambda model: full_flops(model, schema))
        if not 1 <= sizes_per_budget <= len(ladder):
            name = ladder[0].name if ladder else "an empty ladder"
            name += f" within the limits ({'; '.join(beyond)})" if beyond else ""
            raise ValueError(
                f"sweep {title!r}: sizes_per_budget must be 1 to {len(ladder)}, the sizes of "
                f"{name}, got {sizes_per_budget}"
            )
        room = len(ladder) - sizes_per_budget
        for rank, budget in enumerate(ranked):
            first = round(room * rank / max(len(ranked) - 1, 1))
            pairs += [(model, budget) for model in ladder[first : first + sizes_per_budget]]
    counted = reference_trials(itertools.chain.from_iterable(ladders), dataset)
    trials = (*trials_of(pairs, dataset, seeds, recipe), *counted)
    return Sweep(title=title, trials=trials, left_out=tuple(left_out))


def trials_of(
    pairs: Iterable[tuple[ModelConfig, float]],
    dataset: DatasetConfig,
    seeds: Sequence[int],
    recipe: Recipe,
) -> tuple[TrialConfig, ...]:
    """A trial for each model and budget, with every seed."""
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


def check(title: str, **axes: Sequence[object]) -> None:
    """`ValueError` where an axis of a sweep has no values."""
    for axis, values in axes.items():
        if not values:
            raise ValueError(f"sweep {title!r}: {axis} must hold at least one value")


def _check_axes(template: ModelConfig, axes: Mapping[str, Sequence[int]]) -> None:
    for axis, values in axes.items():
        if not values:
            raise ValueError(f"{template.name}: axis {axis} has no values")
