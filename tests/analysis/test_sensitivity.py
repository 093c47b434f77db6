"""Sensitivity: every choice has its row; what moves an answer shows, what can't be tried says why."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.sensitivity import Row, Sensitivity, sensitivity

Simulate = Callable[..., pd.DataFrame]


@pytest.fixture
def counted(runs: pd.DataFrame) -> pd.DataFrame:
    """With FLOPs counted otherwise: half the work at every size, and a share that grows."""
    return runs.assign(
        compute_causal=runs["compute"] / 2,
        compute_nominal=runs["compute"] * (runs["budget"] / 1e12) ** 0.1,
        params_embedding=1e5,
    )


def rows(found: Sensitivity, choice: str, setting: str = "") -> list[Row]:
    return [r for r in found.rows if r.choice == choice and r.setting.startswith(setting)]


def test_the_standard_table(counted: pd.DataFrame) -> None:
    found = sensitivity(counted, law="power")
    asked = {row.group: row for row in rows(found, "as asked")}
    assert set(asked) == {"astro", "transformer"}
    assert found.baseline == "transformer"
    assert asked["transformer"].multiplier is None
    assert asked["astro"].multiplier is not None
    choices = {row.choice for row in found.rows}
    assert choices == {
        "as asked", "parameters", "attention", "lengths", "objective", "range", "rows", "seeds",
        "checkpoints",
    }  # fmt: skip
    # A constant factor on compute moves no exponent; C^1.1 for C divides it by 1.1.
    alpha = asked["astro"].exponents["alpha"][0]
    assert rows(found, "attention")[0].exponents["alpha"][0] == pytest.approx(alpha, rel=1e-3)
    nominal = rows(found, "lengths")[0].exponents["alpha"][0]
    assert nominal == pytest.approx(alpha / 1.1, rel=1e-2)
    assert [row.setting for row in rows(found, "seeds")] == ["only 0"] * 2 + ["only 1"] * 2
    described = found.to_dict()
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    head, printed = found.table()
    assert {len(row) for row in printed} == {len(head)}
    assert len(found.frame()) == len(found.rows)


def test_dropping_the_largest_compute_drops_each_groups_own(runs: pd.DataFrame) -> None:
    astro = runs[runs["architecture"] == "astro"]
    other = runs[(runs["architecture"] != "astro") & (runs["budget"] < 9e12)]
    spoilt = astro.assign(loss=np.where(astro["budget"] > 9e12, 0.9, astro["loss"]))
    spoilt["validation_loss"] = spoilt["loss"]
    clean, bad = (
        sensitivity(pd.concat([table, other]), law="power", objective="squares")
        for table in (astro, spoilt)
    )
    for group in ("astro", "transformer"):
        one, two = (
            next(r for r in rows(found, "range", "without the largest") if r.group == group)
            for found in (clean, bad)
        )
        assert one.exponents == two.exponents
    moved = [rows(found, "as asked")[0].exponents["alpha"][0] for found in (clean, bad)]
    assert abs(moved[0] - moved[1]) > 0.01


def test_embeddings_move_a_law_in_parameters(simulate: Simulate) -> None:
    one = simulate({"astro": (30.0, 0.2)}).assign(params_embedding=1e5)
    found = sensitivity(one, law="kaplan")
    base = rows(found, "as asked")[0].exponents["alpha_N"][0]
    assert rows(found, "parameters")[0].exponents["alpha_N"][0] != pytest.approx(base, rel=0.01)
    assert "does not read compute" in rows(found, "attention")[0].note
    assert "isn't in compute" in rows(found, "rows")[0].note
    assert rows(found, "as asked")[0].loss is not None
    assert rows(found, "as asked")[0].multiplier is None


def test_a_choice_that_cannot_be_made_keeps_its_row(curve: pd.DataFrame) -> None:
    found = sensitivity(curve, law="offset")
    notes = {(row.choice, row.setting): row.note for row in found.rows}
    assert notes["attention", "causal half counted"] == "the table has no column compute_causal"
    assert notes["lengths", "nominal"] == "the table has no column compute_nominal"
    assert notes["parameters", "embedding counted"] == "law offset does not read params"
    assert notes["seeds", "a half"] == "the table has no column seed"
    assert "checkpoints" in notes["checkpoints", "last of each run"]
    gap = curve.assign(compute_causal=[np.nan, *curve["compute"][1:]])
    missing = rows(sensitivity(gap), "attention")[0].note
    assert missing == "compute_causal is missing in 1 of 9 runs"


def test_checkpoints_of_a_run_can_be_left_out(curve: pd.DataFrame) -> None:
    early = curve.assign(examples=1.0, loss=curve["loss"] * 1.3, compute=curve["compute"] / 2)
    late = curve.assign(examples=2.0)
    both = pd.concat([early, late], ignore_index=True)
    both["run_id"] = [f"run{i}" for i in range(9)] * 2
    found = sensitivity(both, law="offset", all_runs=True)
    last = rows(found, "checkpoints")[0]
    assert last.exponents["alpha"][0] == pytest.approx(0.2, rel=1e-4)


def test_bad_input_is_refused_as_by_the_analysis(runs: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="no group 'bert' to compare with; valid: astro"):
        sensitivity(runs, baseline="bert")
    with pytest.raises(ValueError, match="no column 'accuracy'"):
        sensitivity(runs, target="accuracy")
