"""The run table: one row per trial, the same columns whoever made it."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

TEXT_COLUMNS = (
    "architecture", "variant", "role", "dataset", "data_fingerprint", "split", "configuration",
    "precision", "device", "sweep", "digest", "code_version", "run_id", "status", "reason",
)  # fmt: skip
"""Columns that hold words; all others hold numbers."""

COLUMNS = (
    "architecture", "variant", "role", "depth", "width", "seq_len", "blocks", "params", "params_embedding",
    "budget", "compute", "compute_causal", "compute_nominal", "flops_per_request",
    "flops_per_request_single", "examples", "unique_examples", "requests",
    "candidates_per_request", "events_per_request", "steps", "epochs", "dataset",
    "data_fingerprint", "split", "seed", "configuration", "lr", "batch_size", "precision", "device",
    "threads", "workers", "loss", "ne", "auc", "gauc", "validation_loss",
    "validation_ne", "validation_auc", "loss_floor", "train_seconds", "wall_seconds",
    "planned_seconds", "examples_per_second", "mfu", "peak_memory_bytes", "latency_ms", "latency_cached_ms", "sweep",
    "digest", "code_version", "run_id", "status", "reason",
)  # fmt: skip
"""The order of the columns; `loss.BEHAVIOUR` and `auc.BEHAVIOUR` follow `validation_auc`."""

NUMERIC_COLUMNS = tuple(name for name in COLUMNS if name not in TEXT_COLUMNS)


def ordered(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every contract column, in order; further columns behind `validation_auc`."""
    extra = sorted(name for name in table.columns if name not in COLUMNS)
    split = COLUMNS.index("validation_auc") + 1
    table = table.reindex(columns=[*COLUMNS[:split], *extra, *COLUMNS[split:]])
    # At once: set one by one, the columns of a large table are copied again and again.
    return pd.DataFrame(
        {
            name: pd.to_numeric(column) if name in NUMERIC_COLUMNS else column
            for name, column in table.items()
        },
        index=table.index,
    )


def read_runs(path: Path, columns: dict[str, str] | None = None) -> pd.DataFrame:
    """A run table from CSV or Parquet (by the file's ending).

    Args:
        path: the file.
        columns: our name to theirs, for tables that call a column otherwise.

    Raises:
        ValueError: no such file, an unknown ending, an unreadable file, or a column that is not there.
    """
    if not path.is_file():
        raise ValueError(f"no run table at {path}")
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"{path} must end in .csv or .parquet")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' and pyarrow's parser errors are ValueErrors
        raise ValueError(f"{path} is not a readable run table: {error}") from error
    for ours, theirs in (columns or {}).items():
        if theirs not in table.columns:
            raise ValueError(
                f"{path} has no column {theirs!r} (wanted as {ours!r}); "
                f"it has: {', '.join(map(str, table.columns))}"
            )
        table[ours] = table[theirs]
    return table.copy()  # pandas reads each column by itself, and warns where many are added to


def write_runs(table: pd.DataFrame, path: Path) -> None:
    """Write a run table as CSV or Parquet; a partly written file never bears the final name."""
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"{path} must end in .csv or .parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        if path.suffix == ".parquet":
            table.to_parquet(aside, index=False)
        else:
            table.to_csv(aside, index=False)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
