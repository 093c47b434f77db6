"""What a plan says is what the trial then does, and it says so before anything runs."""

from __future__ import annotations

import dataclasses
import io
import math
import time
from typing import Any

import pytest
from rich.console import Console

from scaling.compute import TRAINING_FACTOR
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.transformer import TransformerConfig
from scaling.sweeps import cost
from scaling.sweeps.allowance import within_hours
from scaling.sweeps.base import Sweep
from scaling.sweeps.design import grid, variants
from scaling.sweeps.plan import Plan, make_plan
from scaling.sweeps.plan_schedule import local_cores, local_slots, makespan
from scaling.sweeps.plan_table import COLUMNS, format_seconds, plan_rows, plan_table, summary
from scaling.sweeps.recipe import Recipe
from scaling.training import TrialRun

BASE = TransformerConfig(depth=1, width=16, seq_len=16)


def plan_of(store: str, budgets: tuple[float, ...] = (2e8,), **axes: tuple[int, ...]) -> Plan:
    return make_plan(
        grid(
            "planned",
            models=variants(BASE, **axes),
            dataset=SyntheticConfig.tiny(),
            budgets=budgets,
            seeds=(0,),
            recipe=Recipe(batch_size=4),
        ),
        tracking_uri=store,
    )


def test_plan_foretells_the_trial(store: str) -> None:
    (planned,) = plan_of(store).trials
    run = TrialRun(planned.trial)
    while not run.done:
        run.advance(60)
    measured = run.finish().metrics
    assert measured["params"] == planned.params
    assert measured["params_embedding"] == planned.params_embedding
    # The plan knows a sample of the requests, the trial its own.
    assert measured["examples"] == pytest.approx(planned.examples, rel=0.15)
    assert measured["steps"] == pytest.approx(planned.steps, rel=0.15)
    assert measured["flops_per_request"] == pytest.approx(planned.flops_per_request, rel=0.15)


def test_arithmetic(store: str) -> None:
    small, large = plan_of(store, budgets=(1e8, 1e9)).trials
    assert large.examples == pytest.approx(10 * small.examples)
    assert large.requests == pytest.approx(1e9 / (TRAINING_FACTOR * large.flops_per_request))
    assert large.steps == math.ceil(large.requests / 4)
    assert large.epochs is None, "generated data have no end"
    assert large.seconds > small.seconds


def test_longest_first_and_totals(store: str) -> None:
    plan = plan_of(store, budgets=(1e8, 1e9, 3e8), width=(16, 32))
    seconds = [planned.seconds for planned in plan.order()]
    assert seconds == sorted(seconds, reverse=True)
    assert plan.seconds == pytest.approx(sum(seconds))
    assert plan.compute == pytest.approx(2 * 1.4e9)


def test_a_budget_too_small_for_one_batch(store: str) -> None:
    with pytest.raises(ValueError, match=r"w16 .*budget 100 is too small for one batch of 4") as e:
        plan_of(store, budgets=(100.0,))
    least = float(str(e.value).split("budgets of at least ")[1].split(" ")[0])
    (planned,) = plan_of(store, budgets=(least,)).trials
    assert planned.steps == pytest.approx(200, rel=0.05)


def test_few_steps_are_warned_about(store: str) -> None:
    few, many = plan_of(store, budgets=(1e7, 1e10)).trials
    assert few.warnings == (f"{few.steps} steps, fewer than 200",)
    assert many.warnings == ()


