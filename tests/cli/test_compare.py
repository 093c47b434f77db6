"""`climber compare` as a user has it: tables, verdict, files, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from scaling.cli import main

Ask = Callable[..., Result]


@pytest.fixture
def ask(simulate: Callable[..., pd.DataFrame], tmp_path: Path) -> Ask:
    """Asks about a table in which astro needs 0.49 of the compute."""
    runs = simulate(sizes=3, seeds=2)
    runs.to_csv(tmp_path / "runs.csv", index=False)

    def asked(*arguments: str, code: int = 0, candidate: str = "astro") -> Result:
        table = str(tmp_path / "runs.csv")
        names = ("--baseline", "transformer", "--candidate", candidate, "--bootstrap", "100")
        done = CliRunner().invoke(main, ["compare", "--runs", table, *names, *arguments])
        assert done.exit_code == code, done.output
        return done

    return asked


def test_table_verdict_json_and_figure(ask: Ask, tmp_path: Path) -> None:
    printed = ask("--json", str(tmp_path / "c.json"), "-o", str(tmp_path / "out")).output
    assert "astro is cheaper" in printed
    assert "configurations per budget" in printed
    assert "probability inside the common range" in printed
    assert printed.rstrip().splitlines()[-1].startswith("next: climber report")
    assert (tmp_path / "out" / "multiplier_vs_compute.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((tmp_path / "c.json").read_text())
    assert found["verdict"] == "candidate cheaper"
    assert (found["baseline"], found["candidate"]) == ("transformer", "astro")
    assert found["decided_at"] in [at["compute"] for at in found["multiplier"]]
    assert found["level"] == 0.95


def test_usage_errors_name_the_choices(ask: Ask) -> None:
    assert "valid: astro, transformer" in ask(candidate="din", code=2).output
    assert "--all-runs" in ask("--all-runs", code=2).output
    assert "latency_ms" in ask("--cost", "latency_ms", code=2).output
    assert "not in compute" in ask("--law", "chinchilla", code=2).output


def test_latency_is_a_cost(ask: Ask, tmp_path: Path) -> None:
    import pandas as pd

    path = tmp_path / "runs.csv"
    table = pd.read_csv(path)
    table["latency_ms"] = table["compute"] ** 0.5 / 1e5
    table["latency_cached_ms"] = table["latency_ms"] / 4
    machine = {"device": "cpu", "threads": 1, "precision": "fp32"}
    table.assign(**machine).to_csv(path, index=False)
    printed = ask("--cost", "latency_cached_ms", "--json", str(tmp_path / "c.json")).output
    assert "latency with cached history" in printed
    assert json.loads((tmp_path / "c.json").read_text())["verdict"] == "candidate cheaper"
    slow = table["architecture"] == "astro"
    unlike = table.assign(**machine).assign(threads=slow.map({True: 2, False: 1}))
    unlike.to_csv(path, index=False)
    assert "different threads" in ask("--cost", "latency_ms", code=2).output


def test_a_fit_that_cannot_be_made_fails(ask: Ask, tmp_path: Path) -> None:
    import pandas as pd

    table = pd.read_csv(tmp_path / "runs.csv")
    budgets = sorted(table["budget"].unique())[:2]
    table[table["budget"].isin(budgets)].to_csv(tmp_path / "runs.csv", index=False)
    assert "error: " in ask(code=1).output
