"""A whole study from the command line, on a user's own sweep file."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from .conftest import Climber

Study = tuple[Path, Climber, str]


def test_a_sweep_ends_by_naming_the_next_command(swept: Study) -> None:
    folder, _, printed = swept
    assert "tiny: 12 of 12 trials are done (12 trained now" in printed
    assert printed.rstrip().endswith("next: climber fit tiny")
    assert (folder / "mlflow.db").is_file()
    assert not (folder / "mlruns").exists()


def test_a_second_launch_has_nothing_to_do(swept: Study) -> None:
    _, climber, _ = swept
    again = climber("sweep", "my_sweeps.py:tiny").stdout
    assert "12 of 12 trials are done (0 trained now" in again
    assert "12 finished before" in again
    assert "12 trials: 0 to do, 12 done" in climber("plan", "my_sweeps.py:tiny").stdout


def test_status_counts_what_is_done(swept: Study) -> None:
    _, climber, _ = swept
    assert "tiny: 12 of 12 trials finished" in climber("status", "tiny").stdout


def test_a_table_fits_as_the_sweep_does(swept: Study) -> None:
    folder, climber, _ = swept
    climber("runs", "tiny", "-o", "runs.csv")
    table = pd.read_csv(folder / "runs.csv")
    assert len(table) == table["digest"].nunique() == 12
    assert table["loss"].notna().all()
    logged = climber("fit", "tiny", "--law", "power", "--bootstrap", "100", "--json", "a.json")
    climber(
        "fit", "--runs", "runs.csv", "--law", "power", "--bootstrap", "100", "--json", "b.json",
        "--share", "alpha",
    )  # fmt: skip
    assert set(json.loads((folder / "b.json").read_text())["joint"]["shared"]) == {"alpha"}
    a, b = (json.loads((folder / name).read_text()) for name in ("a.json", "b.json"))
    assert a["groups"] == b["groups"]
    assert [one["frontier"]["users"] is None for one in (*a["comparisons"], *b["comparisons"])] == [
        False, True,
    ]  # fmt: skip
    assert set(a["groups"]) == {"transformer", "astro"}
    assert set(a["groups"]["astro"]["params"]) == {"A", "alpha"}
    assert "best loss that astro (recent 4 + like 4) can reach" in logged.stdout


def test_plots_and_report_are_written_and_kept_with_the_sweep(swept: Study) -> None:
    folder, climber, _ = swept
    printed = climber("plot", "tiny", "--bootstrap", "100", "-o", "plots").stdout
    assert (folder / "plots" / "loss_vs_compute.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "plots" / "loss_vs_compute.svg").read_text()
    assert f"wrote {Path('plots') / 'loss_vs_compute.png'}" in printed
    climber("report", "tiny", "--law", "power", "--bootstrap", "100", "-o", "page.html")
    page = (folder / "page.html").read_text()
    assert "climber report tiny --law power --bootstrap 100 -o page.html" in page
    assert "How far to trust this" in page
    assert "the lives of the 8 test users" in page
    assert page.count('aria-label="synthetic: ') == 5
    assert list((folder / "mlartifacts").rglob("analysis/page.html"))


def test_the_logged_spec_runs_again_as_it_is(swept: Study) -> None:
    folder, climber, _ = swept
    (spec,) = (folder / "mlartifacts").rglob("artifacts/spec.json")
    assert "12 trials: 0 to do, 12 done" in climber("plan", str(spec)).stdout


def test_max_compute_cuts_whole_budgets(swept: Study) -> None:
    _, climber, _ = swept
    done = climber("plan", "my_sweeps.py:tiny", "--max-compute", "1.5e9")
    assert "leaves out the budgets 6e+08" in done.stderr
    assert "8 trials" in done.stdout
    too_little = climber("plan", "my_sweeps.py:tiny", "--max-compute", "1e8", code=2)
    assert "smallest budget, 1e+08, need 4e+08 FLOPs" in too_little.stderr


@pytest.mark.slow
def test_the_overhead_of_a_sweep_can_be_measured(swept: Study) -> None:
    _, climber, _ = swept
    printed = climber("bench", "sweep", "--small", "1", "--large", "4").stdout
    assert "each further trial (1 to 4)" in printed
    climber("bench", "sweep", "--small", "4", "--large", "4", code=2)
