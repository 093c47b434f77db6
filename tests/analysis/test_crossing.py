"""Where two curves meet: found, with a set that is open where the draws don't agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.crossing import crossing
from scaling.analysis.fitting import fit
from scaling.analysis.result import Fit

MIDDLE = 10**12.5


def fitted(amplitude: float, alpha: float, spread: float = 0.0, floor: float = 0.45) -> Fit:
    """Nine exact points; draws differ in ln(L - E) by `spread`."""
    compute = np.geomspace(1e11, 1e14, 9)
    table = pd.DataFrame({"compute": compute, "loss": floor + amplitude * compute**-alpha})
    found = fit("offset", table)
    shifts = np.exp(spread * np.random.default_rng(0).normal(size=500))
    draws = {name: np.full(500, value) for name, value in found.params.items()}
    return replace(found, draws=draws | {"A": found.params["A"] * shifts})


BASE = fitted(30.0, 0.2)


def test_curves_that_cross_inside_the_range() -> None:
    found = crossing(BASE, fitted(30.0 * MIDDLE**0.04, 0.24, 0.01), 0.95)
    assert found.compute == pytest.approx(MIDDLE, rel=0.01)
    assert found.shown
    assert not found.extrapolated
    low, high = found.interval
    assert low is not None
    assert high is not None
    # A spread of 1 % of the excess moves the crossing by .01 / .04 in ln C.
    assert np.log(high / low) == pytest.approx(2 * 1.96 * 0.25, rel=0.15)
    assert (found.probability, found.probability_in_range) == (1.0, 1.0)


def test_a_crossing_beyond_the_range_is_marked() -> None:
    found = crossing(BASE, fitted(30.0 * 1e15**0.04, 0.24, 0.01), 0.95)
    assert found.compute == pytest.approx(1e15, rel=0.01)
    assert found.extrapolated
    assert found.probability_in_range == 0.0


def test_curves_that_never_cross() -> None:
    found = crossing(BASE, fitted(26.0, 0.2, 0.001), 0.95)
    assert found.compute is None
    assert found.interval == (None, None)
    assert found.probability == 0.0
    assert not found.shown
    assert "shown not to meet" in found.reason


def test_what_the_draws_do_not_agree_on_is_open() -> None:
    found = crossing(BASE, fitted(30.0 * MIDDLE**0.002, 0.202, 0.05), 0.95)
    assert found.compute is not None
    assert None in found.interval
    assert not found.shown
    assert found.probability is not None
    assert 0.0 < found.probability < 1.0


def test_one_curve_twice_meets_nowhere_in_particular() -> None:
    found = crossing(BASE, BASE, 0.95)
    assert found.compute is None
    assert not found.shown


def test_without_draws_there_is_a_place_and_no_interval() -> None:
    other = replace(fitted(30.0 * MIDDLE**0.04, 0.24), draws=None)
    found = crossing(replace(BASE, draws=None), other, 0.95)
    assert found.compute == pytest.approx(MIDDLE, rel=0.01)
    assert (found.interval, found.probability) == ((None, None), None)
    assert found.to_dict()["probability_in_range"] is None
