"""What each new law says about its variables, beside the contract that all laws keep."""

from __future__ import annotations

import numpy as np
import pytest

from scaling.analysis.law import LAWS, Law
from scaling.analysis.powersum import Term


def law(name: str) -> Law:
    return LAWS.get(name)()


def slope(one: Law, compute: float, floor: float) -> float:
    """d ln(L - floor) / d ln C."""
    ends = one({"compute": np.array([compute, compute * 1.001])}, one.example) - floor
    return float(np.diff(np.log(ends))[0] / np.log(1.001))


def test_a_term_may_be_a_product_of_powers() -> None:
    term = Term("compute", "A", "alpha", factors=(("blocks", "phi"),))
    assert term.powers == (("compute", "alpha"), ("blocks", "phi"))
    blocks, offset = law("blocks"), law("offset")
    one, two = (blocks({"compute": 1e12, "blocks": n}, blocks.example) for n in (1, 2))
    floor = blocks.example["E"]
    assert (two - floor) / (one - floor) == pytest.approx(2 ** -blocks.example["phi"])
    assert one == pytest.approx(float(offset({"compute": 1e12}, offset.example)))


def test_kaplans_law_has_the_two_power_laws_as_its_limits() -> None:
    kaplan = law("kaplan")
    p = kaplan.example
    much = kaplan({"params": 1e8, "examples": 1e30}, p)
    assert much == pytest.approx((p["N_c"] / 1e8) ** p["alpha_N"], rel=1e-6)
    large = kaplan({"params": 1e60, "examples": 1e9}, p)
    assert large == pytest.approx((p["D_c"] / 1e9) ** p["alpha_D"], rel=1e-4)
    # Equation 1.5 as it is printed, with the paper's numbers for a model of 1e9 and 1e10 tokens.
    inner = (p["N_c"] / 1e9) ** (p["alpha_N"] / p["alpha_D"]) + p["D_c"] / 1e10
    assert kaplan({"params": 1e9, "examples": 1e10}, p) == pytest.approx(inner ** p["alpha_D"])


def test_the_broken_law_changes_its_exponent_at_the_break() -> None:
    broken = law("broken")
    p = broken.example
    assert slope(broken, p["d1"] / 1e4, p["E"]) == pytest.approx(-p["c0"], rel=1e-3)
    assert slope(broken, p["d1"] * 1e4, p["E"]) == pytest.approx(-p["c0"] - p["c1"], rel=1e-3)
    assert slope(broken, p["d1"], p["E"]) == pytest.approx(-p["c0"] - p["c1"] / 2, rel=1e-2)


def test_the_broken_law_is_inverted_where_it_falls() -> None:
    broken = law("broken")
    rising = {**broken.example, "c0": -0.1, "c1": 0.4}  # up to the break, then down
    compute = np.array([1e13, 1e14])
    losses = broken({"compute": compute}, rising)
    np.testing.assert_allclose(broken.inverse(losses, rising), compute, rtol=1e-9)
    back = {**broken.example, "c1": -0.4}  # down to the break, then up again
    before = np.array([1e8, 1e9])
    np.testing.assert_allclose(
        broken.inverse(broken({"compute": before}, back), back), before, rtol=1e-9
    )
    assert np.isinf(broken.inverse(0.1, broken.example))  # below the floor
    assert np.isinf(broken.inverse(0.5, {**broken.example, "c0": -0.1, "c1": -0.1}))
    lowest = broken({"compute": np.logspace(8, 14, 200)}, back).min()
    assert np.isinf(broken.inverse(0.99 * lowest, back))


@pytest.mark.parametrize("name", ["gap", "logit"])
def test_bounded_metrics_rise_and_stay_below_1(name: str) -> None:
    one = law(name)
    assert one.increasing
    values = one({"compute": np.logspace(9, 60, 50)}, one.example)
    assert (np.diff(values) >= 0).all()
    assert values[-1] <= 1
    assert not any(LAWS.get(n).increasing for n in LAWS.names() if n not in ("gap", "logit"))


def test_a_metric_above_the_ceiling_is_never_reached() -> None:
    gap, logit = law("gap"), law("logit")
    assert np.isinf(gap.inverse(0.9, gap.example))
    assert np.isinf(gap.inverse(0.8, {**gap.example, "alpha": -0.1}))
    assert np.isinf(logit.inverse(1.0, logit.example))
    assert np.isinf(logit.inverse(0.9, {**logit.example, "b": -0.1}))
    np.testing.assert_allclose(gap.inverse([0.7, 0.9], gap.example)[1], np.inf)


def test_depth_width_and_length_have_terms_of_their_own() -> None:
    for name, variable, exponent in (
        ("shape", "depth", "alpha"), ("shape", "width", "omega"), ("length", "seq_len", "gamma"),
    ):  # fmt: skip
        one = law(name)
        base = {v: 1e6 if v in ("params", "examples") else 16.0 for v in one.variables}
        losses = [float(one({**base, variable: x}, one.example)) for x in (16.0, 32.0, 64.0)]
        falls = -np.diff(losses)
        assert falls[1] / falls[0] == pytest.approx(2 ** -one.example[exponent])
