"""Where a law in parameters and examples stands at a compute: the best split of it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scaling.analysis.law import Law
from scaling.analysis.levels import with_order
from scaling.analysis.result import Fit

_SPLITS = np.exp(np.linspace(-np.log(100.0), np.log(100.0), 401))
"""Sizes tried, as factors of the size that grows with the root of compute."""


def has_compute(law: Law) -> bool:
    """Whether the law says a loss for a compute: it reads compute, or parameters and examples."""
    return "compute" in law.variables or {"params", "examples"} <= set(law.variables)


def columns_at(found: Fit, runs: pd.DataFrame, compute: float) -> dict[str, float]:
    """The law's variables at a compute.

    For a law in parameters and examples the two are split as the law finds best, with
    C = k N D and k the median over the runs; other variables stay as in the best run of the
    largest compute. Where the best split lies beyond a factor of 100 from the measured one, the
    border is taken.

    Args:
        found: a fit of the law to `runs`.
        runs: its rows.
        compute: in the unit of the runs' compute (params x examples where they have none).

    Raises:
        ValueError: a law that reads neither compute nor parameters and examples, or a compute
            that isn't positive.
    """
    law = found.law
    if not (np.isfinite(compute) and compute > 0):
        raise ValueError(f"compute must be a positive number of FLOPs, got {compute!r}")
    if not has_compute(law):
        raise ValueError(
            f"law {law.name!r} is in {', '.join(law.variables)}: it says no loss for a compute"
        )
    if law.variables == ("compute",):
        return {"compute": compute}
    table, order = with_order(runs)
    reached = table[table[order] >= table[order].max() / 1.1]
    best = reached.loc[reached[found.target].idxmin()]
    columns = {name: float(best[name]) for name in law.variables}
    if "compute" in columns:
        columns["compute"] = compute
    if not {"params", "examples"} <= set(columns):
        return columns
    per = float((table[order] / (table["params"] * table["examples"])).median())
    grown = np.sqrt(compute / float(best[order]))
    sizes = columns["params"] * grown * _SPLITS
    rest = {name: np.full(len(sizes), value) for name, value in columns.items()}
    loss = found.predict({**rest, "params": sizes, "examples": compute / (per * sizes)})
    size = float(sizes[int(np.argmin(loss))])
    return {**columns, "params": size, "examples": compute / (per * size)}
