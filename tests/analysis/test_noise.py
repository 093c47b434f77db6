"""Noise of seeds beside misfit: what is told apart, and that repeats are no news."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.fitting import fit
from scaling.analysis.noise import noise_of

SEEDS = 4


def seeded(
    rng: np.random.Generator, *, own: float, seeds: float, bend: float = 0.0
) -> pd.DataFrame:
    """Ten configurations about a power law: an own error each, and four seeds."""
    compute = np.repeat(np.logspace(11, 14, 10), SEEDS)
    configuration = np.repeat(np.arange(10), SEEDS)
    logs = np.log(compute / 10**12.5)
    errors = own * rng.normal(size=10)[configuration] + seeds * rng.normal(size=compute.size)
    loss = 0.6 * np.exp(-0.05 * logs + bend * logs**2 + errors)
    return pd.DataFrame(
        {"compute": compute, "configuration": configuration.astype(str), "loss": loss}
    ).assign(seed=np.tile(np.arange(SEEDS), 10))


def test_seed_noise_and_misfit_are_both_recovered() -> None:
    rng = np.random.default_rng(0)
    found = [
        fit("power", runs, objective="squares", starts=1).noise
        for runs in (seeded(rng, own=0.01, seeds=0.002) for _ in range(20))
    ]
    assert all(noise is not None and noise.seeds_dof == 30 for noise in found)
    assert all(noise is not None and noise.misfit_dof == 8 for noise in found)
    seeds = np.mean([noise.seeds**2 for noise in found if noise])
    misfit = np.mean([noise.misfit**2 for noise in found if noise])
    assert seeds == pytest.approx(0.002**2, rel=0.2)
    assert misfit == pytest.approx(0.002**2 + SEEDS * 0.01**2, rel=0.4)


def test_the_test_of_a_right_law_rejects_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    x = np.repeat(np.linspace(-2.0, 2.0, 10), SEEDS)
    configuration = np.repeat(np.arange(10), SEEDS)
    design = np.column_stack([np.ones_like(x), x])
    projector = design @ np.linalg.pinv(design)
    values = []
    for _ in range(2000):
        errors = rng.normal(size=x.size)
        noise = noise_of(errors - projector @ errors, x[:, None], configuration, 2)
        values.append(noise.p_value)
    shares = [np.mean(np.array(values) < level) for level in (0.05, 0.5, 0.95)]
    np.testing.assert_allclose(shares, (0.05, 0.5, 0.95), atol=0.035)  # three standard errors


def test_a_law_that_misses_more_than_the_seeds_is_said() -> None:
    runs = seeded(np.random.default_rng(2), own=0.0, seeds=0.002, bend=0.003)
    found = fit("power", runs, objective="squares")
    assert any("the law misses more than seeds explain" in text for text in found.warnings)
    right = seeded(np.random.default_rng(2), own=0.0, seeds=0.002)
    found = fit("power", right, objective="squares")
    assert not any("seeds" in text for text in found.warnings)


def test_copies_of_a_run_are_no_news() -> None:
    once = seeded(np.random.default_rng(3), own=0.01, seeds=0.0).drop_duplicates("configuration")
    copies = pd.concat([once] * SEEDS, ignore_index=True)
    one, many = (fit("power", t, objective="squares") for t in (once, copies))
    assert (one.dof, many.dof) == (8, 8)
    for method in ("profile", "delta"):
        for name in ("A", "alpha"):
            np.testing.assert_allclose(
                one.interval(method=method)[name],  # type: ignore[arg-type]
                many.interval(method=method)[name],  # type: ignore[arg-type]
                rtol=1e-3,
            )
    assert many.noise is not None
    assert many.noise.seeds == pytest.approx(0.0, abs=1e-9)


def test_intervals_cover_where_configurations_have_errors_of_their_own() -> None:
    rng = np.random.default_rng(4)
    hits: dict[str, list[bool]] = {"configurations": [], "rows": []}
    for _ in range(80):
        runs = seeded(rng, own=0.01, seeds=0.002)
        unnamed = runs.drop(columns="configuration")  # then each row counts by itself
        for name, table in (("configurations", runs), ("rows", unnamed)):
            found = fit("power", table, objective="squares", starts=1)
            low, high = found.interval(method="delta")["alpha"]
            hits[name].append(low <= 0.05 <= high)
    assert np.mean(hits["configurations"]) >= 0.95 - 3 * 0.024
    assert np.mean(hits["rows"]) < 0.8  # four rows of a configuration taken for four pieces of news


def test_checkpoints_of_one_run_do_not_sharpen_an_interval() -> None:
    rng = np.random.default_rng(5)
    runs = seeded(rng, own=0.01, seeds=0.001)
    runs["compute"] *= 1.3 ** runs["seed"]
    runs["loss"] *= 1.3 ** (-0.05 * runs["seed"])
    plain = fit("power", runs.drop(columns="configuration"), objective="squares")
    found = fit("power", runs, objective="squares")
    assert found.noise is not None
    assert found.noise.seeds_dof == 0  # no two rows at one place
    assert np.isnan(found.noise.seeds)
    assert found.stderr["alpha"] >= plain.stderr["alpha"]
    assert found.dof == 8


def test_too_few_configurations_are_said() -> None:
    runs = seeded(np.random.default_rng(6), own=0.01, seeds=0.001)
    two = runs[runs["configuration"].isin(["0", "9"])]
    found = fit("power", two, objective="squares")
    assert any("2 configurations can't say how far the law is off" in t for t in found.warnings)
    assert found.dof == len(two) - 2
