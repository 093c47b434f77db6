"""Points at once, fits when they are made, and what is told of both."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dash import no_update

from scaling.analysis.figure import Figure, Skipped
from scaling.analysis.summary import analyse
from scaling.dashboards.explorer_callbacks import REST_SECONDS, Callbacks, clicked_run
from scaling.dashboards.explorer_choices import FIGURES
from scaling.dashboards.explorer_desk import Cancelled, Desk, make_fit
from scaling.dashboards.explorer_showing import run_details
from scaling.dashboards.explorer_state import State

USUAL = State(sweeps=("one",))


def kinds(drawn: Any) -> set[str]:
    assert isinstance(drawn, Figure), drawn
    return {layer.kind for panel in drawn.panels for layer in panel.layers}


def fit(desk: Desk, folder: Path, state: State = USUAL) -> list[tuple[str, float]]:
    """Make the fit that a state asks for, as the background process does."""
    told: list[tuple[str, float]] = []
    key = desk.order(desk.selected(state))
    make_fit(folder, key, lambda stage, share: told.append((stage, share)))
    assert desk.done(key) is not None
    return told


def words(component: Any) -> str:
    """All text of a component and of what it holds."""
    if isinstance(component, list | tuple):
        return " ".join(map(words, component))
    if hasattr(component, "children"):
        return words(component.children)
    return "" if component is None else str(component)


def test_points_stand_before_the_fit_and_everything_after(
    desk: Desk, tmp_path: Path, feed: Any
) -> None:
    def drawn(kind: str) -> Any:
        return desk.shown(desk.selected(dataclasses.replace(USUAL, figure=kind))).drawing

    before = {kind: drawn(kind) for kind in FIGURES}
    at_once = {kind for kind, one in before.items() if isinstance(one, Figure)}
    assert at_once == {"cost", "params", "width"}
    assert kinds(before["cost"]) == {"seeds", "configurations", "frontier", "floor"}
    assert not any("Lines" in note for note in before["cost"].notes)
    told = fit(desk, tmp_path)
    assert [stage for stage, _ in told] == [
        "fitting astro", "fitting transformer", "comparing astro with transformer",
        "valleys of the budgets",
    ]  # fmt: skip
    assert [share for _, share in told] == sorted(share for _, share in told)
    after = {kind: drawn(kind) for kind in FIGURES}
    assert kinds(after["cost"]) >= {"curve", "band"}
    later = {kind for kind, one in after.items() if isinstance(one, Figure)}
    assert later >= at_once | {"multiplier", "isoflop", "residuals", "optimal_params"}
    assert all(one.reason for one in after.values() if isinstance(one, Skipped))
    shown = desk.shown(desk.selected(USUAL))
    assert shown.fresh
    assert shown.analysis is not None
    assert shown.analysis.to_dict() == analyse(feed.runs, allow_mixed=True).to_dict()


def test_new_points_keep_the_last_fit_until_the_next(desk: Desk, tmp_path: Path, feed: Any) -> None:
    fit(desk, tmp_path)
    extra = feed.runs.iloc[[0]].assign(run_id="new", loss=0.9, seed=7)
    feed.give(pd.concat([feed.runs, extra], ignore_index=True))
    shown = desk.shown(desk.selected(USUAL))
    assert not shown.fresh
    assert kinds(shown.drawing) >= {"seeds", "curve"}
    seeds = [la for p in shown.drawing.panels for la in p.layers if la.kind == "seeds"]  # type: ignore[union-attr]
    assert sum(layer.x.size for layer in seeds) == 61


@pytest.mark.parametrize(
    ("cost", "counting", "column", "label"),
    [
        ("params", "compute", "params", "Parameters"),
        ("compute", "compute_causal", "compute_causal", "causal half of attention"),
        ("compute", "compute", "compute", "training compute (FLOPs)"),
    ],
)
def test_the_axis_is_the_chosen_cost(
    desk: Desk, feed: Any, cost: str, counting: str, column: str, label: str
) -> None:
    feed.give(feed.runs.assign(compute_causal=feed.runs["compute"] * 0.7))
    state = dataclasses.replace(USUAL, cost=cost, counting=counting)
    drawn = desk.shown(desk.selected(state)).drawing
    assert isinstance(drawn, Figure)
    assert label in drawn.x_label
    seeds = [la.x for p in drawn.panels for la in p.layers if la.kind == "seeds"]
    assert sorted(x for part in seeds for x in part) == sorted(feed.runs[column])


def test_a_fit_that_fails_says_why_and_points_stay(desk: Desk, tmp_path: Path, feed: Any) -> None:
    few = feed.runs[feed.runs["budget"] == feed.runs["budget"].min()]
    feed.give(few.reset_index(drop=True))
    fit(desk, tmp_path)
    page = Callbacks(desk).show(USUAL.to_dict(), "light")
    assert page.figure is not None
    text = words(page.verdict)
    assert "failed" in text
    assert "Nothing was compared" in text


def test_hostile_names_are_text_of_bearable_length(desk: Desk, feed: Any) -> None:
    evil = "<script>alert(1)</script>\"'" + "\u202e" + "x" * 1_000_000
    names = {"architecture": evil, "configuration": [f"{evil}{row}" for row in range(60)]}
    feed.give(feed.runs.assign(**names, reason=evil))
    selected = desk.selected(dataclasses.replace(USUAL, run=f"{0:032x}"))
    page = Callbacks(desk).show(selected.state.to_dict(), "dark")
    assert page.figure is not None
    for trace in page.figure["data"]:  # what tells marks apart is no text of the page
        trace.pop("customdata", None)
        trace.pop("legendgroup", None)
    assert "<script>" not in str(page.figure)
    assert len(str(page.figure)) < 100_000
    assert desk.shown(selected).analysis.groups.keys() == {selected.choices.architectures[0]}  # type: ignore[union-attr]
    assert selected.runs["configuration"].nunique() == 60
    assert len(words(run_details(desk, selected))) < 20_000


def test_a_click_finds_the_run() -> None:
    assert clicked_run({"points": [{"customdata": "abc", "x": 1}]}) == "abc"
    assert clicked_run({"points": [{"customdata": ["abc"]}]}) == "abc"
    assert clicked_run({"points": [{"x": 1}]}) == ""
    assert clicked_run(None) == ""


class TestOrders:
    """When a fit is made."""

    def order(self, desk: Desk, last: Any = None, running: bool = False, **more: Any) -> Any:
        return Callbacks(desk).order(desk.selected(USUAL), last, running, **more)

    def test_once_for_the_same_runs(self, desk: Desk) -> None:
        first = self.order(desk)
        assert first["key"] == desk.key(desk.selected(USUAL))
        assert self.order(desk, first) is no_update
        assert self.order(desk, first, refit=1)["key"] == first["key"], "the user asked"

    def test_again_at_a_server_that_was_started_again(
        self, desk: Desk, feed: Any, tmp_path: Path
    ) -> None:
        """A page that was left open knows an order on which nobody works any more."""
        first = self.order(desk)
        other = Desk(feed, tmp_path / "other")
        (tmp_path / "other").mkdir()
        made = self.order(other, first, running=True, refit=0)
        assert made["key"] == first["key"]
        assert other.work(made["key"]) == "begun"
        assert self.order(other, made, refit=0) is no_update

    def test_not_before_everything_is_read(self, desk: Desk, feed: Any) -> None:
        feed.complete = False
        assert self.order(desk) is no_update

    def test_more_runs_wait_until_the_last_fit_has_rested(self, desk: Desk, feed: Any) -> None:
        first = self.order(desk)
        feed.give(feed.runs.iloc[1:].reset_index(drop=True))
        assert self.order(desk, first) is no_update
        old = {**first, "time": first["time"] - REST_SECONDS - 1}
        assert self.order(desk, old, running=True) is no_update
        assert self.order(desk, old)["key"] != first["key"]

    def test_another_question_is_answered_at_once(self, desk: Desk) -> None:
        first = self.order(desk)
        other = desk.selected(dataclasses.replace(USUAL, law="power"))
        assert Callbacks(desk).order(other, first, True)["key"] != first["key"]

    def test_a_cancelled_fit_is_told_and_can_be_asked_for_again(self, desk: Desk) -> None:
        first = self.order(desk)
        calls = Callbacks(desk)
        assert calls.status(USUAL.to_dict(), first) == (
            "60 of 60 runs in the figure; being fitted",
            True,
        )
        text, working = calls.status(USUAL.to_dict(), first, cancelled=True)
        assert ("the fit was cancelled: Refit makes it" in text, working) == (True, False)
        again = self.order(desk, first, refit=1)
        assert calls.status(USUAL.to_dict(), again)[1]

    def test_it_ends_by_itself_and_a_new_order_is_worked_on(
        self, desk: Desk, tmp_path: Path
    ) -> None:
        """As when the page has not yet heard of the process that it would have to end."""
        first = self.order(desk)
        told: list[str] = []

        def cancels(stage: str, share: float) -> None:
            told.append(stage)
            desk.cancel(first["key"])

        with pytest.raises(Cancelled):
            make_fit(tmp_path, first["key"], cancels)
        assert told == ["fitting astro"]
        assert desk.done(first["key"]) is None
        assert desk.work(first["key"]) == "cancelled"
        fit(desk, tmp_path)  # a page opened later asks for it, and is not told "cancelled"
        desk.cancel(first["key"])  # what is there already isn't cancelled
        assert desk.work(first["key"]) == ""
        assert self.order(desk, first, refit=1)
        assert desk.work(first["key"]) == "begun"


def test_a_key_names_no_file_elsewhere(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "x.fit").write_bytes(b"no pickle")
    assert desk.done("../x") is None
    assert desk.work("../x") == ""
