"""The best learning rate of each size comes back from losses with a known minimum."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.learning_rates import rate_curves, spread


def table(best: dict[int, float], rates: int = 5) -> pd.DataFrame:
    rows = [
        {
            "architecture": "a",
            "width": width,
            "lr": lr,
            "seed": seed,
            "loss": 0.5 + 0.01 * np.log2(lr / rate) ** 2 + noise,
        }
        for width, rate in best.items()
        for lr in 1e-3 * 2.0 ** np.arange(rates)
        for seed, noise in enumerate((-0.001, 0.001))
    ]
    return pd.DataFrame(rows)


def test_the_vertex_and_its_movement_come_back() -> None:
    curves = rate_curves(table({32: 3e-3, 64: 4.5e-3}))
    assert [curve.size["width"] for curve in curves] == [32, 64]
    assert [curve.best for curve in curves] == pytest.approx([3e-3, 4.5e-3])
    assert spread(curves) == pytest.approx(1.5)
    assert curves[0].seeds == 2
    np.testing.assert_allclose(curves[0].fitted(curves[0].rates), curves[0].losses)


def test_a_minimum_outside_the_rates_is_none() -> None:
    curves = rate_curves(table({32: 3e-3, 64: 1e-4}))
    assert curves[1].best is None
    assert spread(curves) is None
    assert not rate_curves(table({32: 3e-3}, rates=2))


def test_far_rates_that_diverge_do_not_move_the_vertex() -> None:
    runs = table({32: 3e-3}, rates=8)
    runs.loc[runs["lr"] > 0.05, "loss"] = 5.0
    (curve,) = rate_curves(runs)
    assert curve.best == pytest.approx(3e-3)
