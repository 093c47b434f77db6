"""Both architectures on MovieLens-1M, with a split that ranks every user's own future."""

from __future__ import annotations

from scaling.datasets.movielens import MovieLensConfig
from scaling.datasets.orders import BatchRule
from scaling.datasets.splits import SplitRule
from scaling.sweeps.base import SWEEPS, Sweep
from scaling.sweeps.design import grid
from scaling.sweeps.families import families
from scaling.sweeps.recipe import Recipe

RECIPE = Recipe(lr=2.5e-3)


@SWEEPS.register("movielens")
def movielens(
    *,
    architectures: tuple[str, ...] = ("transformer", "astro"),
    budgets: tuple[float, ...] = (4e10, 9.5e10, 2.2e11, 5.3e11, 1.28e12),
    depths: tuple[int, ...] = (2,),
    widths: tuple[int, ...] = (16, 32),
    seq_lens: tuple[int, ...] = (128,),
    blocks: tuple[int, ...] = (2,),
    seeds: tuple[int, ...] = (0,),
    split: SplitRule = "per_user",
    batches: BatchRule = "mixed",
) -> Sweep:
    """Two widths per architecture at five budgets over 1.5 decades.

    `split` and `batches` are those of the data set (`LoggedConfig`).
    """
    models = families(
        architectures,
        strategies=("recent", "like"),
        depths=depths,
        widths=widths,
        seq_lens=seq_lens,
        blocks=blocks,
    )
    return grid(
        "movielens",
        models=models,
        dataset=MovieLensConfig(split=split, batches=batches),
        budgets=budgets,
        seeds=seeds,
        recipe=RECIPE,
    )
