"""How well laws describe the same rows for the parameters they take: AICc and its weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scaling.analysis.law import Array
from scaling.analysis.result import Fit


def aicc(found: Fit) -> float:
    """Akaike's criterion of a least-squares fit of ln(loss), corrected for few rows.

    n ln(RSS / n) + 2 k + 2 k (k + 1) / (n - k - 1), k counting the scatter too (Hurvich and
    Tsai 1989, equation 2). Only fits of the same rows can be compared. Infinite where there are
    too few rows for the correction.

    Raises:
        ValueError: a fit by another objective, whose minimum is no likelihood of normal errors.
    """
    if found.objective_name != "squares":
        raise ValueError(f"AICc is of least-squares fits, this one is of {found.objective_name}")
    n, k = found.n, int(found.problem.free.sum()) + 1
    if n - k - 1 <= 0:
        return float("inf")
    # A fit without any residual: below 1e-12 the digits of the losses decide, not the law.
    variance = max(2.0 * found.objective / n, 1e-24)
    return float(n * np.log(variance) + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def akaike_weights(criteria: Sequence[float]) -> Array:
    """Shares exp(-difference / 2), `[laws]` (Burnham and Anderson 2002, section 2.9).

    An infinite criterion has no share; all are 0 where none is finite.
    """
    values = np.asarray(criteria, dtype=np.float64)
    finite = np.isfinite(values)
    out = np.zeros(values.shape)
    if finite.any():
        out[finite] = np.exp(-0.5 * (values[finite] - values[finite].min()))
        out /= out.sum()
    return out
