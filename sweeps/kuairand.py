"""Both architectures on KuaiRand's standard log, three seeds each."""

from __future__ import annotations

from scaling.datasets.kuairand import KuaiRandConfig
from scaling.sweeps.base import SWEEPS, Sweep
from scaling.sweeps.design import grid
from scaling.sweeps.families import family
from scaling.sweeps.recipe import Recipe

RECIPE = Recipe(base_lr=3e-3, reference_width=64, embedding_lr=0.05, batch_size=128)


@SWEEPS.register("kuairand")
def kuairand(
    *,
    architectures: tuple[str, ...] = ("transformer", "astro"),
    budgets: tuple[float, ...] = (1e10, 6e10, 3.5e11),
    depths: tuple[int, ...] = (2,),
    widths: tuple[int, ...] = (16, 32),
    seq_lens: tuple[int, ...] = (64,),
    blocks: tuple[int, ...] = (2,),
    seeds: tuple[int, ...] = (0, 1, 2),
    path: str = "",
    history: str = "",
) -> Sweep:
    """Two widths per architecture at three budgets over 1.5 decades.

    `path` and `history` are those of the data set (`KuaiRandConfig`).
    """
    models = [
        model
        for name in architectures
        for model in family(
            name,
            strategies=("recent", "long_view"),
            depths=depths,
            widths=widths,
            seq_lens=seq_lens,
            blocks=blocks,
        )
    ]
    return grid(
        "kuairand",
        models=models,
        dataset=KuaiRandConfig(path=path, history=history),
        budgets=budgets,
        seeds=seeds,
        recipe=RECIPE,
    )
