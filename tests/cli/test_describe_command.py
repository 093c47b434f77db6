"""`climber data describe` and the report's section on the data, as they are typed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from scaling.analysis.summary import analyse
from scaling.cli import main
from scaling.cli.portrait import bar, time_line_text
from scaling.cli.report_data import shown, sweep_data
from scaling.dashboards.report import write_report
from scaling.datasets.kuairand import KuaiRandConfig
from scaling.datasets.synthetic import SyntheticConfig
from scaling.portrait import TimeLine

TINY = (
    "genres=4", "artists=20", "tracks=100", "dims=8", "requests_per_user=20", "test_users=8",
    "validation_users=8", "validation_requests=32", "test_requests=64",
)  # fmt: skip


def test_describe_names_the_figures_it_wrote(tmp_path: Path) -> None:
    options = [word for option in TINY for word in ("--set", option)]
    folder = tmp_path / "figures"
    result = CliRunner().invoke(
        main, ["data", "describe", "synthetic", *options, "-o", str(folder)]
    )
    assert result.exit_code == 0, result.output
    named = [line[6:] for line in result.output.splitlines() if line.startswith("wrote ")]
    assert sorted(named) == sorted(str(path) for path in folder.iterdir())
    assert len(named) == 10
    assert "counted: the lives of the 8 test users" in result.output
    assert "repeats: " in result.output


def test_a_table_of_runs_has_no_data_to_show(
    tmp_path: Path, simulate: Callable[[], pd.DataFrame]
) -> None:
    runs = simulate()
    page = write_report(
        tmp_path / "r.html",
        runs,
        analyse(runs, bootstrap=0),
        figures=[],
        data=sweep_data(None, None),
    ).read_text()
    assert "A run table doesn&#39;t say where its data are." in page


def test_data_that_are_not_here_are_left_out_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path))
    absent = shown("kuairand", [KuaiRandConfig()])
    assert absent.portrait is None
    assert absent.note.startswith("Left out: the data can't be read here (")
    assert list(tmp_path.iterdir()) == []
    worlds = [SyntheticConfig.tiny(), dataclasses.replace(SyntheticConfig.tiny(), world_seed=1)]
    two = shown("synthetic", list(worlds))
    assert two.portrait is not None
    assert "2 sets of options" in two.note
    assert two.facts["fingerprint"] == worlds[0].fingerprint()


def test_bars_are_exact_to_an_eighth() -> None:
    assert [bar(share) for share in (0, 1e-9, 1 / 32, 0.25, 1)] == [
        "", "▏", "▌", "█" * 4, "█" * 16,
    ]  # fmt: skip


@pytest.mark.parametrize(("days", "each", "marks"), [(4, "day", " vt"), (100, "2 days", "x")])
def test_a_time_line_fits_a_row(days: int, each: str, marks: str) -> None:
    edges = np.arange(days + 1) * 86_400
    events = np.zeros(days, np.int64)
    events[[0, -1]] = 9, 1
    cuts = (86_400, 2 * 86_400 - (0 if days == 4 else 1))
    line = TimeLine("day", edges.astype("datetime64[s]"), events, cuts)
    head, heights, under, _ = time_line_text(line)
    assert head.startswith(f"events per {each}, 1970-01-01 to ")
    assert heights[2:] == "█" + " " * (len(heights) - 4) + "▂"
    assert len(heights) - 2 == (4 if days == 4 else 50)
    assert under[2:] == marks
