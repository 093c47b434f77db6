"""Which runs pass: by the values of a column, or by a range of its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from scaling.dashboards.explorer_state import RANGE
from scaling.units import MISSING

AXES = (
    "status", "dataset", "variant", "depth", "width", "seq_len", "blocks", "budget", "params", "lr",
    "batch_size", "seed", "split", "precision", "device", "threads", "workers", "examples", "role",
    "code_version",
)  # fmt: skip
"""Columns that runs are filtered by, in the order of the page."""
FEW = 12
"""A column with at most so many values is filtered by them, another one by a range."""


@dataclass(frozen=True)
class Axis:
    """One column to filter by."""

    name: str
    values: tuple[str, ...]
    """Those that occur, as text and in order; empty for a range."""
    low: float = math.nan
    high: float = math.nan
    """The range that occurs."""


def axes_of(runs: pd.DataFrame) -> list[Axis]:
    """The columns in which these runs differ."""
    found = []
    for name in (one for one in AXES if one in runs.columns):
        column = runs[name]
        if (count := column.nunique(dropna=False)) < 2:
            continue
        if count <= FEW:
            texts = as_text(column)
            order = dict(zip(texts, column))
            found.append(Axis(name, tuple(sorted(order, key=lambda t: _key(order[t])))))
        elif pd.api.types.is_numeric_dtype(column):
            found.append(Axis(name, (), float(column.min()), float(column.max())))
    return found


def passing(
    runs: pd.DataFrame, filters: Mapping[str, Sequence[str]]
) -> tuple[pd.DataFrame, list[str]]:
    """The rows that pass every filter, and what can't be filtered, in sentences."""
    told, keep = [], pd.Series(True, index=runs.index)
    for axis, wanted in filters.items():
        if axis not in AXES or axis not in runs.columns:
            told.append(
                f"Nothing is filtered by {axis!r}: no such axis here; valid: "
                f"{', '.join(one for one in AXES if one in runs.columns)}."
            )
        elif len(wanted) == 1 and RANGE in wanted[0]:
            try:
                low, high = ends(wanted[0])
            except ValueError as error:
                told.append(f"Nothing is filtered by {axis}: {error}.")
                continue
            numbers = pd.to_numeric(runs[axis], errors="coerce")
            keep &= numbers.between(low, high)
        else:
            keep &= as_text(runs[axis]).isin(list(wanted))
    return runs[keep], told


def ends(text: str) -> tuple[float, float]:
    """The ends of `LOW..HIGH`, either of which may be missing; `ValueError` for anything else."""
    low, _, high = text.partition(RANGE)
    try:
        found = (
            float(low) if low.strip() else -math.inf,
            float(high) if high.strip() else math.inf,
        )
    except ValueError:
        raise ValueError(f"{text!r} is no range; valid: such as 1e-3{RANGE}1e-2") from None
    if not found[0] <= found[1]:
        raise ValueError(f"the range {text!r} holds no number: its ends are in the wrong order")
    return found


def as_text(column: pd.Series) -> pd.Series[str]:
    """How the values of a column are written in the page and in addresses."""
    known = {value: _text(value) for value in column.dropna().unique()}
    return column.map(known).astype(object).where(column.notna(), MISSING)


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float | int) else str(value)


def _key(value: object) -> tuple[int, float, str]:
    if isinstance(value, float | int):
        return (2, 0.0, "") if math.isnan(value) else (0, float(value), "")
    return (2, 0.0, "") if value is None else (1, 0.0, str(value))