def test_more_than_the_data_hold_is_shown(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from scaling.datasets.base import Size
    from scaling.datasets.synthetic import SyntheticDataset

    whole = SyntheticDataset.size
    monkeypatch.setattr(
        SyntheticDataset,
        "size",
        lambda self, split: Size(100, 500) if split == "train" else whole(self, split),
    )
    (planned,) = plan_of(store, budgets=(1e10,)).trials
    assert planned.epochs == pytest.approx(planned.requests / 100)
    assert "times the training data" in planned.warnings[0]


def test_repeated_trials_count_once(store: str) -> None:
    assert len(plan_of(store, budgets=(1e8, 1e8)).trials) == 1


def test_two_hundred_trials_are_planned_at_once(store: str) -> None:
    plan_of(store)  # opens the data
    begin = time.perf_counter()
    budgets = tuple(1e8 * k for k in range(1, 11))
    plan = plan_of(store, budgets, depth=(1, 2, 3, 4, 5), width=(16, 32), seq_len=(8, 16))
    assert len(plan.trials) == 200
    assert time.perf_counter() - begin < 2


def test_wall_time_is_that_of_the_slots(store: str) -> None:
    plan = plan_of(store, budgets=(1e8, 1e9, 3e8), width=(16, 32))
    alone = dataclasses.replace(plan, slots=1)
    assert alone.wall_seconds == pytest.approx(cost.START_SECONDS + plan.seconds)
    many = dataclasses.replace(plan, slots=100)
    assert many.wall_seconds == pytest.approx(cost.START_SECONDS + plan.critical_seconds)
    assert many.price(0.5) == pytest.approx(50 * many.wall_seconds / 3600), "idle slots cost too"
    done = dataclasses.replace(
        plan, trials=tuple(dataclasses.replace(p, state="done") for p in plan.trials)
    )
    assert done.wall_seconds == done.critical_seconds == done.price(1.0) == 0
    assert make_plan_slots(store, 3) == 3


def make_plan_slots(store: str, slots: int) -> int:
    sweep = Sweep(title="s", trials=tuple(p.trial for p in plan_of(store).trials))
    return make_plan(sweep, tracking_uri=store, slots=slots).slots


def test_trials_are_placed_as_they_are_run() -> None:
    # Longest first on two slots: 5, 4, then 3 after the 4, 3 after the 5, 3 after that slot's 7.
    assert makespan([5, 4, 3, 3, 3], 2) == 10
    assert makespan([5, 4, 3, 3, 3], 1) == 18
    assert makespan([5, 4, 3, 3, 3], 9) == 5
    assert makespan([], 2) == 0


def test_slots_are_cores_over_threads_and_workers() -> None:
    (trial,) = grid(
        "t", models=[BASE], dataset=SyntheticConfig.tiny(), budgets=(1e9,), seeds=(0,)
    ).trials

    def slots(**training: int) -> int:
        changed = dataclasses.replace(trial.training, **training)  # type: ignore[arg-type]
        return local_slots([trial, dataclasses.replace(trial, training=changed)])

    cores = local_cores()
    assert slots() == cores
    assert slots(threads=cores) == 1
    assert slots(workers=cores) == 1
    assert slots(threads=10 * cores, workers=2) == 1, "the runner says that they don't fit"


def test_hours_cut_whole_budgets_the_largest_first(store: str) -> None:
    plan = plan_of(store, budgets=(1e8, 1e9, 1e10), width=(16, 32))
    assert within_hours(plan, plan.wall_seconds / 3600) == (plan, [])
    kept, cut = within_hours(plan, (plan.wall_seconds - 1e-3) / 3600)
    assert cut == [1e10]
    assert {p.trial.budget for p in kept.trials} == {1e8, 1e9}
    with pytest.raises(ValueError, match=r"--max-hours 1e-05 is too little.*smallest budget takes"):
        within_hours(plan, 1e-5)
    # What is done takes no time, and a budget that is done does not go.
    state = {1e10: "done"}
    trials = [dataclasses.replace(p, state=state.get(p.trial.budget, p.state)) for p in plan.trials]
    half = dataclasses.replace(plan, trials=tuple(trials))
    kept, cut = within_hours(half, (half.wall_seconds - 1e-3) / 3600)
    assert cut == [1e9]
    assert {p.trial.budget for p in kept.trials} == {1e8, 1e10}


def test_rows_and_table(store: str) -> None:
    plan = plan_of(store, budgets=(1e8, 1e9))
    rows = plan_rows(plan)
    assert len(rows) == 2
    assert all(len(row) == len(COLUMNS) for row in rows)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(plan_table(plan, rows=1))
    shown = console.export_text()
    assert "1e8" in shown
    assert "1 more" in shown
    assert "2 trials: 2 to do, 0 done; 1.1 GFLOP" in summary(plan)
    plan = dataclasses.replace(plan, slots=3, left_out=tuple(f"model {i}: no" for i in range(14)))
    console.print(plan_table(plan, price=2.5))
    shown = console.export_text()
    assert "on 3 slots, start-up included; longest trial" in shown
    assert f"cost {plan.price(2.5):.2f} at 2.5 per hour and slot" in shown
    assert "times: 2 assumed (--calibrate measures real steps)" in shown
    assert "left out: model 0: no" in shown
    assert "left out: 2 more" in shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.31, "0.3 s"),
        (12.4, "12 s"),
        (59.9, "1 min"),
        (200, "3 min 20 s"),
        (3599, "59 min"),
        (7500, "2 h 5 min"),
        (None, "–"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert format_seconds(seconds) == text


def test_state_follows_the_store(tiny: Any, store: str) -> None:
    import time as clock

    from scaling.tracking import SweepTracker

    sweep = tiny.bags()
    finished = tiny.InstantRun(sweep.trials[0]).finish()
    with SweepTracker("bags", tracking_uri=store) as tracker:
        tracker.log(sweep.trials[0], finished, started=clock.time())
    with SweepTracker("other", tracking_uri=store) as tracker:
        tracker.log(sweep.trials[1], finished, started=clock.time())
    states = [planned.state for planned in make_plan(sweep, tracking_uri=store).trials]
    assert states == ["done", "reuse", "to do", "to do"]
    forced = make_plan(sweep, tracking_uri=store, force=True)
    assert {planned.state for planned in forced.trials} == {"to do"}
    assert not forced.other_code
