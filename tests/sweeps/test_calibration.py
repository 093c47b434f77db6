"""What forecasts rest on: real steps of a shape, finished runs, and a model fitted to both."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scaling.compute import TRAINING_FACTOR
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.transformer import TransformerConfig
from scaling.sweeps.base import Sweep
from scaling.sweeps.calibrate import calibrate
from scaling.sweeps.calibration import Calibration, folder, read_calibrations
from scaling.sweeps.cost import OVERHEAD_SECONDS, Shape
from scaling.sweeps.cost_speed import IN_A_SWEEP, Speed
from scaling.sweeps.design import grid, variants
from scaling.sweeps.plan import make_plan
from scaling.sweeps.plan_table import forecast
from scaling.sweeps.recipe import Recipe
from scaling.trial import TrialConfig

BASE = TransformerConfig(depth=1, width=16, seq_len=16)
FLOPS = 1e6
"""Forward FLOPs of a request, wherever they don't matter."""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path / "cache"))


def sweep_of(**axes: tuple[int, ...]) -> Sweep:
    return grid(
        "calibrated", models=variants(BASE, **axes), dataset=SyntheticConfig.tiny(),
        budgets=(1e9, 2e9), seeds=(0,), recipe=Recipe(batch_size=4),
    )  # fmt: skip


def shapes_of(**axes: tuple[int, ...]) -> dict[Shape, TrialConfig]:
    return {Shape.of(trial): trial for trial in sweep_of(**axes).trials}


def taking(shape: Shape, seconds: float, **changes: Any) -> Calibration:
    """A calibration in which a step takes so long."""
    known = Calibration(
        shape=shape, code="c0de", slots=2, steps=10, step_seconds=seconds,
        flops_per_step=TRAINING_FACTOR * FLOPS * shape.batch_size, evaluation_seconds=1e-4,
        busy=1.0,
    )  # fmt: skip
    return dataclasses.replace(known, **changes)


def row(trial: TrialConfig, seconds: float, steps: int = 100, rest: float = 1.0) -> dict[str, Any]:
    """A finished run in which a step took so long."""
    model, training = trial.model, trial.training
    return {
        "architecture": model.name, "variant": model.variant, "depth": float(model.depth),
        "width": float(model.width), "seq_len": float(model.seq_len), "blocks": 1.0,
        "data_fingerprint": trial.dataset.fingerprint(), "batch_size": float(training.batch_size),
        "precision": training.precision, "device": training.device, "threads": 1.0, "steps": steps,
        "compute": steps * TRAINING_FACTOR * FLOPS * training.batch_size,
        "train_seconds": steps * seconds, "wall_seconds": steps * seconds + rest,
    }  # fmt: skip


def step(speed: Speed, shape: Shape) -> float:
    return speed.step_seconds(shape, TRAINING_FACTOR * FLOPS * shape.batch_size)


def test_a_calibrated_shape_takes_what_was_measured() -> None:
    ((shape, trial),) = shapes_of().items()
    speed = Speed.of([], [taking(shape, 0.5)])
    assert speed.basis(shape) == "calibrated"
    seconds = speed.seconds(trial, steps=10, flops_per_request=FLOPS, evaluated=2000)
    assert seconds == pytest.approx(IN_A_SWEEP * (10 * 0.5 + 2000 * 1e-4) + OVERHEAD_SECONDS)


def test_finished_runs_come_before_calibrations_and_correct_the_others() -> None:
    (first, trial), (second, _), (third, _) = shapes_of(width=(16, 32, 48)).items()
    rows = [row(trial, 0.2, steps) for steps in (100, 100)] + [row(trial, 9.0, steps=10)]
    calibrations = [taking(first, 0.1), taking(second, 0.3)]
    speed = Speed.of([*rows, {**rows[0], "train_seconds": None}], calibrations)
    assert speed.basis(first) == "runs"
    assert step(speed, first) == 0.2, "half of all steps took so long"
    assert step(speed, second) == pytest.approx(0.6), "the runs took twice as long as calibrated"
    assert speed.basis(third) == "similar"
    seconds = speed.seconds(trial, steps=100, flops_per_request=FLOPS, evaluated=1e9)
    assert seconds == pytest.approx(100 * 0.2 + 1.0), "and so did what is not training"


def test_other_shapes_follow_the_fitted_model() -> None:
    shapes = list(shapes_of(depth=(1, 2, 4), width=(16, 64)))
    truth = (2.0, 3.0, 0.5)

    def true_seconds(shape: Shape) -> float:
        parts = shape.parts(TRAINING_FACTOR * FLOPS * shape.batch_size)
        return sum(factor * part for factor, part in zip(truth, parts))

    known, rest = shapes[1:], shapes[:1]
    speed = Speed.of([], [taking(shape, true_seconds(shape)) for shape in known])
    plain = Speed.of([])
    for shape in rest:
        assert speed.basis(shape) == "similar"
        assert plain.basis(shape) == "assumed"
        assert step(speed, shape) == pytest.approx(IN_A_SWEEP * true_seconds(shape), rel=0.1)
        assert step(plain, shape) != pytest.approx(IN_A_SWEEP * true_seconds(shape), rel=0.1)
    elsewhere = dataclasses.replace(rest[0], precision="bf16")
    assert step(speed, elsewhere) == step(plain, elsewhere), "another precision, another speed"
    twice = dataclasses.replace(rest[0], architecture="astro")
    slow = dataclasses.replace(known[0], architecture="astro")
    both = [taking(shape, true_seconds(shape)) for shape in known]
    both.append(taking(slow, 5 * true_seconds(known[0])))
    assert step(Speed.of([], both), twice) > 2 * step(speed, rest[0]), "an architecture's own ratio"


