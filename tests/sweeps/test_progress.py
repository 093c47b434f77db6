"""What is shown of a running sweep follows from its state."""

from __future__ import annotations

import dataclasses
import io
import json
import time
from typing import Any

import pytest
from rich.console import Console

from scaling.cli.live import progress_line
from scaling.sweeps.plan import Plan, make_plan
from scaling.sweeps.progress import PlainProgress, live_view, show_progress, status_line
from scaling.sweeps.state import SweepState


@pytest.fixture
def plan(tiny: Any, store: str) -> Plan:
    made = make_plan(tiny.bags(), tracking_uri=store)
    seconds = (10.0, 20.0, 30.0, 40.0)
    trials = [dataclasses.replace(t, seconds=s) for t, s in zip(made.trials, seconds)]
    return Plan(made.title, tuple(trials))


def text_of(state: SweepState) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(live_view(state))
    return console.export_text()


def test_time_left_is_weighted_by_the_plan(plan: Plan) -> None:
    state = SweepState.of(plan)
    assert [t.planned.seconds for t in state.trials.values()] == [40, 30, 20, 10]
    assert state.seconds_left() is None
    first, second, *_ = state.trials.values()
    first.phase, first.started = "running", 1000.0
    second.phase, second.started = "running", 1000.0
    first.share, second.share = 0.5, 1 / 3
    # 20 + 10 planned seconds took 15: two workers. 70 are left.
    assert state.share == pytest.approx(0.3)
    assert state.seconds_left(now=1015.0) == pytest.approx(35)


def test_view_holds_the_best_and_the_failures(plan: Plan, tiny: Any) -> None:
    state = SweepState.of(plan)
    digests = list(state.trials)
    for digest in digests[:3]:
        state.begin(digest)
        state.end(digest, tiny.InstantRun(state.trials[digest].planned.trial).finish())
    lost = tiny.InstantRun(state.trials[digests[3]].planned.trial).finish()
    state.end(digests[3], dataclasses.replace(lost, status="failed", reason="it broke [red]"))
    best = min(t.loss for t in state.in_phase("finished") if t.loss is not None)
    shown = text_of(state)
    assert f"bag best loss {best:.4f}" in shown
    assert "failed (1)" in shown
    assert "it broke [red]" in shown, "no markup from messages"
    assert status_line(state).startswith("4 of 4 trials, 100%")


def test_skipped_trials_are_counted_apart(plan: Plan) -> None:
    done = [dataclasses.replace(t, state="done") for t in plan.trials[:3]]
    state = SweepState.of(Plan(plan.title, (*done, plan.trials[3])))
    assert "3 done before" in text_of(state)
    assert state.share == 0


def test_a_trial_that_was_lost_is_counted(plan: Plan, tiny: Any) -> None:
    state = SweepState.of(plan)
    digest = next(iter(state.trials))
    state.begin(digest)
    assert "begun" not in text_of(state)
    state.lose(digest)
    state.begin(digest)
    assert "1 begun again after their worker was lost" in status_line(state)
    assert "begun 2 times" in text_of(state)
    state.end(digest, tiny.InstantRun(state.trials[digest].planned.trial).finish())
    assert state.left == 3
    assert state.again == 1


def test_a_summary_tells_what_runs_and_fits_into_a_tag(plan: Plan) -> None:
    many = [dataclasses.replace(plan.trials[0], digest=f"{n:016x}") for n in range(100)]
    state = SweepState.of(Plan(plan.title, tuple(many)))
    state.message = "waiting " * 1000
    for digest in state.trials:
        state.begin(digest)
        state.trials[digest].share = 0.25
    summary = state.summary()
    assert (summary["ended"], summary["trials"], summary["share"]) == (0, 100, 0.25)
    assert summary["running"][0]["name"] == plan.trials[0].name
    assert len(summary["running"]) + summary["more_running"] == 100
    assert len(json.dumps(summary)) < 4000, "tags of older servers hold 5000 characters"
    assert progress_line(summary).startswith("0 of its 100 trials, 25%, about ")
    assert progress_line({}) == "planning"


def test_news_of_the_store_are_told_without_repeating_them(plan: Plan) -> None:
    out, now = io.StringIO(), [0.0]
    plain = PlainProgress(Console(file=out, width=200), clock=lambda: now[0])
    state = SweepState.of(plan)
    for second in range(15):
        now[0] = float(second)
        state.message = f"the store has not answered for {second} s"
        plain(state)
    lines = out.getvalue().splitlines()
    assert lines == [f"the store has not answered for {s} s ..." for s in (0, 10)]


def test_plain_lines_are_few(plan: Plan, tiny: Any) -> None:
    out = io.StringIO()
    now = [0.0]
    plain = PlainProgress(Console(file=out, width=200), clock=lambda: now[0])
    state = SweepState.of(plan)
    state.message = "starting Ray"
    plain(state)
    state.message = ""
    for digest in state.trials:
        state.begin(digest)
        for _ in range(20):
            now[0] += 0.1
            plain(state)
        state.end(digest, tiny.InstantRun(state.trials[digest].planned.trial).finish())
        plain(state)
    plain(state)
    lines = out.getvalue().splitlines()
    assert lines[0] == "starting Ray ..."
    assert len(lines) == 3, "one at the start, one at the end; eight seconds are not ten"
    assert lines[-1].startswith("4 of 4 trials, 100%")


def test_plain_progress_where_there_is_no_terminal(plan: Plan) -> None:
    out = io.StringIO()
    with show_progress(Console(file=out)) as update:
        assert isinstance(update, PlainProgress)
        update(SweepState.of(plan))
    assert "\x1b" not in out.getvalue()


def test_live_progress_on_a_terminal(plan: Plan) -> None:
    out = io.StringIO()
    with show_progress(Console(file=out, force_terminal=True, width=120)) as update:
        state = SweepState.of(plan)
        update(state)
        state.begin(next(iter(state.trials)))
        update(state)
        time.sleep(0.3)
    assert "bag d1 w" in out.getvalue()
