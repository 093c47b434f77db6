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
NAMES = ("baseline", "candidate")


def law(
    amplitude: float, floor: float = 0.45, low: float = 1e11, top: float = 1e14
) -> pd.DataFrame:
    compute = np.geomspace(low, top, 9)
    return pd.DataFrame({"compute": compute, "loss": floor + amplitude * compute**-0.2})


def test_the_multiplier_of_known_laws() -> None:
    found = compare(fit("offset", law(30.0)), fit("offset", law(26.0)), names=NAMES, at=[1e12])
    gain = (30 / 26) ** 5
    assert [m.compute for m in found.multiplier] == sorted(m.compute for m in found.multiplier)
    assert found.multiplier[0].compute == pytest.approx(1e11)
    assert found.multiplier[-1].compute == pytest.approx(1e14)
    assert all(m.value == pytest.approx(gain, rel=1e-4) for m in found.multiplier)
    assert found.multiplier[-1].extrapolated  # the baseline would need twice its largest compute
    assert "baseline was measured from" in found.multiplier[-1].reason
    assert found.at.compute == pytest.approx(1e14 / gain, rel=0.02)  # both reached that loss
    assert not found.at.extrapolated
    assert found.verdict == "candidate cheaper"
    back = compare(fit("offset", law(26.0)), fit("offset", law(30.0)), names=NAMES)
    assert back.verdict == "baseline cheaper"
    assert back.at.value == pytest.approx(1 / gain, rel=1e-4)
    assert back.at.compute == pytest.approx(1e14)
    assert not back.at.extrapolated


def test_a_verdict_never_rests_on_a_compute_beyond_the_common_range() -> None:
    found = compare(fit("offset", law(30.0, top=1e13)), fit("offset", law(26.0)), names=NAMES)
    assert found.at.compute < 1e13
    assert found.multiplier[-1].compute == pytest.approx(1e13)
    apart = compare(fit("offset", law(30, low=1e13)), fit("offset", law(20, top=1e12)), names=NAMES)
    assert apart.verdict == "not decided"
    assert apart.at.extrapolated
    assert "not measured at any common compute" in apart.sentence()
    assert apart.crossing.compute is None


def test_without_a_common_loss_the_order_is_told_and_no_number() -> None:
    short = {"low": 1e13, "top": 1e14}
    found = compare(fit("offset", law(30, **short)), fit("offset", law(15, **short)), names=NAMES)
    assert found.verdict == "candidate cheaper"
    assert found.at.compute == pytest.approx(1e14)
    assert found.at.extrapolated
    assert "its loss is lower at equal compute" in found.sentence()
    assert "times the compute" not in found.sentence()


def test_a_loss_that_the_baseline_never_reaches_has_no_number() -> None:
    found = compare(fit("offset", law(30, floor=0.55)), fit("offset", law(30)), names=NAMES)
    assert found.multiplier[-1].value is None
    assert "levels off above" in found.multiplier[-1].reason
    assert found.verdict == "candidate cheaper"
    assert found.at.value is not None  # where the baseline did reach it
    described = found.to_dict()["multiplier"][-1]
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


def test_the_sentence_names_number_interval_level_and_place(runs: pd.DataFrame) -> None:
    (found,) = analyse(runs, bootstrap=0, level=0.9).comparisons
    assert "90% interval" in found.sentence()
    assert "transformer is cheaper" not in found.sentence()
    other = replace(found, quantity="latency", unit="ms")
    assert " ms, " in other.sentence()
    assert "times the latency" in other.sentence()


@pytest.mark.parametrize("draws", [0, 200])
def test_a_clear_winner_is_decided(simulate: Simulate, draws: int) -> None:
    for seed in range(2):
        (found,) = analyse(simulate(seed=seed), comparison_draws=draws).comparisons
        assert (found.baseline, found.candidate) == ("transformer", "astro")
        assert found.verdict == "candidate cheaper"
        low, high = found.at.interval
        assert low <= (30 / 26) ** 5 <= high
        assert "astro is cheaper" in found.sentence()
