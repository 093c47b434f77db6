"""What it costs in quality to encode a history without its request, so that a memory lasts."""

from __future__ import annotations

import dataclasses

from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.astro import AstroConfig
from scaling.models.transformer import TransformerConfig
from scaling.sweeps.base import SWEEPS, Sweep
from scaling.sweeps.design import grid
from scaling.sweeps.recipe import Recipe


@SWEEPS.register("request-free")
def request_free(
    *,
    budgets: tuple[float, ...] = (2e11,),
    depth: int = 2,
    width: int = 32,
    seq_len: int = 128,
    seeds: tuple[int, ...] = (0, 1, 2),
) -> Sweep:
    """Transformer and ASTRO, histories with and without their request, on the embedded data set."""
    transformer = TransformerConfig(depth=depth, width=width, seq_len=seq_len)
    astro = AstroConfig(depth=depth, width=width, seq_len=seq_len, strategies=("recent", "like"))
    return grid(
        "request-free",
        models=[
            transformer,
            dataclasses.replace(transformer, request_free_history=True),
            astro,
            dataclasses.replace(astro, request_free_history=True),
        ],
        dataset=SyntheticConfig(validation_requests=1000, test_requests=3000),
        budgets=budgets,
        seeds=seeds,
        recipe=Recipe(batch_size=16),
    )
