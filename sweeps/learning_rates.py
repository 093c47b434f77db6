"""Does one learning rate serve every size? Rates by widths and depths, at equal data."""

from __future__ import annotations

import dataclasses

from scaling.datasets.synthetic import SyntheticConfig
from scaling.sweeps.base import SWEEPS, Sweep
from scaling.sweeps.families import family
from scaling.sweeps.recipe import Recipe
from scaling.sweeps.same_data import same_data

RECIPE = Recipe(batch_size=16)


@SWEEPS.register("learning-rates")
def learning_rates(
    *,
    architectures: tuple[str, ...] = ("transformer", "astro", "hstu"),
    widths: tuple[int, ...] = (32, 64, 128),
    depths: tuple[int, ...] = (2, 4, 8),
    seq_lens: tuple[int, ...] = (64,),
    blocks: tuple[int, ...] = (2,),
    rates: tuple[float, ...] = (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2),
    requests: float = 6400.0,
    seeds: tuple[int, ...] = (0, 1),
) -> Sweep:
    """Every width at the first depth, every depth at the first width, at every rate."""
    models = [
        model
        for name in architectures
        for cross in ((widths, depths[:1]), (widths[:1], depths[1:]))
        if cross[1]
        for model in family(
            name,
            strategies=("recent", "like"),
            widths=cross[0],
            depths=cross[1],
            seq_lens=seq_lens,
            blocks=blocks,
        )
    ]
    return same_data(
        "learning-rates",
        models=models,
        dataset=SyntheticConfig(validation_requests=1000, test_requests=3000),
        requests=requests,
        seeds=seeds,
        recipes=[dataclasses.replace(RECIPE, lr=rate) for rate in rates],
    )
