"""Which runs may stand together: groups of a table that hold one data set each."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.units import MISSING

EVERYTHING = "all"
"""The only group of a table without the column to group by."""


@dataclass(frozen=True)
class Part:
    """The runs of one group."""

    name: str
    scope: str
    """Groups of different scope are not compared."""
    runs: pd.DataFrame

    def entropy(self, seed: int) -> list[int]:
        """Of the group's random numbers: the same whatever other groups the table holds."""
        return [seed, zlib.crc32(self.name.encode())]


def grouped(runs: pd.DataFrame, *, by: str, allow_mixed: bool = False) -> list[Part]:
    """Split a table by the column `by`, sorted by name.

    Losses on different data sets, or with other numbers of candidates per request, are not of one
    kind: such a table is refused, or with `allow_mixed` split further.

    Raises:
        ValueError: the table mixes data sets or candidates per request; or `by` is no column.
    """
    if by in runs.columns:
        names = runs[by].map(_name)
    elif by == "architecture":
        names = pd.Series(EVERYTHING, index=runs.index)
    else:
        raise ValueError(
            f"the run table has no column {by!r} to group by; it has: "
            f"{', '.join(map(str, runs.columns))}"
        )
    scopes = _scopes(runs)
    if scopes.nunique() > 1 and not allow_mixed:
        raise ValueError(
            f"the table mixes {' and '.join(sorted(scopes.unique()))}: their losses can't be "
            "compared; select one, or allow mixed tables to see them side by side"
        )
    order = pd.DataFrame({"name": _sortable(runs[by]) if by in runs else names, "scope": scopes})
    order = order.sort_values(["name", "scope"], kind="stable")
    labels = names if scopes.nunique() <= 1 else names + " · " + scopes
    return [
        Part(str(label), str(scopes[rows.index[0]]), rows)
        for label, rows in runs.loc[order.index].groupby(labels, sort=False)
    ]


def _sortable(column: pd.Series) -> pd.Series:
    return column if pd.api.types.is_numeric_dtype(column) else column.astype(str)


def _name(value: object) -> str:
    if isinstance(value, float):
        return MISSING if np.isnan(value) else f"{value:g}"
    return MISSING if value is None else str(value)


def _scopes(runs: pd.DataFrame) -> pd.Series[str]:
    """The data set and the rounded number of candidates per request of each row, in words."""
    scopes = pd.Series("", index=runs.index, dtype=object)
    if "dataset" in runs.columns and runs["dataset"].nunique() > 1:
        scopes += "data set " + runs["dataset"].fillna(MISSING).astype(str)
    if "candidates_per_request" in runs.columns:
        m = pd.to_numeric(runs["candidates_per_request"], errors="coerce").to_numpy(dtype=float)
        rounded = np.round(np.maximum(m, 1.0))
        known = rounded[np.isfinite(rounded)]
        # The mean over a trial's own requests scatters a little: 7.49 and 7.51 are not two kinds.
        if len(np.unique(known)) > 1 and np.nanmax(m) > 1.1 * np.nanmin(m):
            shown = pd.Series(rounded, index=runs.index).map("{:g}".format)
            comma = np.where(scopes != "", ", ", "")
            scopes += comma + shown.where(np.isfinite(rounded), MISSING) + " candidates per request"
    return scopes.astype(str)
