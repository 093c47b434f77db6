"""Tails and quantiles are those of scipy.stats, far out too."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scaling.analysis import distributions as ours

Z = np.array([-40.0, -8.0, -1.5, 0.0, 0.3, 2.0, 7.0, 30.0])
P = np.array([1e-15, 1e-4, 0.025, 0.5, 0.8, 0.975, 1 - 1e-9])


@pytest.mark.parametrize("dof", [1, 3, 40.0])
def test_students_t(dof: float) -> None:
    np.testing.assert_allclose(
        [ours.t_quantile(p, dof) for p in P], stats.t.ppf(P, dof), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(ours.t_tail(Z, dof), stats.t.sf(Z, dof), rtol=1e-12)


def test_the_normal() -> None:
    np.testing.assert_allclose(ours.normal_quantile(P), stats.norm.ppf(P), rtol=1e-12)
    np.testing.assert_allclose(ours.normal_cdf(Z), stats.norm.cdf(Z), rtol=1e-12)
    np.testing.assert_allclose(ours.normal_density(Z), stats.norm.pdf(Z), rtol=1e-12)
    np.testing.assert_allclose(ours.normal_log_tail(Z), stats.norm.logsf(Z), rtol=1e-12)


def test_sums_of_squares() -> None:
    x = np.array([0.0, 0.2, 3.0, 60.0, 900.0])
    np.testing.assert_allclose(ours.chi2_tail(x, 6), stats.chi2.sf(x, 6), rtol=1e-10)
    np.testing.assert_allclose(ours.f_tail(x, 5, 17), stats.f.sf(x, 5, 17), rtol=1e-10)
