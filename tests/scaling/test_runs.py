"""The run table: columns, round trips, errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling.runs import COLUMNS, ordered, read_runs, write_runs


def table() -> pd.DataFrame:
    return ordered(
        pd.DataFrame(
            {
                "architecture": ["astro", "transformer"],
                "loss": [0.123456789012345678, np.nan],
                "compute": [1e21, 3.3e9],
                "loss.finish": [0.5, 0.25],
            }
        )
    )


def test_columns_are_the_contracts_in_order() -> None:
    columns = list(table().columns)
    assert [c for c in columns if c in COLUMNS] == list(COLUMNS)
    assert columns[columns.index("validation_auc") + 1] == "loss.finish"


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_round_trip_keeps_every_digit_and_every_gap(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "out" / f"runs.{ending}"
    write_runs(table(), path)
    back = ordered(read_runs(path))
    numbers = ["loss", "compute", "loss.finish", "params"]
    pd.testing.assert_frame_equal(back[numbers], table()[numbers], check_exact=True)
    assert back["architecture"].tolist() == ["astro", "transformer"]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_theirs_becomes_ours(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("N,final\n10,0.5\n")
    back = read_runs(path, {"params": "N", "loss": "final"})
    assert back["params"].tolist() == [10]
    with pytest.raises(ValueError, match=r"no column 'X' \(wanted as 'loss'\).*N, final"):
        read_runs(path, {"loss": "X"})


def test_unreadable_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no run table at .*none\.csv"):
        read_runs(tmp_path / "none.csv")
    odd = tmp_path / "runs.xlsx"
    odd.write_text("")
    with pytest.raises(ValueError, match=r"must end in \.csv or \.parquet"):
        read_runs(odd)
    truncated = tmp_path / "runs.parquet"
    write_runs(table(), truncated)
    truncated.write_bytes(truncated.read_bytes()[:-20])
    with pytest.raises(ValueError, match="not a readable run table"):
        read_runs(truncated)


def test_a_wide_table_takes_further_columns_without_a_warning(tmp_path: Path) -> None:
    """As a store with many metrics makes it; warnings are errors here."""
    path = tmp_path / "runs.csv"
    write_runs(pd.DataFrame({f"metric-{place}": [0.5] for place in range(150)}), path)
    assert read_runs(path).assign(excluded="").shape == (1, 151)
