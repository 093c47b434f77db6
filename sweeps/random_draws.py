"""Random configurations of both architectures: axes, budgets and learning rates at once."""

from __future__ import annotations

from scaling.datasets.synthetic import SyntheticConfig
from scaling.sweeps.base import SWEEPS, Sweep
from scaling.sweeps.design_random import Between, random_search
from scaling.sweeps.families import families
from scaling.sweeps.recipe import Recipe

RECIPE = Recipe(batch_size=16)


@SWEEPS.register("random")
def random_draws(
    *,
    architectures: tuple[str, ...] = ("transformer", "astro"),
    budgets: tuple[float, ...] = (1.7e9, 5.44e10),
    depths: tuple[int, ...] = (1, 3),
    widths: tuple[int, ...] = (8, 48),
    seq_lens: tuple[int, ...] = (32, 128),
    rates: tuple[float, ...] = (1e-3, 1e-2),
    count: int = 20,
    draw_seed: int = 0,
    seeds: tuple[int, ...] = (0,),
) -> Sweep:
    """Draws between the least and the greatest value of each axis, on the embedded data set."""
    templates = families(
        architectures,
        strategies=("recent", "like"),
        depths=(1,),
        widths=(8,),
        seq_lens=(32,),
        blocks=(2,),
        head_dim=8,
    )
    return random_search(
        "random",
        templates=templates,
        dataset=SyntheticConfig(validation_requests=1000, test_requests=3000),
        axes={
            "depth": Between(min(depths), max(depths), 1),
            "width": Between(min(widths), max(widths), 8),
            "seq_len": Between(min(seq_lens), max(seq_lens), 2),
        },
        budgets=Between(min(budgets), max(budgets)),
        lr=Between(min(rates), max(rates)),
        count=count,
        draw_seed=draw_seed,
        seeds=seeds,
        recipe=RECIPE,
    )
