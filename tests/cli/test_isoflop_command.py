"""`climber isoflop` on a table: what it prints, what it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from scaling.cli import main


def climber(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["isoflop", *arguments])


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """`runs.csv` in the working directory: 3 budgets of 6 sizes, L = 1.8 + 480 N^-.35 + 2100 D^-.37."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = []
    for budget in (1e18, 1e19, 1e20):
        best = (0.35 * 480 / (0.37 * 2100) * (budget / 6) ** 0.37) ** (1 / 0.72)
        for size in best * 2.0 ** np.arange(-2.6, 3):
            examples = budget / 6 / size
            loss = 1.8 + 480 * size**-0.35 + 2100 * examples**-0.37
            rows.append(
                {
                    "architecture": "astro", "params": size, "budget": budget, "compute": budget,
                    "examples": examples, "loss": loss * np.exp(0.001 * rng.normal()),
                }
            )  # fmt: skip
    made = pd.DataFrame(rows)
    made.to_csv("runs.csv", index=False)
    return made


def test_minima_exponents_shape_figure_and_json() -> None:
    result = climber(
        "--runs", "runs.csv", "--bootstrap", "50", "--budget", "1e21", "--json", "out.json",
        "-o", "plots",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    for text in ("best params by exponentials", "exponent of compute", "best shape at 1e+21 FLOPs",
                 "extrapolated", "wrote plots/isoflop.png", "wrote plots/isoflop.svg",
                 "wrote out.json", "next: climber"):  # fmt: skip
        assert text in result.output, result.output
    assert Path("plots/isoflop.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads(Path("out.json").read_text())
    group = found["groups"]["astro"]
    assert len(group["minima"]) == 3
    low, high = group["exponent"]["params"]["interval"]
    assert low < 0.37 / 0.72 < high
    (shape,) = found["optimal_shape"]
    assert shape["groups"]["astro"]["params"]["extrapolated"] is True


def test_nothing_found_exits_with_one(table: pd.DataFrame) -> None:
    falling = table[table["params"] < table.groupby("budget")["params"].transform("median")]
    falling.to_csv("falling.csv", index=False)
    result = climber("--runs", "falling.csv", "--bootstrap", "0")
    assert result.exit_code == 1, result.output
    assert "no best params at 1e+18 FLOPs: the lowest loss is at the largest" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say either SWEEP or --runs FILE"),
        (["--runs", "none.csv"], "no run table at none.csv"),
        (["--runs", "runs.csv", "--size", "width"], "params"),
        (["--runs", "runs.csv", "--size", "flops_per_request"], "no column 'flops_per_request'"),
        (
            ["--runs", "runs.csv", "--bootstrap", "0", "--budget", "-1"],
            "a budget must be a positive number",
        ),
        (["--runs", "runs.csv", "--by", "colour"], "no column 'colour' to group by"),
        (["--runs", "mixed.csv"], "the table mixes data set a and data set b"),
    ],
)
def test_bad_input_is_named(table: pd.DataFrame, arguments: list[str], message: str) -> None:
    half = np.where(np.arange(len(table)) % 2, "a", "b")
    table.assign(dataset=half).to_csv("mixed.csv", index=False)
    result = climber(*arguments)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.split())


def test_other_names_of_columns(table: pd.DataFrame) -> None:
    table.rename(columns={"params": "N", "loss": "final"}).to_csv("theirs.csv", index=False)
    result = climber(
        "--runs", "theirs.csv", "--column", "params=N", "--column", "loss=final", "--bootstrap", "0",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
