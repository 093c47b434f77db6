"""How fast trials are: by finished runs, by calibration, or by a model that is fitted to both."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from scaling.compute import TRAINING_FACTOR
from scaling.sweeps.calibration import Calibration
from scaling.sweeps.cost import OVERHEAD_SECONDS, Shape
from scaling.trial import TrialConfig

Basis = Literal["runs", "calibrated", "similar", "assumed"]
"""What a forecast rests on: finished runs of the shape, real steps of it, those of other shapes, or
constants alone."""

_PRIOR = 0.1
"""Weight of the constants beside one measured shape, where measured shapes leave them open."""

IN_A_SWEEP = 1.12
"""Time of a step in a sweep over that of a calibration, until finished runs tell: driver, Ray and
MLflow use the cores too (1.08 to 1.2 in `quickstart` and `movielens` on two cores)."""

Place = tuple[str, str]


@dataclass(frozen=True)
class Timing:
    """What is measured of a shape."""

    flops: float
    """Training FLOPs of a step."""
    step_seconds: float
    evaluation_seconds: float | None
    """Of a request; None where runs say the next field instead."""
    rest_seconds: float | None = None
    """Of a whole trial but for its steps."""


@dataclass(frozen=True)
class Speed:
    """Forecasts of trials' times."""

    runs: Mapping[Shape, Timing] = field(default_factory=dict)
    calibrated: Mapping[Shape, Timing] = field(default_factory=dict)
    coefficients: Mapping[Place, tuple[float, float, float]] = field(default_factory=dict)
    """Measured over assumed time of a step's parts (`Shape.parts`)."""
    ratios: Mapping[tuple[str, Place], float] = field(default_factory=dict)
    """Measured over fitted time of an architecture's steps."""
    evaluation: Mapping[Place, float] = field(default_factory=dict)
    """Measured over assumed time of an evaluation."""

    @staticmethod
    def of(rows: Iterable[Mapping[str, Any]], calibrations: Iterable[Calibration] = ()) -> Speed:
        """From finished runs (rows of the run table) and calibrations.

        Where shapes have both, calibrations of the others are corrected by the median ratio: the
        runs are where the sweep runs, at its load. Where none has, by `IN_A_SWEEP`.
        """
        runs = _of_runs(rows)
        measured = {c.shape: c for c in calibrations}
        drift = {
            place: statistics.median(
                runs[shape].step_seconds / measured[shape].step_seconds
                for shape in runs.keys() & measured.keys()
                if shape.place == place
            )
            for place in {shape.place for shape in runs.keys() & measured.keys()}
        }
        calibrated = {
            shape: Timing(
                c.flops_per_step,
                c.step_seconds * drift.get(shape.place, IN_A_SWEEP),
                c.evaluation_seconds * drift.get(shape.place, IN_A_SWEEP),
            )
            for shape, c in measured.items()
        }
        known = {**calibrated, **runs}
        places = {shape.place for shape in known}
        coefficients = {place: _fit(_at(known, place)) for place in places}
        ratios: dict[tuple[str, Place], list[float]] = {}
        for shape, timing in known.items():
            fitted = _dot(coefficients[shape.place], shape.parts(timing.flops))
            key = shape.architecture, shape.place
            ratios.setdefault(key, []).append(timing.step_seconds / fitted)
        evaluation = {
            place: statistics.median(found)
            for place in places
            if (found := list(_evaluation_ratios(_at(calibrated, place))))
        }
        return Speed(
            runs,
            calibrated,
            coefficients,
            {key: statistics.median(values) for key, values in ratios.items()},
            evaluation,
        )

    def basis(self, shape: Shape) -> Basis:
        """What the forecast of a shape rests on."""
        if shape in self.runs:
            return "runs"
        if shape in self.calibrated:
            return "calibrated"
        return "similar" if shape.place in self.coefficients else "assumed"

    def step_seconds(self, shape: Shape, flops: float) -> float:
        """Time of a training step of `flops` FLOPs."""
        known = self.runs.get(shape) or self.calibrated.get(shape)
        if known is not None:
            return known.step_seconds
        ratio = self.ratios.get((shape.architecture, shape.place), 1.0)
        return ratio * _dot(self.coefficients.get(shape.place, (1.0, 1.0, 1.0)), shape.parts(flops))

    def seconds(
        self, trial: TrialConfig, *, steps: float, flops_per_request: float, evaluated: float
    ) -> float:
        """Time of a trial: training, evaluation, and what it costs at all.

        Args:
            trial: what is run.
            steps: of training.
            flops_per_request: forward FLOPs.
            evaluated: requests of the validation and test parts.
        """
        shape = Shape.of(trial)
        flops = TRAINING_FACTOR * flops_per_request * trial.training.batch_size
        training = steps * self.step_seconds(shape, flops)
        run, measured = self.runs.get(shape), self.calibrated.get(shape)
        if run is not None and run.rest_seconds is not None:
            return training + run.rest_seconds
        if measured is not None and measured.evaluation_seconds is not None:
            return training + OVERHEAD_SECONDS + evaluated * measured.evaluation_seconds
        assumed = shape.evaluation_seconds(evaluated * flops_per_request)
        # Without a measured evaluation it is as much slower than assumed as the FLOPs of training.
        of_training = self.coefficients.get(shape.place, (1.0, 1.0, 1.0))[2]
        factor = self.evaluation.get(shape.place, of_training)
        return training + OVERHEAD_SECONDS + factor * assumed


