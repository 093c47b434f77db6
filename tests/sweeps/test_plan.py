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
from scaling.sweeps.design import grid, variants
from scaling.sweeps.plan import Plan, PlannedTrial, make_plan
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


def test_finished_runs_correct_the_forecast(store: str) -> None:
    first, second = plan_of(store, budgets=(1e9, 4e9)).trials
    plain = cost.Speed({})
    assumed = plain.seconds(first.trial, first.steps, 0.0) - cost.OVERHEAD_SECONDS
    row = {
        "architecture": "transformer", "device": "cpu", "precision": "fp32", "threads": 1,
        "width": 16, "depth": 1, "blocks": 1, "compute": 1e9, "steps": first.steps,
    }  # fmt: skip
    rows = [{**row, "train_seconds": factor * assumed} for factor in (2.0, 3.0, 50.0)]
    speed = cost.Speed.of([*rows, {**row, "train_seconds": None}])

    def training(speed: cost.Speed, planned: PlannedTrial) -> float:
        return speed.seconds(planned.trial, planned.steps, 0.0) - cost.OVERHEAD_SECONDS

    for planned in (first, second):
        assert training(speed, planned) == pytest.approx(3 * training(plain, planned)), "the median"
    faster = dataclasses.replace(
        first.trial, training=dataclasses.replace(first.trial.training, precision="bf16")
    )
    of_fp32 = speed.seconds(faster, first.steps, 0.0)
    assert of_fp32 == plain.seconds(faster, first.steps, 0.0), "another precision, another speed"


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