def test_workers_share_the_flops_of_a_step() -> None:
    (shape,) = shapes_of()
    team = dataclasses.replace(shape, workers=2)
    assert shape.parts(1e9)[2] == pytest.approx(2 * team.parts(1e9)[2])
    assert shape.parts(1e9)[:2] == team.parts(1e9)[:2]


def test_one_measured_shape_scales_the_constants() -> None:
    known, other = shapes_of(width=(16, 32))
    parts = known.parts(TRAINING_FACTOR * FLOPS * known.batch_size)
    speed = Speed.of([], [taking(known, 7 * sum(parts))])
    assert step(speed, other) == pytest.approx(IN_A_SWEEP * 7 * step(Speed.of([]), other))


def test_calibrations_are_kept_by_shape_code_and_slots() -> None:
    first, second = shapes_of(width=(16, 32))
    kept = [taking(first, 0.1), taking(first, 0.2, slots=4), taking(first, 0.3, code="other")]
    for one in [*kept, taking(second, 0.4), taking(first, 0.5)]:
        one.save()
    assert {(c.shape, c.step_seconds) for c in read_calibrations({"c0de"}, 2)} == {
        (first, 0.5), (second, 0.4),
    }  # fmt: skip
    assert read_calibrations({"c0de"}, 4) == [kept[1]]
    assert read_calibrations({"none"}, 2) == []


def test_a_damaged_calibration_is_named() -> None:
    (shape,) = shapes_of()
    one = taking(shape, 0.1)
    one.save()
    one.path.write_text(one.path.read_text()[:40])
    with pytest.raises(ValueError, match=rf"{one.path.name} is damaged .*: delete it"):
        read_calibrations({"c0de"}, 2)


def test_a_cache_that_can_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path / "file"))
    (shape,) = shapes_of()
    with pytest.raises(ValueError, match=r"cannot keep calibrations in .*set CLIMBER_CACHE"):
        taking(shape, 0.1).save()


@pytest.mark.slow
def test_real_steps_are_measured_and_used_by_later_plans(tiny: Any, store: str) -> None:
    """The user's own model too: its class is in a file that only this process has loaded."""
    sweep = tiny.bags()
    plan = make_plan(sweep, tracking_uri=store, slots=2)
    said: list[str] = []
    done = calibrate(plan, seconds=0.05, tell=said.append)
    assert done.skipped == ()
    assert {c.shape for c in done.measured} == {Shape.of(trial) for trial in sweep.trials}
    assert said[0].startswith("calibrating 2 shapes")
    for one in done.measured:
        assert one.steps >= 2
        assert one.step_seconds > 0
        assert one.evaluation_seconds > 0
        assert one.busy is not None
        assert one.busy > 0
    again = make_plan(sweep, tracking_uri=store, slots=2)
    measured = {one.shape: one for one in done.measured}
    for planned in again.trials:
        one = measured[Shape.of(planned.trial)]
        assert planned.basis == "calibrated"
        training = planned.steps * one.step_seconds
        evaluated = (32 + 64) * one.evaluation_seconds
        assert planned.seconds == pytest.approx(
            IN_A_SWEEP * (training + evaluated) + OVERHEAD_SECONDS
        )
    assert forecast(again)[1] == "times: 4 by calibration"


def test_shapes_that_can_not_be_measured_are_told(tiny: Any, store: str) -> None:
    plan = make_plan(tiny.bags(), tracking_uri=store, slots=1)

    def changed(change: Callable[[Any], Any]) -> Any:
        return dataclasses.replace(plan, trials=tuple(change(p) for p in plan.trials))

    large = calibrate(changed(lambda p: dataclasses.replace(p, memory_bytes=1e15)))
    assert large.measured == ()
    assert len(large.skipped) == 2
    assert all("need 1e+06 GB, this machine has" in why for _, why in large.skipped)
    slow = calibrate(changed(lambda p: dataclasses.replace(p, seconds=1e6 * p.steps)))
    assert all("a step of it would take about 1000000 s" in why for _, why in slow.skipped)
    team = {"training": dataclasses.replace(plan.trials[0].trial.training, workers=2)}
    teams = calibrate(
        changed(lambda p: dataclasses.replace(p, trial=dataclasses.replace(p.trial, **team)))
    )
    assert all("2 workers" in why for _, why in teams.skipped)
    assert len(teams.skipped) == 2
    assert not folder().exists()