def _of_runs(rows: Iterable[Mapping[str, Any]]) -> dict[Shape, Timing]:
    """What finished runs of each shape took, longer ones counting more."""
    found: dict[Shape, list[Mapping[str, Any]]] = {}
    for row in rows:
        if all(_positive(row.get(name)) for name in ("train_seconds", "compute", "steps")):
            found.setdefault(_shape_of(row), []).append(row)
    timings = {}
    for shape, mine in found.items():
        steps = [float(row["steps"]) for row in mine]
        rest = [
            float(row["wall_seconds"]) - float(row["train_seconds"])
            for row in mine
            if _positive(row.get("wall_seconds"))
        ]
        timings[shape] = Timing(
            flops=sum(float(row["compute"]) for row in mine) / sum(steps),
            step_seconds=_weighted_median(
                [float(row["train_seconds"]) / float(row["steps"]) for row in mine], steps
            ),
            evaluation_seconds=None,
            rest_seconds=statistics.median(rest) if rest else None,
        )
    return timings


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and value > 0


def _shape_of(row: Mapping[str, Any]) -> Shape:
    """The shape of a finished run; columns that it lacks make it a shape of its own."""

    def whole(name: str) -> int:
        return int(row.get(name) or 0)

    architecture = row.get("architecture") or ""
    return Shape(
        architecture=architecture,
        variant=row.get("variant") or architecture,
        depth=whole("depth"),
        width=whole("width"),
        seq_len=whole("seq_len"),
        blocks=whole("blocks"),
        data=row.get("data_fingerprint") or "",
        batch_size=whole("batch_size"),
        precision=row.get("precision") or "fp32",
        threads=whole("threads"),
        device=row.get("device") or "cpu",
        workers=whole("workers") or 1,
    )


def _weighted_median(values: Sequence[float], weights: Sequence[float]) -> float:
    """The value at which half of the weight is reached."""
    ranked = sorted(zip(values, weights))
    half, reached = sum(weights) / 2, 0.0
    for value, weight in ranked:
        reached += weight
        if reached >= half:
            return value
    return ranked[-1][0]


def _fit(known: Mapping[Shape, Timing]) -> tuple[float, float, float]:
    """Factors on the parts of an assumed step, none negative, with the least relative errors.

    The median ratio scales all three; beside it, the constants hold what the shapes leave open.
    """
    parts: npt.NDArray[np.float64] = np.array([s.parts(t.flops) for s, t in known.items()])
    seconds = np.array([timing.step_seconds for timing in known.values()])
    scale = float(np.median(seconds / parts.sum(1)))
    weight = math.sqrt(_PRIOR)
    rows = np.vstack([scale * parts / seconds[:, None], weight * np.eye(3)])
    target = np.concatenate([np.ones(len(seconds)), np.full(3, weight)])
    first, second, third = scale * nnls(rows, target)[0]
    return float(first), float(second), float(third)


def _evaluation_ratios(calibrated: Mapping[Shape, Timing]) -> Iterable[float]:
    for shape, timing in calibrated.items():
        assert timing.evaluation_seconds is not None
        flops = timing.flops / TRAINING_FACTOR / shape.batch_size
        yield timing.evaluation_seconds / shape.evaluation_seconds(flops)


def _at(known: Mapping[Shape, Timing], place: Place) -> dict[Shape, Timing]:
    return {shape: timing for shape, timing in known.items() if shape.place == place}


def _dot(factors: Sequence[float], parts: Sequence[float]) -> float:
    return sum(factor * part for factor, part in zip(factors, parts))
