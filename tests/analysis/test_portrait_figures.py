"""Figures and tables of a data set: what they hold, that they are drawn, and odd portraits."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaling.analysis.bars import Bars, TimeBars
from scaling.analysis.figure import Figure
from scaling.analysis.plots import write_plots
from scaling.analysis.portrait_figures import portrait_figures
from scaling.analysis.portrait_tables import distance_names, portrait_facts, portrait_tables
from scaling.analysis.temperatures import HeatMap
from scaling.portrait import DISTANCES, PAUSES, Counted, Portrait, TimeLine
from scaling.units import format_share


def portrait(**changes: Any) -> Portrait:
    """100 events of 4 users, 10 of them repeats, in two of three scenarios on three days."""
    days = np.array(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"], "datetime64[s]")
    cuts = int(days[1].astype(int)), int(days[2].astype(int))
    made = Portrait(
        dataset="shop",
        scope="",
        users=Counted("users", np.array([10, 30]), np.array([1, 3])),
        histories=(Counted("train", np.array([0, 5, 20]), np.array([2, 5, 3])),),
        items=500,
        item_events=np.array([40, 30, 20, 10]),
        behaviours=("buy", "view"),
        scenarios=("home", "unused", "search"),
        scenario_events=np.array([20, 0, 80]),
        behaviour_events=np.array([[2, 20], [0, 0], [0, 40]]),
        time_line=TimeLine("day", days, np.array([50, 30, 20]), cuts),
        unknown_times=0,
        pauses=np.array([24, *[12] * 6, 0]),
        distances=np.array([6, 0, 4, *[0] * (len(DISTANCES) - 2)]),
    )
    return dataclasses.replace(made, **changes)


def test_figures_hold_what_was_counted() -> None:
    drawn, skipped = portrait_figures(portrait())
    assert not skipped
    lengths, popularity, behaviours, line, bars = drawn
    assert isinstance(lengths, Figure)
    users, train = lengths.panels[0].layers
    assert (users.x.tolist(), users.y.tolist()) == ([10, 30], [1, 0.75])
    assert (train.x.tolist(), train.y.tolist()) == ([5, 20], [0.8, 0.3])  # 0 has no place
    assert isinstance(popularity, Figure)
    assert popularity.frontier == "the top 1 % (1) have 40.0 % of the events"
    assert popularity.notes == ("496 further items have no event.",)
    assert isinstance(behaviours, HeatMap)
    (panel,) = behaviours.panels
    assert panel.rows == ("all scenarios", "search (80.0 %)", "home (20.0 %)")
    assert panel.texts == (("2.0 %", "60.0 %"), ("0 %", "50.0 %"), ("10.0 %", "100 %"))
    assert panel.values[1:].round(2).tolist() == [[0.12, 0.83], [5.0, 1.67]]
    assert "1 scenarios without events are not drawn." in behaviours.notes
    assert isinstance(line, TimeBars)
    assert line.counts.tolist() == [50, 30, 20]
    assert [name for name, _ in line.marks] == ["validation begins", "test begins"]
    assert isinstance(bars, Bars)
    ties, repeats = bars.panels
    assert ties.shares[0] == 0.25
    assert repeats.shares.sum() == pytest.approx(0.1)
    assert len(ties.labels) == len(ties.shares) == len(PAUSES) + 1
    assert len(repeats.labels) == len(repeats.shares)


def test_all_kinds_are_written(tmp_path: Path) -> None:
    drawn, _ = portrait_figures(portrait(scope="the test part"))
    written = write_plots(tmp_path, drawn, formats=("png",))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(p.name for p in written)
    assert [path.stem for path in written] == [
        "shop_lengths", "shop_popularity", "shop_behaviours", "shop_time_line",
        "shop_ties_and_repeats",
    ]  # fmt: skip


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    nothing = np.zeros(len(PAUSES) + 1, np.int64)
    bare = portrait(
        time_line=None,
        unknown_times=100,
        pauses=nothing,
        distances=np.zeros(len(DISTANCES) + 1, np.int64),
        users=Counted("users", np.array([1]), np.array([100])),
        histories=(),
        item_events=np.array([100]),
    )
    drawn, skipped = portrait_figures(bare)
    assert [one.name for one in skipped] == ["shop_time_line", "shop_ties_and_repeats"]
    assert "no event has a known time" in skipped[0].reason
    assert len(write_plots(tmp_path, drawn, formats=("svg",))) == 3
    assert [table.title.split()[0] for table in portrait_tables(bare)] == [
        "lengths", "popularity", "share",
    ]  # fmt: skip
    assert portrait_facts(bare)["time (UTC)"] == "unknown"


def test_one_scenario_is_drawn_as_bars() -> None:
    alone = portrait(scenario_events=np.array([0, 0, 100]))
    (behaviours,) = [one for one in portrait_figures(alone)[0] if one.name == "shop_behaviours"]
    assert isinstance(behaviours, Bars)
    assert behaviours.panels[0].labels == ("buy", "view")
    assert behaviours.panels[0].shares.tolist() == [0.02, 0.6]


def test_curves_are_thinned_but_keep_their_ends() -> None:
    many = np.arange(100_000, 0, -1)
    drawn, _ = portrait_figures(portrait(item_events=many, scenario_events=np.array([0, 0, 10**9])))
    (figure,) = [one for one in drawn if one.name == "shop_popularity"]
    assert isinstance(figure, Figure)
    curve = figure.panels[0].layers[0]
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (1, 100_000, 100_000, 1)
    assert len(curve.x) <= 402
    assert (curve.y == 100_001 - curve.x).all()


def test_tables_hold_the_numbers() -> None:
    lengths, popularity, behaviours, ties, repeats = portrait_tables(portrait())
    assert lengths.rows[1][1:] == ("10", "8.5", "0", "5", "20", "20", "20", "20.0 %")
    assert popularity.rows[-1] == ("top 50 %", "2", "30", "70.0 %")
    assert [row[0] for row in behaviours.rows] == ["all", "search", "home"]
    assert ties.rows[1] == ("up to 10 s", "12", "12.5 %", "37.5 %")
    assert [row[1:] for row in repeats.rows] == [
        ("6", "6.0 %", "6.0 %"), ("0", "0 %", "6.0 %"), ("4", "4.0 %", "10.0 %"),
    ]  # fmt: skip
    assert distance_names()[:3] == ("1", "2 to 4", "5 to 16")
    assert portrait_facts(portrait())["time (UTC)"] == "2024-01-01 to 2024-01-03"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.9999, "> 99.9 %"), (1e-7, "< 0.001 %"), (0.123, "12.3 %"),
     (0.0044, "0.44 %"), (0.00012, "0.012 %")],
)  # fmt: skip
def test_shares_are_short(share: float, text: str) -> None:
    assert format_share(share) == text
