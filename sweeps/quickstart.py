"""The demo: isoFLOP valleys of two architectures on the embedded data set, in minutes."""

from __future__ import annotations

from scaling.datasets.synthetic import SyntheticConfig
from scaling.sweeps.base import SWEEPS, Sweep
from scaling.sweeps.design import isoflop
from scaling.sweeps.families import ladders_of
from scaling.sweeps.recipe import Recipe

RECIPE = Recipe(lr=2.5e-3, batch_size=16)


@SWEEPS.register("quickstart")
def quickstart(
    *,
    architectures: tuple[str, ...] = ("transformer", "astro"),
    budgets: tuple[float, ...] = (1.7e9, 4e9, 9.7e9, 2.3e10, 5.44e10),
    depths: tuple[int, ...] = (1,),
    widths: tuple[int, ...] = (8, 16, 24, 32),
    seq_lens: tuple[int, ...] = (64,),
    blocks: tuple[int, ...] = (2,),
    sizes_per_budget: int = 3,
    seeds: tuple[int, ...] = (0, 1),
) -> Sweep:
    """Transformer and ASTRO: five budgets over 1.5 decades, three sizes each, two seeds.

    One layer deep: at budgets this small a second layer costs more than it gains (measured with
    `--set depths=1,2`: at 1e10 FLOPs a loss of .279 against .267 for the transformer).
    """
    ladders = ladders_of(
        architectures,
        strategies=("recent", "like"),
        depths=depths,
        widths=widths,
        seq_lens=seq_lens,
        blocks=blocks,
        head_dim=8,
    )
    return isoflop(
        "quickstart",
        ladders=ladders,
        dataset=SyntheticConfig(validation_requests=1000, test_requests=3000),
        budgets=budgets,
        sizes_per_budget=sizes_per_budget,
        seeds=seeds,
        recipe=RECIPE,
    )
