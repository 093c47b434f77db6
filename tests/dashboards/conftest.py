"""One drawing of every kind; a feed that tests fill by hand, and a desk that reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure as Canvas

from scaling.analysis.bars import BarPanel, Bars, Forest, ForestPanel, TimeBars
from scaling.analysis.figure import Figure, Kind, Layer, Panel
from scaling.analysis.figures import Drawing, figures
from scaling.analysis.plots import draw
from scaling.analysis.summary import analyse
from scaling.analysis.temperatures import HeatMap, HeatPanel
from scaling.dashboards.explorer_desk import Desk
from scaling.dashboards.explorer_feed import Link, Snapshot
from scaling.diagnostics import temperature_name

Simulate = Callable[..., pd.DataFrame]


@pytest.fixture(scope="session")
def drawings(simulate: Simulate) -> dict[str, Drawing]:
    """What a table with everything in it has to show, and by hand what it doesn't have."""
    runs = simulate(lengths=(32, 64, 128))
    runs = runs.assign(
        lr=np.resize([1e-3, 3e-3, 1e-2], len(runs)), loss_floor=0.45, latency_ms=runs["width"] / 10,
        device="cpu", threads=1, precision="fp32", run_id=[f"id{row}" for row in range(len(runs))],
    )  # fmt: skip
    for scenario in range(3):
        runs[temperature_name("0-recent", f"tab_{scenario}")] = 0.8 + 0.2 * scenario
    curves = pd.DataFrame(
        {
            "run_id": np.repeat(["id0", "id1", "id95"], 6), "compute": np.tile(np.geomspace(1e10, 1e11, 6), 3),
            "train_loss": np.linspace(0.9, 0.6, 18),
        }
    )  # fmt: skip
    found, _ = figures(analyse(runs, bootstrap=50), curves=curves)
    named: dict[str, Drawing] = {one.name: one for one in found}
    named |= {
        "every kind": every_kind(),
        "forest": a_forest(log=True),
        "plain": a_forest(log=False),
    }
    days = np.array(["2024-01-01", "2024-01-02", "2024-01-03"], "datetime64[s]")
    named["bars"] = Bars("bars", "", (BarPanel("p", ("a", "b"), np.array([0.25, 0.5])),), ())
    named["times"] = TimeBars(
        "times", "", "events", days, np.array([3.0, 4.0]),
        (("test begins", days[1]), ("later", days[2] + np.timedelta64(9, "D"))), (),
    )  # fmt: skip
    named["heat"] = HeatMap(
        "heat", "", "x", "y",
        (HeatPanel("p", ("a", "a"), ("b", "c"), np.array([[0.5, 1], [np.nan, 3]])),), (),
    )  # fmt: skip
    return named


@pytest.fixture(scope="session")
def printed(drawings: dict[str, Drawing]) -> dict[str, Canvas]:
    """The same, drawn by matplotlib."""
    return {name: draw(drawing) for name, drawing in drawings.items()}


def every_kind() -> Figure:
    """Three panels on shared axes, y of both signs."""
    x = np.array([1e10, 3e10, 1e11])

    def layer(kind: Kind, key: str, *more: float) -> Layer:
        y = np.array([1.0, -2.0, 0.5]) + sum(more)
        upper = y + 1.0 if kind in ("band", "interval") else None
        ids = ("run",) if kind == "trail" else tuple(f"{key}{i}" for i in range(3))
        return Layer(kind, key, x, y, upper, () if upper is not None else ids)

    kinds: tuple[Kind, ...] = (
        "seeds", "configurations", "frontier", "line", "trail", "curve", "beyond", "band", "interval",
    )  # fmt: skip
    nothing = np.array([])
    lines = (
        Layer("floor", "", nothing, np.array([-1.5])),
        Layer("reference", "popular", nothing, np.array([0.4])),
        Layer("reference", "recent", nothing, np.array([0.41])),
    )
    first = (*(layer(kind, "astro") for kind in kinds), *lines)
    panels = (
        Panel("one", first),
        Panel("two", tuple(layer(kind, "hstu", 0.3) for kind in kinds)),
        Panel("three", (layer("trail", "hstu"), layer("trail", "hstu", 0.2))),
    )
    return Figure(
        "every", "Title", "training compute (FLOPs)", "residual (%)", panels, ("astro", "hstu"),
        ("astro: a 0.5", "hstu: a 0.4"), False, "frontier",
    )  # fmt: skip


def a_forest(*, log: bool) -> Forest:
    """Rows with an interval, an open one, none, and no value."""
    values, upper = np.array([1.0, 2.0, 3.0, np.nan]), np.array([1.5, np.inf, np.nan, np.nan])
    lower = np.array([0.5, 1.5, np.nan, np.nan])
    panel = ForestPanel("p", ("a", "b", "c", "d"), values, lower, upper)
    return Forest("forest", "", "multiplier", (panel, panel), 1.0, log, ())


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
