"""A random design: configurations drawn log-uniformly over axes, budgets and learning rates."""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scaling.datasets.base import DatasetConfig
from scaling.models.base import ModelConfig
from scaling.sweeps.base import Sweep
from scaling.sweeps.constraints import NO_LIMITS, Limits, beyond, told
from scaling.sweeps.design import check, scaled, trials_of
from scaling.sweeps.recipe import RECIPE, Recipe
from scaling.sweeps.references import reference_trials, trained
from scaling.sweeps.sizes import rounded
from scaling.trial import TrialConfig

_ATTEMPTS = 200
"""Draws per configuration before the ranges count as too narrow."""


@dataclass(frozen=True)
class Between:
    """A range to draw from, log-uniformly, both ends included.

    Raises:
        ValueError: ends that are not positive or not in order, or no multiple between them.
    """

    low: float
    high: float
    multiple: int | None = None
    """Draws are rounded to a multiple of this; None for any number, to three digits."""

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high < math.inf:
            raise ValueError(
                f"a range must go up from a positive number, got {self.low:g} to {self.high:g}"
            )
        if self.multiple is not None and (
            self.multiple < 1 or self.high // self.multiple * self.multiple < self.low
        ):
            raise ValueError(f"no multiple of {self.multiple} in {self.low:g} to {self.high:g}")

    def draw(self, rng: np.random.Generator) -> float:
        """A number of the range."""
        drawn = float(self.low * (self.high / self.low) ** rng.random())
        if self.multiple is None:
            return min(max(rounded(drawn), self.low), self.high)
        least = math.ceil(self.low / self.multiple)
        most = math.floor(self.high / self.multiple)
        return self.multiple * min(max(round(drawn / self.multiple), least), most)


def random_search(
    title: str,
    *,
    templates: Sequence[ModelConfig],
    dataset: DatasetConfig,
    axes: Mapping[str, Between],
    budgets: Between,
    count: int,
    seeds: Sequence[int],
    lr: Between | None = None,
    draw_seed: int = 0,
    recipe: Recipe = RECIPE,
    limits: Limits = NO_LIMITS,
) -> Sweep:
    """`count` distinct configurations of each template, every one with every seed.

    The draws of an architecture depend on `draw_seed` and on its own name alone: further
    architectures leave them as they are, and a larger `count` only adds to them. Combinations that
    an architecture refuses, and models beyond the limits, are drawn again.

    Args:
        title: the sweep's title.
        templates: one model per architecture; a reference is run once.
        dataset: what all are trained on.
        axes: ranges of `depth`, `width`, `seq_len`, `blocks`; an architecture without blocks
            ignores those.
        budgets: training FLOPs.
        count: configurations per template.
        seeds: every configuration is run with each.
        lr: learning rates; None takes the recipe's.
        draw_seed: of the draws.
        recipe: how they are trained.
        limits: models beyond them are left out.

    Raises:
        ValueError: ranges that don't hold `count` distinct configurations within the limits.
    """
    check(title, templates=templates, seeds=seeds)
    if count < 1:
        raise ValueError(f"sweep {title!r}: count must be at least 1, got {count}")
    data = dataset.open()
    trials, left_out = list[TrialConfig](), dict[str, None]()
    for template in trained(templates):
        rng = np.random.default_rng([draw_seed, zlib.crc32(template.variant.encode())])
        mine = {axis: r for axis, r in axes.items() if axis != "blocks" or _has_blocks(template)}
        found = dict[tuple[ModelConfig, float, float], None]()
        refused = ""
        for _ in range(_ATTEMPTS * count):
            # All numbers of a draw are drawn, whatever becomes of it: the next one is its own.
            point = {axis: int(drawn_from.draw(rng)) for axis, drawn_from in mine.items()}
            budget, rate = budgets.draw(rng), recipe.lr if lr is None else lr.draw(rng)
            try:
                model = scaled(template, point)
            except ValueError as error:
                refused = str(error)
                continue
            reason = "" if limits == NO_LIMITS else beyond(model, dataset, data, recipe, limits)
            if reason:
                refused = told(model, reason)
                left_out[refused] = None
                continue
            found[model, budget, rate] = None
            if len(found) == count:
                break
        if len(found) < count:
            last = f"; the last one refused: {refused}" if refused else ""
            raise ValueError(
                f"sweep {title!r}: {_ATTEMPTS * count} draws gave {len(found)} distinct "
                f"configurations of {template.name}, not {count}: widen the ranges{last}"
            )
        for model, budget, rate in found:
            trials += trials_of(
                [(model, budget)], dataset, seeds, dataclasses.replace(recipe, lr=rate)
            )
    counted = reference_trials(templates, dataset)
    return Sweep(title=title, trials=(*trials, *counted), left_out=tuple(left_out))


def _has_blocks(template: ModelConfig) -> bool:
    return type(template).with_blocks is not ModelConfig.with_blocks
