"""Simulated run tables with a known law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd
import pytest

ONE = {"astro": (30.0, 0.2)}
COPIES = {"astro": (30.0, 0.2), "transformer": (30.0, 0.2)}
CLEAR = {"astro": (26.0, 0.2), "transformer": (30.0, 0.2)}
"""Amplitude and exponent by architecture; astro of CLEAR needs (26/30)^5 = 0.49 of the compute."""
FLOOR = 0.45


class Simulate(Protocol):
    def __call__(
        self,
        truth: Mapping[str, tuple[float, float]] = ...,
        *,
        noise: float = ...,
        seed: int = ...,
        sizes: int = ...,
        seeds: int = ...,
        lengths: Sequence[int] = ...,
        valley: float = ...,
    ) -> pd.DataFrame: ...


def simulated(
    truth: Mapping[str, tuple[float, float]] = CLEAR,
    *,
    noise: float = 0.001,
    seed: int = 0,
    sizes: int = 3,
    seeds: int = 2,
    lengths: Sequence[int] = (64,),
    valley: float = 0.01,
) -> pd.DataFrame:
    """Loss = (0.45 + A C^-alpha) (1 + valley (ln N/N*)^2) e^noise at 5 budgets over 1.5 decades."""
    rng = np.random.default_rng(seed)
    rows = []
    for name, (amplitude, alpha) in truth.items():
        for budget in np.logspace(11.5, 13, 5):
            for size in range(sizes):
                off = (size - (sizes - 1) / 2) * np.log(2)
                width = 16 * 2**size
                for length in lengths:
                    mean = (FLOOR + amplitude * budget**-alpha) * (1 + valley * off**2)
                    for repeat in range(seeds):
                        loss = mean * np.exp(noise * rng.normal())
                        rows.append(
                            {
                                "architecture": name,
                                "depth": 2,
                                "width": width,
                                "seq_len": length,
                                "blocks": 1,
                                "params": 24 * width**2,
                                "budget": budget,
                                "compute": budget * (1 + 0.003 * rng.random()),
                                "examples": np.round(budget / (7200 * width**2)),
                                "dataset": "synthetic",
                                "candidates_per_request": 8.0,
                                "configuration": f"{name}-{width}-{length}-{budget:.3e}",
                                "seed": repeat,
                                "loss": loss,
                                "validation_loss": loss * np.exp(noise / 4 * rng.normal()),
                                "loss_floor": FLOOR,
                                "status": "finished",
                                "reason": "",
                            }
                        )
    return pd.DataFrame(rows)


@pytest.fixture
def simulate() -> Simulate:
    """Makes run tables."""
    return simulated


@pytest.fixture
def runs() -> pd.DataFrame:
    """Two architectures x 5 budgets x 3 sizes x 2 seeds; astro is clearly cheaper."""
    return simulated()


@pytest.fixture
def curve() -> pd.DataFrame:
    """Nine points of 0.45 + 30 C^-0.2 without noise."""
    compute = np.logspace(11, 14, 9)
    return pd.DataFrame({"compute": compute, "loss": FLOOR + 30 * compute**-0.2})
