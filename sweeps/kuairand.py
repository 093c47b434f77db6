"""Both architectures on KuaiRand's standard log, three seeds each."""

from __future__ import annotations

from scaling.datasets.kuairand import KuaiRandConfig
from scaling.sweeps.base import SWEEPS, Sweep
from scaling.sweeps.design import isoflop
from scaling.sweeps.families import ladders_of
from scaling.sweeps.recipe import Recipe

RECIPE = Recipe(lr=2.5e-3)


@SWEEPS.register("kuairand")
def kuairand(
    *,
    architectures: tuple[str, ...] = ("transformer", "astro"),
    budgets: tuple[float, ...] = (6e9, 1.4e10, 3.4e10, 8e10, 1.92e11),
    depths: tuple[int, ...] = (2,),
    widths: tuple[int, ...] = (16, 32, 64),
    seq_lens: tuple[int, ...] = (64,),
    blocks: tuple[int, ...] = (2,),
    sizes_per_budget: int = 2,
    seeds: tuple[int, ...] = (0, 1, 2),
    path: str = "",
    history: str = "",
) -> Sweep:
    """Five budgets over 1.5 decades, two widths each, wider ones at the largest.

    `path` and `history` are those of the data set (`KuaiRandConfig`).
    """
    ladders = ladders_of(
        architectures,
        strategies=("recent", "long_view"),
        depths=depths,
        widths=widths,
        seq_lens=seq_lens,
        blocks=blocks,
    )
    return isoflop(
        "kuairand",
        ladders=ladders,
        dataset=KuaiRandConfig(path=path, history=history),
        budgets=budgets,
        sizes_per_budget=sizes_per_budget,
        seeds=seeds,
        recipe=RECIPE,
    )
