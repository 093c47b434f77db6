"""What every law promises, for all that are registered."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.fitting import fit
from scaling.analysis.law import LAWS, Law

RANGES = {
    "compute": (9, 13), "seq_len": (1, 3.5), "depth": (0, 1.5), "width": (1, 3), "blocks": (0, 1.2),
}  # fmt: skip
"""log10 of what a variable runs over; a newcomer's own runs from 1e7 to 1e10."""
SEVERAL_OPTIMA = {"broken", "repeated"}
"""Laws of six and seven parameters where terms can die out: a start may end in another optimum."""
LAW_NAMES = LAWS.names()


def truth_of(law: Law) -> dict[str, float]:
    return dict(law.example)


def table_of(law: Law, rows: int = 60) -> pd.DataFrame:
    """Runs on the law, with its variables spread over decades, not tied to each other."""
    rng = np.random.default_rng(1)
    columns = {
        name: 10 ** rng.uniform(*RANGES.get(name, (7, 10)), size=rows) for name in law.variables
    }
    if "unique_examples" in columns:
        columns["unique_examples"] = columns["examples"] / 10 ** rng.uniform(0, 2, size=rows)
    return pd.DataFrame(columns).assign(loss=law(columns, truth_of(law)))


@pytest.fixture(params=LAW_NAMES)
def law(request: pytest.FixtureRequest) -> Law:
    return LAWS.get(request.param)()


def test_knows_its_name_and_parameters(law: Law) -> None:
    assert law.name in LAW_NAMES
    assert set(law.example) == set(law.parameters)
    assert set(law.exponents) | law.positive <= set(law.parameters)
    assert all(name in law.formula for name in law.variables)


def test_noise_free_runs_give_the_parameters_back(law: Law) -> None:
    found = fit(law, table_of(law))
    for name, value in truth_of(law).items():
        assert found.params[name] == pytest.approx(value, rel=1e-6)
    assert found.starts_at_optimum > (0.3 if law.name in SEVERAL_OPTIMA else 0.9)
    assert found.status == "ok"


def test_noisy_runs_give_the_parameters_back_within_their_errors(law: Law) -> None:
    table = table_of(law, rows=120)
    noise = np.random.default_rng(2).normal(size=len(table))
    found = fit(law, table.assign(loss=table["loss"] * np.exp(0.001 * noise)), objective="squares")
    assert found.scatter == pytest.approx(0.001, rel=0.25)
    at = pd.DataFrame({name: [column.median()] for name, column in table.items()})
    assert found.predict(at)[0] == pytest.approx(law(at, truth_of(law))[0], rel=0.001)
    for name, value in truth_of(law).items():
        if name in law.positive:
            error = found.stderr[name] / found.params[name]
            assert abs(np.log(found.params[name] / value)) < 4 * error
        else:
            assert abs(found.params[name] - value) < 4 * found.stderr[name]


def test_coordinates_lead_back(law: Law) -> None:
    centre = np.full(len(law.variables), 19.0)
    raw = np.array([[truth_of(law)[name] for name in law.parameters]])
    np.testing.assert_allclose(law.to_raw(law.to_working(raw, centre), centre), raw, rtol=1e-12)


def test_evaluate_is_the_formula_with_its_gradient(law: Law) -> None:
    table = table_of(law)
    logs = np.log(table[list(law.variables)].to_numpy())
    centre = law.centre(logs, {})
    raw = np.array([truth_of(law)[name] for name in law.parameters])
    theta = law.to_working(raw, centre)
    value, gradient = law.evaluate((logs - centre)[None], theta[None])
    np.testing.assert_allclose(np.exp(value[0]), table["loss"], rtol=1e-10)
    for k in range(theta.size):
        step = np.zeros_like(theta)
        step[k] = 1e-6
        up, _ = law.evaluate((logs - centre)[None], (theta + step)[None])
        down, _ = law.evaluate((logs - centre)[None], (theta - step)[None])
        np.testing.assert_allclose(gradient[0, :, k], (up - down)[0] / 2e-6, rtol=1e-5, atol=1e-9)


def test_raw_gradient(law: Law) -> None:
    centre = np.full(len(law.variables), 19.0)
    raw = np.array([truth_of(law)[name] for name in law.parameters])
    theta = law.to_working(raw, centre)
    gradient = law.raw_gradient(theta, centre)
    for k in range(theta.size):
        step = np.zeros_like(theta)
        step[k] = 1e-6
        change = (law.to_raw(theta + step, centre) - law.to_raw(theta - step, centre)) / 2e-6
        np.testing.assert_allclose(gradient[:, k], change, rtol=1e-6, atol=1e-6)


def test_inverse_undoes_the_law(law: Law) -> None:
    if len(law.variables) > 1:
        with pytest.raises(NotImplementedError):
            law.inverse(1.0, truth_of(law))
        return
    compute = np.logspace(10, 13, 6)
    losses = law({law.variables[0]: compute}, truth_of(law))
    assert ((losses > law.limits[0]) & (losses < law.limits[1])).all()
    np.testing.assert_allclose(law.inverse(losses, truth_of(law)), compute, rtol=1e-9)


def test_a_loss_below_the_floor_is_never_reached() -> None:
    law = LAWS.get("offset")()
    assert np.isinf(law.inverse(0.44, law.example))
    assert np.isinf(law.inverse(0.5, {**law.example, "alpha": -0.1}))


def test_unknown_law_names_the_valid_ones(curve: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"chinchilla, .*offset, power"):
        fit("cubic", curve)
