"""Run tables for the analysis; `simulate` makes them (tests/conftest.py)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def runs(simulate: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Two architectures x 5 budgets x 3 sizes x 2 seeds; astro is clearly cheaper."""
    return simulate()


@pytest.fixture
def curve() -> pd.DataFrame:
    """Nine points of 0.45 + 30 C^-0.2 without noise."""
    compute = np.logspace(11, 14, 9)
    return pd.DataFrame({"compute": compute, "loss": 0.45 + 30 * compute**-0.2})
