"""All architectures on MovieLens-1M: the same data, the same number of learning rates each."""

from __future__ import annotations

import dataclasses

from scaling.datasets.movielens import MovieLensConfig
from scaling.datasets.splits import SplitRule
from scaling.sweeps.base import SWEEPS, Sweep
from scaling.sweeps.families import families
from scaling.sweeps.recipe import Recipe
from scaling.sweeps.same_data import same_data

RECIPE = Recipe(batch_size=32)

ARCHITECTURES = (
    "transformer", "astro", "hstu", "din", "twin", "dlrm", "lightning", "longer", "gru",
    "popularity", "markov",
)  # fmt: skip


@SWEEPS.register("baselines")
def baselines(
    *,
    architectures: tuple[str, ...] = ARCHITECTURES,
    epochs: float = 2.0,
    depths: tuple[int, ...] = (2,),
    widths: tuple[int, ...] = (32,),
    seq_lens: tuple[int, ...] = (128,),
    blocks: tuple[int, ...] = (2,),
    rates: tuple[float, ...] = (1.25e-3, 2.5e-3, 5e-3),
    seeds: tuple[int, ...] = (0, 1, 2),
    split: SplitRule = "per_user",
) -> Sweep:
    """One size each, three rates, three seeds; `climber table baselines` chooses by validation."""
    dataset = MovieLensConfig(split=split)
    size = dataset.open().size("train")
    assert size is not None
    models = families(
        architectures,
        strategies=("recent", "like"),
        depths=depths,
        widths=widths,
        seq_lens=seq_lens,
        blocks=blocks,
    )
    return same_data(
        "baselines",
        models=models,
        dataset=dataset,
        requests=epochs * size.requests,
        seeds=seeds,
        recipes=[dataclasses.replace(RECIPE, lr=rate) for rate in rates],
    )
