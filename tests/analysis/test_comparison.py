"""The verdict: decided when it should be, not decided when it isn't."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.comparison import compare
from scaling.analysis.fitting import fit
from scaling.analysis.summary import analyse

Simulate = Callable[..., pd.DataFrame]
COPIES = {"astro": (30.0, 0.2), "transformer": (30.0, 0.2)}
NAMES = ("baseline", "candidate")


def law(amplitude: float, floor: float = 0.45, top: float = 1e14) -> pd.DataFrame:
    compute = np.geomspace(1e11, top, 9)
    return pd.DataFrame({"compute": compute, "loss": floor + amplitude * compute**-0.2})


def test_the_multiplier_of_known_laws() -> None:
    found = compare(fit("offset", law(30.0)), fit("offset", law(26.0)), names=NAMES, at=[1e12])
    top, inside = found.multiplier
    assert top.compute == pytest.approx(1e14)
    assert top.value == pytest.approx((30 / 26) ** 5, rel=1e-4)
    assert top.extrapolated  # the baseline would need twice its largest compute
    assert "baseline was measured from" in top.reason
    assert inside.value == pytest.approx((30 / 26) ** 5, rel=1e-4)
    assert not inside.extrapolated
    assert found.verdict == "candidate cheaper"
    back = compare(fit("offset", law(26.0)), fit("offset", law(30.0)), names=NAMES)
    assert back.verdict == "baseline cheaper"
    assert back.multiplier[0].value == pytest.approx((26 / 30) ** 5, rel=1e-4)
    assert not back.multiplier[0].extrapolated


def test_compares_at_the_largest_common_compute() -> None:
    found = compare(fit("offset", law(30.0, top=1e13)), fit("offset", law(26.0)), names=NAMES)
    assert found.multiplier[0].compute == pytest.approx(1e13)


def test_a_loss_that_the_baseline_never_reaches_has_no_number() -> None:
    found = compare(fit("offset", law(30, floor=0.55)), fit("offset", law(30)), names=NAMES)
    assert found.multiplier[0].value is None
    assert found.verdict == "candidate cheaper"
    assert "levels off above" in found.sentence()
    described = found.to_dict()["multiplier"][0]
    assert described["value"] is None
    assert described["extrapolated"] is True
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_loss_that_does_not_fall_decides_nothing() -> None:
    noise = np.random.default_rng(0).normal(size=9)
    flat = law(30).assign(loss=0.7 * np.exp(0.003 * noise))
    found = compare(fit("power", flat), fit("power", law(30)), names=NAMES)
    assert found.verdict == "not decided"
    assert "the loss of baseline is not shown to fall" in found.sentence()


def test_other_laws_and_targets_are_refused() -> None:
    table = law(30).assign(params=np.geomspace(1e4, 1e6, 9), examples=np.geomspace(1e6, 1e5, 9))
    sizes = fit("chinchilla", table.assign(loss=1 + table["params"] ** -0.3), fixed={"E": 0.5})
    with pytest.raises(ValueError, match="compare laws in compute"):
        compare(sizes, sizes, names=NAMES)
    power = fit("power", law(30))
    with pytest.raises(ValueError, match="targets differ: loss and ne"):
        compare(power, replace(power, target="ne"), names=NAMES)


def falsely_decided(simulate: Simulate, simulations: int) -> float:
    verdicts = [
        analyse(simulate(COPIES, seed=seed, noise=0.003), bootstrap=300, seed=seed)
        .comparisons[0]
        .verdict
        for seed in range(simulations)
    ]
    return float(np.mean([verdict != "not decided" for verdict in verdicts]))


def test_two_copies_are_not_decided(simulate: Simulate) -> None:
    assert falsely_decided(simulate, 20) <= 0.1  # at most 2 of 20 at a level of 95 %


@pytest.mark.slow
def test_two_copies_are_not_decided_as_often_as_the_level_says(simulate: Simulate) -> None:
    assert falsely_decided(simulate, 300) <= 0.05 + 2 * (0.05 * 0.95 / 300) ** 0.5


@pytest.mark.parametrize("bootstrap", [0, 500])
def test_a_clear_winner_is_decided(simulate: Simulate, bootstrap: int) -> None:
    for seed in range(5):
        (found,) = analyse(simulate(seed=seed), bootstrap=bootstrap).comparisons
        assert (found.baseline, found.candidate) == ("astro", "transformer")
        assert found.verdict == "baseline cheaper"
        low, high = found.multiplier[0].interval
        assert low <= (26 / 30) ** 5 <= high
        assert "astro is cheaper" in found.sentence()
