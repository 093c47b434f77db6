"""What a fit demands of its rows, and how it says which of them are at fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.analysis.law import Array, FitError, Law
from scaling.units import counted

ONE_VALUE = np.log(1.1)
"""A variable within 10 % has one value: runs of one budget differ by how far they overshoot it."""
WRONG_WAY = (0.5, 2.0)
"""Rank correlation with the wrong sign, and it in standard errors, from which on it is refused."""
SHOWN = 8


@dataclass(frozen=True)
class Rows:
    """The rows of a fit, sorted by their content: nothing may depend on the order of a table."""

    logs: Array
    """Natural logs of the variables, `[rows, variables]`."""
    values: Array
    """The target, `[rows]`."""
    names: np.ndarray
    """The table's index, `[rows]`."""
    target: str


def read_rows(law: Law, runs: pd.DataFrame, target: str) -> Rows:
    """The numbers that `law` needs, from every row.

    Raises:
        FitError: a missing column; a number that is missing, not positive, or out of the law's
            limits; the rows are named.
    """
    names = [*law.variables, target]
    for name in names:
        if name not in runs.columns:
            raise FitError(
                f"the table has no column {name!r}, which law {law.name!r} needs; it has: "
                f"{', '.join(map(str, runs.columns))}"
            )
    table = runs[names].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    for place, name in enumerate(names):
        bad = ~(np.isfinite(table[:, place]) & (table[:, place] > 0))
        if bad.any():
            raise FitError(
                f"{name} must be a positive number, and isn't in row {_listed(runs.index[bad])}"
            )
    low, high = law.limits
    outside = (table[:, -1] <= low) | (table[:, -1] >= high)
    if outside.any():
        raise FitError(
            f"law {law.name!r} is one of a metric between {low:g} and {high:g}, and {target} is "
            f"outside in row {_listed(runs.index[outside])}"
        )
    order = np.lexsort(table.T)
    table = table[order]
    return Rows(np.log(table[:, :-1]), table[:, -1], runs.index.to_numpy()[order], target)


def refuse_hopeless(law: Law, rows: Rows, given: Mapping[str, float]) -> None:
    """Raise `FitError` where the rows can't determine the free parameters, whatever they are."""
    free = [name for name in law.parameters if name not in given]
    values, target = rows.values, rows.target
    if not free:
        raise FitError(f"every parameter of law {law.name!r} is given: nothing to fit")
    floor = given.get(law.offset or "")
    if floor is not None and len(values) and floor >= values.max():
        raise FitError(f"{law.offset} is given as {floor:.4g}, which is above every {target}")
    if len(values) > 1 and np.ptp(values) < 1e-12 * values.max():
        raise FitError(f"every row has {target} = {values[0]:.6g}: there is nothing to explain")
    few = f"can't determine the {len(free)} free parameters ({', '.join(free)}) of law {law.name!r}"
    if len(values) < len(free):
        raise FitError(f"{counted(len(values), 'row')} {few}")
    for column, variable in enumerate(law.variables):
        spread = np.ptp(rows.logs[:, column])
        if spread < ONE_VALUE:
            middle = np.exp(rows.logs[:, column].mean())
            within = "" if spread < 1e-9 else f", within {np.expm1(spread):.1%}"
            raise FitError(
                f"all rows have {variable} = {middle:.4g}{within}: law {law.name!r} can't be told "
                f"from a constant in {variable}"
            )
    distinct = len(np.unique(np.round(rows.logs, 9), axis=0))
    if distinct < len(free):
        raise FitError(f"{distinct} distinct values of {', '.join(law.variables)} {few}")


def rank_correlation(one: Array, other: Array) -> float:
    """Spearman's, equal values sharing the mean of their ranks; NaN where either is constant.

    Not pandas' own: that imports `scipy.stats`, which takes .3 s.
    """
    return float(pd.Series(one).rank().corr(pd.Series(other).rank()))


def refuse_wrong_way(law: Law, rows: Rows) -> None:
    """Raise `FitError` where the target plainly goes the other way than the law.

    The sign of Spearman's rank correlation between the target and the product of the variables
    (compute, for a law in N and D) decides; runs of one budget, where the product says nothing,
    pass.
    """
    size = rows.logs.sum(axis=1)
    if np.ptp(size) < ONE_VALUE or len(size) < 3:
        return
    way = -1.0 if law.increasing else 1.0
    against = way * rank_correlation(size, rows.values)
    # 1 / sqrt(rows - 1) without a trend: five rows that all go the wrong way are the fewest.
    if against < WRONG_WAY[0] or against * np.sqrt(len(size) - 1) < WRONG_WAY[1] - 1e-9:
        return
    does, should, why = (
        ("falls", "rises", "is it a loss, or a metric of which less is better?")
        if law.increasing
        else ("rises", "falls", "is it a metric of which more is better (laws `gap` and `logit`)?")
    )
    ends = [int(np.argmin(size)), int(np.argmax(size))]
    first, last = (f"{rows.values[k]:.4g} in row {rows.names[k]}" for k in ends)
    raise FitError(
        f"{rows.target} {does} with {' · '.join(law.variables)} (from {first}, the smallest, to "
        f"{last}, the largest; rank correlation {way * against:.2f} over {len(size)} rows), but law "
        f"{law.name!r} {should}: {why}"
    )


def repeats(rows: Rows) -> str:
    """A warning that names rows that are equal in all that is fitted; empty if there are none."""
    same = (np.diff(rows.logs, axis=0) == 0).all(axis=1) & (np.diff(rows.values) == 0)
    if not same.any():
        return ""
    later = rows.names[1:][same]
    return (
        f"{same.sum()} rows repeat another one in every number and count again: "
        f"row {_listed(np.sort(later.astype(str)))}"
    )


def tied(logs: Array) -> bool:
    """Whether two variables move together so closely that their terms can't be told apart."""
    if logs.shape[1] < 2:
        return False
    correlation = np.corrcoef(logs.T)
    return bool((np.triu(np.abs(correlation), 1) > 0.999).any())


def _listed(names: object) -> str:
    shown = [str(name) for name in np.asarray(names)]
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return ", ".join(shown[:SHOWN]) + more
