"""`climber next` and `climber trust`: what is proposed can be run, what is found is written."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from scaling.cli import main

from .conftest import Climber

Study = tuple[Path, Climber, str]


def test_the_spec_holds_what_is_done_and_what_is_new(swept: Study) -> None:
    folder, climber, _ = swept
    printed = climber(
        "next", "tiny", "--law", "power", "--max-compute", "3e9", "-o", "next.json"
    ).stdout
    assert "predicted loss" in printed
    assert printed.rstrip().endswith("next: climber plan next.json, then climber sweep next.json")
    trials = json.loads((folder / "next.json").read_text())["trials"]
    assert len(trials) > 12
    assert sum(trial["budget"] for trial in trials[12:]) <= 3e9
    planned = climber("plan", "next.json").stdout
    assert f"{len(trials)} trials: {len(trials) - 12} to do, 12 done" in planned


def test_a_foreign_table_gets_rows(swept: Study) -> None:
    folder, climber, _ = swept
    climber("runs", "tiny", "-o", "table.csv")
    printed = climber(
        "next", "--runs", "table.csv", "--law", "power", "--max-compute", "3e9", "-o", "rows.json",
    ).stdout  # fmt: skip
    assert "can't be run here" in printed
    found = json.loads((folder / "rows.json").read_text())
    assert found["goal"] == "exponent"
    assert found["compute"] == pytest.approx(sum(row["compute"] for row in found["rows"]))


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    compute = [1e10 * 2**k for k in range(7)]
    loss = [0.4 + 20 * c**-0.2 * (1 + 0.002 * (-1) ** k) for k, c in enumerate(compute)]
    pd.DataFrame({"compute": compute, "loss": loss}).to_csv("runs.csv", index=False)
    return tmp_path


def test_trust_tells_all_three(table: Path) -> None:
    result = CliRunner().invoke(main, ["trust", "--runs", "runs.csv", "--json", "trust.json"])
    assert result.exit_code == 0, result.output
    for text in ("hold-out of law `offset`", "laws by extrapolation error", "sensitivity: loss"):
        assert text in result.output
    found = json.loads((table / "trust.json").read_text())
    assert found["groups"]["all"]["holdout"]["steps"]
    assert found["groups"]["all"]["selection"]["selected"]
    assert found["sensitivity"]["rows"][0]["choice"] == "as asked"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "a.json"], "Missing option '--max-compute'"),
        (["--max-compute", "1e12", "-o", "a.txt"], "-o a.txt must end in .json"),
        (["--max-compute", "0", "-o", "a.json"], "allowance must be a positive number"),
        (["--max-compute", "1e12", "-o", "a.json", "--at", "-1"], "--at takes positive FLOPs"),
        (["--max-compute", "1e12", "-o", "a.json", "--goal", "speed"], "'exponent', 'crossing'"),
        (["--max-compute", "1e3", "-o", "a.json"], "pay for no run: the smallest measured"),
    ],
)
def test_bad_input_is_named(table: Path, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["next", "--runs", "runs.csv", *arguments])
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.split())
