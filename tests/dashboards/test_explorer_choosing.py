"""Controls, address and state agree, whichever of them was changed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd
from dash import no_update

from scaling.dashboards.explorer_answer import answer
from scaling.dashboards.explorer_callbacks import Callbacks
from scaling.dashboards.explorer_choosing import Controls, Panel, from_address, from_controls
from scaling.dashboards.explorer_desk import Desk
from scaling.dashboards.explorer_state import State


def controls_of(panel: Panel, **changes: Any) -> Controls:
    """What a page holds that shows a panel."""
    held = Controls(
        form=panel.form(),
        sweeps=list(panel.state.sweeps),
        architectures=panel.checked(),
        values={
            axis.name: list(panel.state.filters.get(axis.name, axis.values))
            for axis in panel.axes
            if axis.values
        },
        ranges={axis.name: ("", "") for axis in panel.axes if not axis.values},
        offered=panel.spec(),
    )
    return dataclasses.replace(held, **changes)


def test_the_usual_sweep_and_everything_of_it(desk: Desk) -> None:
    panel = from_address(desk, "")
    assert panel.state == State(sweeps=("one",))
    assert panel.checked() == ["astro", "transformer"]
    assert {axis.name for axis in panel.axes} >= {"width", "budget", "seed"}
    assert panel.runs[0][0] == str(panel.selected.runs.sort_values("loss")["run_id"].iloc[0])
    assert panel.told == ()


def test_untouched_controls_change_nothing(desk: Desk) -> None:
    panel = from_address(desk, "?sweeps=one&metric=validation_loss&f.width=16&f.width=64")
    again = from_controls(desk, controls_of(panel), panel.state)
    assert again.state == panel.state
    assert panel.stands(controls_of(panel))


def test_each_control_is_in_the_address(desk: Desk) -> None:
    panel = from_address(desk, "")
    changed = controls_of(
        panel,
        form={**panel.form(), "cost": "params", "figure": "width"},
        architectures=["astro"],
        values={**controls_of(panel).values, "width": ["16", "32"]},
        ranges={**controls_of(panel).ranges, "examples": ("1e5", " ")},
    )
    state = from_controls(desk, changed, panel.state).state
    assert state.search() == (
        "?sweeps=one&architectures=astro&cost=params&figure=width"
        "&f.examples=1e5..&f.width=16&f.width=32"
    )
    assert from_address(desk, state.search()).state == state


def test_nothing_checked_shows_nothing_and_stays_so(desk: Desk) -> None:
    panel = from_address(desk, "")
    none = from_controls(desk, controls_of(panel, architectures=[], sweeps=["one"]), panel.state)
    assert none.state.architectures == ("",)
    assert none.selected.runs.empty
    assert none.told == ()
    back = from_controls(
        desk, controls_of(none, architectures=["astro", "transformer"]), none.state
    )
    assert back.state == panel.state
    no_sweep = from_controls(desk, controls_of(panel, sweeps=[]), panel.state)
    assert no_sweep.selected.runs.empty, "the usual sweep isn't chosen behind the user's back"


def test_boxes_of_an_older_page_are_no_filter(desk: Desk, feed: Any) -> None:
    """A sweep that runs gets new depths; all boxes that stood there are still checked."""
    panel = from_address(desk, "")
    held = controls_of(panel)
    more = feed.runs.iloc[[0]].assign(width=128, run_id="new", architecture="gru")
    feed.give(pd.concat([feed.runs, more], ignore_index=True))
    now = from_controls(desk, held, panel.state)
    assert now.state.filters == {}
    assert now.state.architectures == ()
    assert len(now.selected.runs) == 61


def test_an_unknown_sweep_is_named_with_the_known_ones(desk: Desk) -> None:
    panel = from_address(desk, "?sweeps=three")
    assert panel.told == ("There is no sweep 'three'; there are: one, two.",)
    assert panel.selected.runs.empty


def test_a_source_that_is_lost_is_told_and_the_runs_stay(desk: Desk, feed: Any) -> None:
    panel = from_address(desk, "")
    feed.listing = feed.problem = "the store is gone. Cure: bring it back"
    before = panel.state.to_dict()
    lost = Callbacks(desk).choose("", controls_of(panel), before, "revision")
    assert len(lost.selected.runs) == 60
    assert lost.state == panel.state
    said = answer(lost, panel.state.search(), before, panel.spec(), controls_of(panel), True, {})
    assert [one.children for one in said[9]] == ["the store is gone. Cure: bring it back"]
    feed.listing = feed.problem = ""
    back = Callbacks(desk).choose("", controls_of(lost), before, "revision")
    said = answer(back, panel.state.search(), before, lost.spec(), controls_of(lost), True, {})
    assert said[9] == []


def test_a_click_chooses_the_run(desk: Desk) -> None:
    panel = from_address(desk, "")
    run = str(panel.selected.runs["run_id"].iloc[7])
    chosen = Callbacks(desk).choose(
        "", controls_of(panel), panel.state.to_dict(), "figure",
        {"points": [{"customdata": run}]},
    )  # fmt: skip
    assert chosen.state == dataclasses.replace(panel.state, run=run)


def test_all_runs_again(desk: Desk) -> None:
    panel = from_address(desk, "?architectures=astro&f.width=16&metric=validation_loss")
    reset = Callbacks(desk).choose("", controls_of(panel), panel.state.to_dict(), "reset")
    assert reset.state == State(sweeps=("one",), metric="validation_loss")


class TestAnswer:
    """What the page is told."""

    def test_a_page_that_holds_everything_is_told_nothing_new(self, desk: Desk) -> None:
        panel = from_address(desk, "")
        said = answer(
            panel, panel.state.search(), panel.state.to_dict(), panel.spec(),
            controls_of(panel), True, {},
        )  # fmt: skip
        told = [one for one in said if one is not no_update]
        assert told == [["one"], ["astro", "transformer"], [], ""]

    def test_what_was_wrong_with_the_address_stays_until_something_is_chosen(
        self, desk: Desk
    ) -> None:
        first = from_address(desk, "?metric=auc")
        said = answer(first, "?metric=auc", None, {}, controls_of(first), True, {})
        spec = said[2]
        later = Callbacks(desk).choose("", controls_of(first), first.state.to_dict(), "revision")
        held = controls_of(later)
        kept = answer(later, "", first.state.to_dict(), spec, held, True, {})
        assert "no metric 'auc'" in kept[9][0].children
        other = from_controls(
            desk, controls_of(later, form={**later.form(), "cost": "params"}), later.state
        )
        gone = answer(other, "", later.state.to_dict(), spec, controls_of(other), False, {})
        assert gone[9] == []
