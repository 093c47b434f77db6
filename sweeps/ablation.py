"""What each part of ASTRO is worth, at equal compute: parts switched off, and what is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from scaling.batch import View
from scaling.datasets.base import DatasetConfig
from scaling.datasets.movielens import MovieLensConfig
from scaling.datasets.splits import SplitRule
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.astro import AstroConfig
from scaling.models.base import ModelConfig
from scaling.models.transformer import TransformerConfig
from scaling.sweeps.base import SWEEPS, Sweep
from scaling.sweeps.design import grid
from scaling.sweeps.recipe import Recipe


def ablated(
    *, strategies: Sequence[str], blocks: Sequence[int], depth: int, width: int, seq_len: int
) -> list[ModelConfig]:
    """ASTRO whole, without each part, with other numbers of blocks, and two controls.

    The controls are transformers: on the most recent `seq_len` events, and on exactly the events
    that ASTRO's two blocks read, without repeats and in time order.
    """
    whole = AstroConfig(depth=depth, width=width, seq_len=seq_len, strategies=tuple(strategies[:2]))
    options: list[dict[str, object]] = [
        {"temperature": False},
        {"fusion": "concat"},
        {"fusion": "sum"},  # the mean is the same model: the head begins with a norm
        {"temperature": False, "fusion": "sum"},
        {"bias": "none"},
        {"partition": True},
        {"share_stacks": True},
    ]
    # The views as they are: a control reads what each block reads, repeats dropped.
    read = tuple(View(strategy=view.strategy, length=view.length) for view in whole.views())
    control = TransformerConfig(depth=depth, width=width, seq_len=seq_len)
    return [
        whole,
        *(dataclasses.replace(whole, **changes) for changes in options),  # type: ignore[arg-type]
        *(
            dataclasses.replace(whole, strategies=tuple(strategies[:count]))
            for count in blocks
            if count != whole.blocks
        ),
        control,
        dataclasses.replace(control, strategy="merged", of=read),
    ]


@SWEEPS.register("ablation")
def ablation(
    *,
    budgets: tuple[float, ...] = (2e11,),
    blocks: tuple[int, ...] = (1, 2, 4, 8),
    depth: int = 2,
    width: int = 32,
    seq_len: int = 128,
    seeds: tuple[int, ...] = (0, 1, 2),
) -> Sweep:
    """ASTRO without each part, and controls, at equal compute on the embedded data set."""
    strategies = (
        "recent", "like", "lifetime", "finish", "request.artist", "user.artist", "no_finish",
        "share",
    )  # fmt: skip
    models = ablated(
        strategies=strategies, blocks=blocks, depth=depth, width=width, seq_len=seq_len
    )
    dataset = SyntheticConfig(validation_requests=1000, test_requests=3000)
    return _sweep("ablation", models, dataset, budgets, seeds, Recipe(batch_size=16))


@SWEEPS.register("ablation-movielens")
def ablation_movielens(
    *,
    budgets: tuple[float, ...] = (4e11,),
    blocks: tuple[int, ...] = (1, 2, 4, 8),
    depth: int = 2,
    width: int = 32,
    seq_len: int = 128,
    seeds: tuple[int, ...] = (0, 1, 2),
    split: SplitRule = "per_user",
) -> Sweep:
    """ASTRO without each part, and controls, at equal compute on MovieLens-1M."""
    strategies = (
        "recent", "like", "lifetime", "no_like", "request.genres", "user.genres", "request.decade",
        "user.decade",
    )  # fmt: skip
    models = ablated(
        strategies=strategies, blocks=blocks, depth=depth, width=width, seq_len=seq_len
    )
    dataset = MovieLensConfig(split=split)
    return _sweep("ablation-movielens", models, dataset, budgets, seeds, Recipe())


def _sweep(
    title: str,
    models: Sequence[ModelConfig],
    dataset: DatasetConfig,
    budgets: Sequence[float],
    seeds: Sequence[int],
    recipe: Recipe,
) -> Sweep:
    return grid(title, models=models, dataset=dataset, budgets=budgets, seeds=seeds, recipe=recipe)
