"""A user's file of sweeps: two architectures on a tiny world, seconds in all."""

from __future__ import annotations

from scaling.datasets.synthetic import SyntheticConfig
from scaling.sweeps.base import Sweep
from scaling.sweeps.design import isoflop
from scaling.sweeps.families import family
from scaling.sweeps.recipe import Recipe


def tiny(
    *,
    budgets: tuple[float, ...] = (1e8, 2.4e8, 6e8),
    widths: tuple[int, ...] = (8, 16),
    seeds: tuple[int, ...] = (0,),
) -> Sweep:
    """Three budgets, two sizes each."""
    ladders = [
        family(
            name,
            strategies=("recent", "like"),
            depths=(2,),
            widths=widths,
            seq_lens=(8,),
            blocks=(2,),
            head_dim=8,
        )
        for name in ("transformer", "astro")
    ]
    return isoflop(
        "tiny",
        ladders=ladders,
        dataset=SyntheticConfig.tiny(),
        budgets=budgets,
        sizes_per_budget=2,
        seeds=seeds,
        recipe=Recipe(batch_size=8),
    )
