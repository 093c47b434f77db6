"""From runs to configurations: which rows count, and the average over a configuration's seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

IDENTITY = (
    "architecture", "dataset", "split", "configuration", "depth", "width", "seq_len", "blocks",
    "params", "params_embedding", "budget", "lr", "batch_size", "precision",
)  # fmt: skip
"""What makes a configuration where the table doesn't name it."""


@dataclass(frozen=True)
class Usable:
    """A run table split by whether a row can be used; together the two hold every row."""

    runs: pd.DataFrame
    excluded: pd.DataFrame
    """Rows left out, with the column `excluded` (why)."""

    def why_none(self, *otherwise: str) -> str:
        """Why no run is usable; `otherwise` where no row says it."""
        reasons = ", ".join(sorted(set(self.excluded["excluded"].map(str)))[:3])
        return reasons or ", ".join(otherwise) or "the table is empty"


def usable(runs: pd.DataFrame, columns: Sequence[str]) -> Usable:
    """Split off the rows that can't be used: failed, missing or non-positive numbers, repeats.

    Args:
        runs: a run table.
        columns: numbers that a row needs, all of them positive.

    Raises:
        ValueError: a column that the table doesn't have.
    """
    if not runs.index.is_unique:  # of tables put together: rows could not be named
        runs = runs.reset_index(drop=True)
    for name in columns:
        if name not in runs.columns:
            raise ValueError(
                f"the run table has no column {name!r}; it has: {', '.join(map(str, runs.columns))}"
            )
    why = pd.Series("", index=runs.index, dtype=object)

    def mark(rows: pd.Series[bool], reason: str) -> None:
        why[rows & (why == "")] = reason

    if "status" in runs.columns:
        status = runs["status"].fillna("finished").astype(str)
        detail = _text(runs, "reason")
        for row in runs.index[(status != "finished").to_numpy()]:
            why[row] = status[row] + (f": {detail[row]}" if detail[row] else "")
    for name in columns:
        numbers = pd.to_numeric(runs[name], errors="coerce")
        mark(numbers.isna() | np.isinf(numbers), f"{name} is missing")
        for row in runs.index[(numbers <= 0).to_numpy() & (why == "").to_numpy()]:
            why[row] = f"{name} is not positive: {numbers[row]:g}"
    if "digest" in runs.columns:
        good = runs["digest"].where(why == "")
        mark(good.notna() & good.duplicated(keep="last"), "run again: a later row has its digest")
    elif "seed" in runs.columns:
        mark(runs.duplicated(), "the same as an earlier row")
    for row in runs.index[_half_stopped(runs, why)]:
        why[row] = "another seed of its configuration was stopped early: a mean would be too good"
    bad = (why != "").to_numpy()
    return Usable(runs[~bad].copy(), runs[bad].assign(excluded=why[bad]))


def _half_stopped(runs: pd.DataFrame, why: pd.Series[str]) -> np.ndarray:
    """Usable runs of configurations with a stopped run that did not finish later, `[runs]`."""
    if "status" not in runs.columns or not (runs["status"] == "stopped").any():
        return np.zeros(len(runs), dtype=bool)
    stopped = (runs["status"] == "stopped").to_numpy()
    good = (why == "").to_numpy()
    if "digest" in runs.columns:
        stopped = stopped & ~runs["digest"].isin(runs["digest"][good].dropna()).to_numpy()
    numbers = configuration_numbers(runs)
    return good & np.isin(numbers, numbers[stopped])


def configuration_numbers(runs: pd.DataFrame) -> np.ndarray:
    """Number of each run's configuration, from 0, `[runs]`.

    A configuration is named by the column `configuration`, else by the columns of `IDENTITY` that
    the table has (and how long was trained, where no budget says so); a table with neither has one
    configuration per row.
    """
    keys = [name for name in IDENTITY if name in runs.columns and runs[name].notna().any()]
    if "configuration" in keys:
        keys = [name for name in ("architecture", "dataset", "configuration") if name in keys]
    elif not {"seq_len", "depth", "width", "params"} & set(keys):
        return np.arange(len(runs))  # a budget alone may hold many configurations
    elif "budget" not in keys:
        keys += [name for name in ("examples", "compute") if name in runs.columns][:1]
    numbers = runs.groupby(keys, sort=True, dropna=False).ngroup().to_numpy(dtype=np.int64).copy()
    if "configuration" in keys:  # a row without a name is no other row's repeat
        unnamed = runs["configuration"].isna().to_numpy()
        numbers[unnamed] = numbers.max() + 1 + np.arange(unnamed.sum())
    return numbers


def configurations(runs: pd.DataFrame, target: str) -> pd.DataFrame:
    """One row per configuration: numbers averaged over its seeds.

    Adds `num_seeds` and `target_std` (between seeds; missing for one), and sorts the rows by
    content, so that nothing that follows depends on the order of the runs.
    """
    groups = runs.groupby(configuration_numbers(runs), sort=True)
    numbers = [name for name in runs.columns if _numeric(runs[name])]
    words = [name for name in runs.columns if name not in numbers]
    table = pd.concat([groups[numbers].mean(), groups[words].first()], axis=1)[[*runs.columns]]
    table["num_seeds"] = groups.size()
    table["target_std"] = groups[target].std()
    order = [name for name in ("architecture", "budget", "compute", target) if name in table]
    return table.sort_values(order, kind="stable", ignore_index=True)


def selection_column(table: pd.DataFrame, target: str) -> str:
    """What a choice goes by: the validation loss where every row has one, else the target."""
    name = f"validation_{target}"
    known = name in table and bool((pd.to_numeric(table[name], errors="coerce") > 0).all())
    return name if known else target


def _numeric(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column)) and not pd.api.types.is_bool_dtype(column)


def _text(runs: pd.DataFrame, name: str) -> pd.Series:
    if name not in runs.columns:
        return pd.Series("", index=runs.index)
    return runs[name].astype(object).fillna("").astype(str)
