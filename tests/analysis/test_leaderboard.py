"""The table of best configurations: chosen by validation, shown on test, with standard errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.leaderboard import leaderboard


def table() -> pd.DataFrame:
    """Two variants at two rates with three seeds; validation and test disagree about the rates."""
    rows = []
    for variant, level in (("a", 0.7), ("b", 0.75)):
        for lr, validation, test in ((1e-3, 0.02, 0.0), (2e-3, 0.0, 0.02)):
            for seed, noise in enumerate((-0.01, 0.0, 0.01)):
                rows.append(
                    {
                        "variant": variant,
                        "configuration": f"{variant}{lr}",
                        "dataset": "x",
                        "lr": lr,
                        "seed": seed,
                        "auc": level + test + noise,
                        "validation_auc": level + validation + noise,
                        "loss": 1 - level,
                        "status": "finished",
                    }
                )
    counted = {"variant": "popularity", "configuration": "p", "dataset": "x", "role": "reference"}
    rows.append({**counted, "auc": 0.6, "validation_auc": 0.6, "status": "finished"})
    return pd.DataFrame(rows)


def test_validation_chooses_and_test_is_shown_with_its_standard_error() -> None:
    best, second, reference = leaderboard(table())
    assert [e.group for e in (best, second, reference)] == ["b", "a", "popularity"]
    assert best.settings["lr"] == 1e-3  # on test the other rate is better
    assert best.metrics["auc"] == pytest.approx((0.75, 0.01 / np.sqrt(3)))
    assert (best.seeds, best.configurations, best.chosen_by) == (3, 2, "validation_auc")
    assert reference.reference
    assert not best.reference
    assert np.isnan(reference.metrics["auc"][1])
    assert np.isnan(reference.metrics["loss"][0])


def test_a_loss_is_better_the_smaller() -> None:
    runs = table().query("role != 'reference'")
    assert [e.group for e in leaderboard(runs, metrics=("loss",))] == ["b", "a"]


def test_failed_runs_are_no_choice_and_nonsense_is_refused() -> None:
    runs = table()
    runs.loc[runs["lr"] == 1e-3, "status"] = "failed"
    assert leaderboard(runs)[0].settings["lr"] == 2e-3
    with pytest.raises(ValueError, match="none of the columns hit"):
        leaderboard(runs, metrics=("hit",))
    with pytest.raises(ValueError, match="no usable run among 13"):
        leaderboard(runs.assign(status="failed"))
    with pytest.raises(ValueError, match="mixes data set"):
        leaderboard(pd.concat([runs, runs.assign(dataset="y")]))
