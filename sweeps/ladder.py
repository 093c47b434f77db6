"""One dial per architecture: depth and width grow together, and the data with the size."""

from __future__ import annotations

from scaling.datasets.synthetic import SyntheticConfig
from scaling.sweeps.base import SWEEPS, Sweep
from scaling.sweeps.design_ladder import ladder
from scaling.sweeps.families import ladders_of
from scaling.sweeps.recipe import Recipe

RECIPE = Recipe(lr=2.5e-3, batch_size=16)


@SWEEPS.register("ladder")
def ladder_sweep(
    *,
    architectures: tuple[str, ...] = ("transformer", "astro"),
    depths: tuple[int, ...] = (1, 1, 2, 2),
    widths: tuple[int, ...] = (16, 24, 24, 32),
    seq_lens: tuple[int, ...] = (64,),
    blocks: tuple[int, ...] = (2,),
    examples_per_mflop: float = 2.5e6,
    seeds: tuple[int, ...] = (0, 1),
) -> Sweep:
    """Four sizes of transformer and ASTRO on the embedded data, each with as many examples as
    belong to the FLOPs that one costs it."""
    ladders = ladders_of(
        architectures,
        strategies=("recent", "like"),
        depths=depths,
        widths=widths,
        seq_lens=seq_lens,
        blocks=blocks,
        head_dim=8,
        rung_by_rung=True,
    )
    return ladder(
        "ladder",
        ladders=ladders,
        dataset=SyntheticConfig(validation_requests=1000, test_requests=3000),
        examples_per_mflop=examples_per_mflop,
        seeds=seeds,
        recipe=RECIPE,
    )
