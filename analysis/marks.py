"""Rows of a table as marks of a figure, each with the name of what it shows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scaling.analysis.figure import Kind, Layer


def marks(kind: Kind, key: str, table: pd.DataFrame, x: str, y: str) -> Layer:
    """A mark per row. `ids` of runs are their `run_id`, or else their row in the table; of
    configurations and frontier points their `configuration` (a point between configurations, as a
    fitted minimum is, has none: an empty id)."""
    ids: tuple[str, ...] = ()
    if kind == "seeds":
        ids = _known(table, "run_id", [str(row) for row in table.index])
    elif kind in ("configurations", "frontier") and "configuration" in table:
        ids = _known(table, "configuration", [""] * len(table))
    return Layer(
        kind, key, table[x].to_numpy(dtype=np.float64), table[y].to_numpy(dtype=np.float64), ids=ids
    )


def positive(table: pd.DataFrame, column: str) -> pd.Series[bool]:
    """Which rows have a positive number in the column; none of a table without it."""
    if column not in table:
        return pd.Series([False])
    return pd.to_numeric(table[column], errors="coerce") > 0


def finite(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The rows with a positive finite number in every column; none of a table without one."""
    if not set(columns) <= set(table):
        return table.iloc[:0]
    numbers = table[list(columns)].apply(pd.to_numeric, errors="coerce")
    known: pd.DataFrame = table[((numbers > 0) & np.isfinite(numbers)).all(axis=1)]
    return known


def _known(table: pd.DataFrame, column: str, otherwise: list[str]) -> tuple[str, ...]:
    if column not in table:
        return tuple(otherwise)
    values = table[column]
    return tuple(
        other if missing else str(value)
        for value, missing, other in zip(values, values.isna(), otherwise)
    )
