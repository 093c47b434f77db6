"""How much is data worth: the same models on growing shares of MovieLens-1M's users."""

from __future__ import annotations

import dataclasses

from scaling.datasets.movielens import MovieLensConfig
from scaling.datasets.splits import SplitRule
from scaling.sweeps.base import SWEEPS, Sweep
from scaling.sweeps.design import grid
from scaling.sweeps.families import families
from scaling.sweeps.movielens import RECIPE


@SWEEPS.register("data-fractions")
def data_fractions(
    *,
    architectures: tuple[str, ...] = ("transformer", "astro"),
    user_fractions: tuple[float, ...] = (0.125, 0.25, 0.5, 1.0),
    time_fractions: tuple[float, ...] = (1.0,),
    budgets: tuple[float, ...] = (4e10, 2.2e11),
    depths: tuple[int, ...] = (2,),
    widths: tuple[int, ...] = (16,),
    seq_lens: tuple[int, ...] = (64,),
    blocks: tuple[int, ...] = (2,),
    seeds: tuple[int, ...] = (0,),
    split: SplitRule = "per_user",
) -> Sweep:
    """Every budget on every share of the training data; `unique_examples` and `epochs` tell the
    shares apart. Time fractions below 1 need the split `temporal`.

    The shares are data sets of their own (fingerprints differ) with the same evaluated requests.
    """
    models = families(
        architectures,
        strategies=("recent", "like"),
        depths=depths,
        widths=widths,
        seq_lens=seq_lens,
        blocks=blocks,
    )
    whole = MovieLensConfig(split=split)
    shares = [
        dataclasses.replace(whole, user_fraction=users, time_fraction=time)
        for users in user_fractions
        for time in time_fractions
    ]
    grids = [
        grid(
            "data-fractions",
            models=models,
            dataset=share,
            budgets=budgets,
            seeds=seeds,
            recipe=RECIPE,
        )
        for share in shares
    ]
    return Sweep(
        title="data-fractions", trials=tuple(trial for one in grids for trial in one.trials)
    )
