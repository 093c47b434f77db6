"""Rows are used or listed; seeds are averaged first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.configurations import configuration_numbers, configurations, usable


def test_every_row_is_used_or_listed_with_its_reason(runs: pd.DataFrame) -> None:
    runs["digest"] = [f"d{i}" for i in range(len(runs))]
    runs.loc[1, ["status", "reason"]] = ["failed", "loss is NaN at step 40"]
    runs.loc[2, "loss"] = np.nan
    runs.loc[3, "compute"] = 0.0
    runs.loc[4, "status"] = "running"
    runs.loc[5, "digest"] = "d0"
    found = usable(runs, ["compute", "loss"])
    assert found.excluded["excluded"].to_dict() == {
        1: "failed: loss is NaN at step 40",
        2: "loss is missing",
        3: "compute is not positive: 0",
        4: "running",
        0: "run again: a later row has its digest",
    }
    assert sorted([*found.runs.index, *found.excluded.index]) == list(runs.index)


def test_a_run_that_was_made_again_counts(runs: pd.DataFrame) -> None:
    """A failed attempt, or one that was stopped, hides no later one that finished."""
    runs["digest"] = [f"d{i}" for i in range(len(runs))]
    runs.loc[[0, 1], "status"] = ["failed", "stopped"]
    runs.loc[[2, 3], "digest"] = ["d0", "d1"]
    assert list(usable(runs, ["loss"]).excluded.index) == [0, 1]


def test_a_configuration_with_a_stopped_seed_is_left_out_whole(runs: pd.DataFrame) -> None:
    """What is stopped is a configuration's worst seed: the mean of the others is too good."""
    numbers = configuration_numbers(runs)
    mates = np.flatnonzero(numbers == numbers[0])
    assert len(mates) > 1
    runs.loc[mates[0], ["status", "reason"]] = ["stopped", "at 60% of its budget"]
    found = usable(runs, ["loss"]).excluded["excluded"].to_dict()
    assert found.pop(mates[0]) == "stopped: at 60% of its budget"
    assert found == dict.fromkeys(
        mates[1:],
        "another seed of its configuration was stopped early: a mean would be too good",
    )


def test_repeated_rows_are_listed_without_digests(runs: pd.DataFrame) -> None:
    found = usable(pd.concat([runs, runs.head(2)]), ["loss"])
    assert found.excluded["excluded"].tolist() == ["the same as an earlier row"] * 2


def test_a_missing_column_is_named(runs: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="no column 'ne'; it has: architecture"):
        usable(runs, ["ne"])


def test_seeds_are_averaged(runs: pd.DataFrame) -> None:
    table = configurations(runs, "loss")
    assert len(table) == 30
    assert (table["num_seeds"] == 2).all()
    one = runs[runs["configuration"] == table["configuration"][0]]
    assert table["loss"][0] == pytest.approx(one["loss"].mean())
    assert table["target_std"][0] == pytest.approx(one["loss"].std())


@pytest.mark.parametrize("dropped", [["configuration"], ["configuration", "budget"]])
def test_configurations_are_told_apart_without_their_names(
    runs: pd.DataFrame, dropped: list[str]
) -> None:
    named = configurations(runs, "loss")["loss"].to_numpy()
    unnamed = configurations(runs.drop(columns=dropped), "loss")["loss"].to_numpy()
    np.testing.assert_allclose(np.sort(unnamed), np.sort(named))


def test_a_bare_table_has_one_configuration_per_row(curve: pd.DataFrame) -> None:
    assert len(configurations(curve, "loss")) == len(curve)


def test_the_order_of_runs_is_nothing(runs: pd.DataFrame) -> None:
    shuffled = runs.sample(frac=1, random_state=2)
    pd.testing.assert_frame_equal(configurations(shuffled, "loss"), configurations(runs, "loss"))
