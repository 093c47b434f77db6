"""The full grid: depth, width, sequence length, blocks and budget, for both architectures."""

from __future__ import annotations

from scaling.datasets.synthetic import SyntheticConfig
from scaling.sweeps.base import SWEEPS, Sweep
from scaling.sweeps.design import grid
from scaling.sweeps.families import families
from scaling.sweeps.recipe import Recipe

RECIPE = Recipe(lr=2.5e-3, batch_size=16)


@SWEEPS.register("axes")
def axes(
    *,
    architectures: tuple[str, ...] = ("transformer", "astro"),
    budgets: tuple[float, ...] = (6e9, 1.8e10, 5.4e10),
    depths: tuple[int, ...] = (1, 2),
    widths: tuple[int, ...] = (16, 32),
    seq_lens: tuple[int, ...] = (32, 128),
    blocks: tuple[int, ...] = (1, 2, 4),
    seeds: tuple[int, ...] = (0,),
) -> Sweep:
    """Every combination of the axes at every budget; the transformer has no blocks axis."""
    models = families(
        architectures,
        strategies=("recent", "like", "finish", "no_finish"),
        depths=depths,
        widths=widths,
        seq_lens=seq_lens,
        blocks=blocks,
    )
    return grid(
        "axes",
        models=models,
        dataset=SyntheticConfig(),
        budgets=budgets,
        seeds=seeds,
        recipe=RECIPE,
    )
