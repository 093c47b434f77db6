"""A feed that tests fill by hand, and a desk that reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scaling.dashboards.explorer_desk import Desk
from scaling.dashboards.explorer_feed import Link, Snapshot


class Given:
    """Shows the table it was given last, as the sweep `one`; the sweep `two` is empty."""

    name = "a table"

    def __init__(self) -> None:
        self.runs, self.version = pd.DataFrame({"run_id": []}), 0
        self.complete, self.problem, self.listing = True, "", ""
        self.asked_again = 0

    def give(self, runs: pd.DataFrame) -> None:
        self.runs, self.version = runs, self.version + 1

    def sweeps(self) -> Sequence[str]:
        if self.listing:
            raise ValueError(self.listing)
        return ["one", "two"]

    def snapshot(self, sweeps: Sequence[str]) -> Snapshot:
        runs = self.runs if "one" in sweeps else self.runs.iloc[:0]
        return Snapshot(f"{self.version} {sweeps}", runs, self.complete, self.problem)

    def again(self) -> None:
        self.asked_again += 1

    def link(self, sweep: str, run_id: str) -> Link:
        return Link("", f"Run {run_id}: `mlflow ui` shows it.")

    def close(self) -> None:
        return


@pytest.fixture
def feed(simulate: Any) -> Given:
    """Sixty runs of two architectures."""
    given = Given()
    runs = simulate()
    given.give(runs.assign(run_id=[f"{row:032x}" for row in range(len(runs))], sweep="one"))
    return given


@pytest.fixture
def desk(feed: Given, tmp_path: Path) -> Desk:
    return Desk(feed, tmp_path, ["one"])
