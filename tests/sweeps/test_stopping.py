"""Early stopping: forecasts, when a trial may be stopped, and what becomes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scaling.analysis.configurations import usable
from scaling.sweeps.plan import make_plan
from scaling.sweeps.stopping import FEWEST_ENDED, StopByCurve, forecast, judge
from scaling.tracking_read import read_runs

POINTS = 24


def curve(height: float, drop: float, power: float, end: float = 0.0) -> list[float]:
    """A power law, which falls by `end` more over its last quarter, as a decaying rate makes it."""
    share = np.arange(1, POINTS + 1) / POINTS
    losses = height + drop * share**-power - end * np.clip(4 * share - 3, 0, 1)
    return [float(loss) for loss in losses]


@pytest.mark.parametrize(("drop", "power"), [(0.02, 0.3), (0.1, 1.0), (0.05, 1.7)])
def test_a_power_law_is_forecast(drop: float, power: float) -> None:
    whole = curve(0.5, drop, power)
    assert forecast(whole[:12], POINTS) == pytest.approx(whole[-1], abs=2e-4)


def test_a_curve_that_rises_is_not_forecast_to_go_on_rising() -> None:
    assert forecast([0.5 + 0.01 * i for i in range(12)], POINTS) < 0.62


def test_a_hopeless_curve_is_stopped_whatever_the_schedule_does_at_the_end() -> None:
    same = [curve(0.5 + 0.002 * i, 0.05, 0.5, end=0.03) for i in range(4)]
    best = min(losses[-1] for losses in same)
    hopeless = curve(0.6, 0.05, 0.5, end=0.03)
    verdict = judge(hopeless[:12], POINTS, same, best)
    assert verdict is not None
    assert verdict.forecast == pytest.approx(hopeless[-1], abs=1e-3)
    assert best < verdict.least <= verdict.forecast


def test_the_best_is_not_stopped() -> None:
    """Nor is one that would end as good, in 300 noisy sets of curves."""
    rng = np.random.default_rng(0)
    stopped = 0
    for _ in range(300):
        losses = [
            np.array(curve(h, 0.05, 0.5, end=0.03)) + rng.normal(0, 0.002, POINTS)
            for h in (0.5, 0.503, 0.505, 0.508)
        ]
        first, *same = (list(map(float, one)) for one in losses)
        best = min(one[-1] for one in same)
        stopped += any(judge(first[:k], POINTS, same, best) for k in range(12, POINTS))
    assert stopped <= 3


def test_nothing_is_judged_too_early_or_by_too_few() -> None:
    same = [curve(0.5, 0.05, 0.5)] * (FEWEST_ENDED - 1) + [curve(0.501, 0.05, 0.5)]
    hopeless = curve(0.9, 0.05, 0.5)
    assert judge(hopeless[:11], POINTS, same, 0.5) is None
    assert judge(hopeless[:12], POINTS, same[1:], 0.5) is None
    assert judge(hopeless[:12], POINTS, same, 0.5) is not None


def test_a_stopped_trial_is_marked_and_gone_on_with_later(
    tiny: Any, launch: Callable[..., Any], store: str
) -> None:
    sweep = tiny.bags(budgets=(3e5,), widths=(4, 8, 12, 16), seeds=(0,))
    plan = make_plan(sweep, tracking_uri=store)
    # The one to be stopped comes last: the others have ended.
    trials = tuple(
        dataclasses.replace(planned, seconds=float(planned.trial.model.width))
        for planned in plan.trials
    )
    plan = dataclasses.replace(plan, trials=trials)
    options = {"make_run": tiny.CurveRun, "stopping": StopByCurve()}
    outcome = launch(sweep, store, plan=plan, **options)
    assert (outcome.done, outcome.stopped, outcome.failed, outcome.missing) == (3, 1, (), 0)
    table = read_runs(sweep.title, tracking_uri=store, everything=True)
    (row,) = table[table["status"] == "stopped"].to_dict("records")
    assert row["width"] == 4
    assert row["reason"].startswith("stopped at 50% of its budget by its learning curve")
    assert row["compute"] == pytest.approx(0.5 * row["budget"])
    assert np.isnan(row["loss"])
    assert list(usable(table, ["compute", "loss"]).excluded["width"]) == [4]
    assert len(read_runs(sweep.title, tracking_uri=store)) == 3
    # With the option it stays stopped; without, it is to do, and finishes.
    again = launch(sweep, store, **options)
    assert (again.done, again.stopped, again.skipped) == (0, 1, 3)
    whole = launch(sweep, store, make_run=tiny.CurveRun)
    assert (whole.done, whole.stopped, whole.skipped) == (1, 0, 3)
    table = read_runs(sweep.title, tracking_uri=store, everything=True)
    assert len(usable(table, ["loss"]).runs) == 4
