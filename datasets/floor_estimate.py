"""The best loss when only some events may be read: an estimate from above.

The true state (mood and life) is regressed on sums over the readable events, over the lives of
other users; what the regression leaves open is carried through the logistic link as a variance, and
a logistic recalibration per behaviour and scenario, on a second set of users, takes out what is
systematic. The loss is then that of these predictions on the test requests. Any estimator is a
predictor, so its loss is never below the best one's.

Shapes: r requests, F features, K latent dimensions, C candidates, B behaviours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scaling.batch import View
from scaling.datasets.floor_features import Readable, candidates, read
from scaling.datasets.synthetic_parts import Part
from scaling.datasets.world import (
    BEHAVIOURS,
    BIAS,
    BOREDOM_WEIGHT,
    LIFE_WEIGHT,
    MOOD_WEIGHT,
    QUALITY_WEIGHT,
    SCENARIOS,
    Floats,
    Ints,
    World,
)

ESTIMATOR_VERSION = 1
"""Raised when estimates change: kept ones are then made anew."""
_STRATA = 4
"""Groups of requests by the time their readable events cover, each with its own regression."""
_RIDGE = 1e-3
"""Ridge of the regression, relative to the number of requests (features have variance 1)."""


@dataclass(frozen=True)
class Known:
    """Requests with the truth that the estimator learns from, or is judged by."""

    part: Part
    rows: Ints
    """[r] of the part's table."""
    states: Floats | None
    """[r, 2, K]: true mood and life; None for the requests to predict."""
    probability: Floats
    """[C, B]: the true probabilities of the candidates of `rows`."""


def estimate(
    world: World, views: Sequence[View], *, fit: Known, recalibrate: Known, test: Known
) -> Floats:
    """Probabilities [C, B] predicted for the candidates of `test` from the readable events.

    Where the whole history is readable they are the true ones.
    """
    predictor = _StatePredictor(read(world, fit.part, fit.rows, views), fit)
    second = read(world, recalibrate.part, recalibrate.rows, views)
    inputs, scenario = _inputs(world, recalibrate, second, predictor)
    open_ = ~second.complete[candidates(recalibrate.part, recalibrate.rows)[1]]
    readable = read(world, test.part, test.rows, views)
    asked, asked_scenario = _inputs(world, test, readable, predictor)
    predicted = test.probability.copy()
    unsure = ~readable.complete[candidates(test.part, test.rows)[1]]
    for b in range(len(BEHAVIOURS)):
        for s in range(len(SCENARIOS)):
            chosen, wanted = open_ & (scenario == s), unsure & (asked_scenario == s)
            if not wanted.any():
                continue
            weights = _logistic(inputs[chosen, b], recalibrate.probability[chosen, b])
            predicted[wanted, b] = 1 / (1 + np.exp(-asked[wanted, b] @ weights))
    return predicted


class _StatePredictor:
    """Ridge regression of mood and life on the features, dimension by dimension, by stratum."""

    def __init__(self, readable: Readable, known: Known) -> None:
        assert known.states is not None
        open_ = ~readable.complete
        if not open_.any():  # nothing will be predicted either
            open_ = ~open_
        covered = readable.covered[open_]
        self._edges = np.quantile(covered, np.arange(1, _STRATA) / _STRATA)
        stratum = np.searchsorted(self._edges, covered)
        features, states = readable.features[open_], known.states[open_]
        count, (dims, size) = _STRATA, (features.shape[2], features.shape[1] + 1)
        self._coefficients = np.zeros((count, dims, size, 2))
        self.covariance = np.zeros((count, 2 * dims, 2 * dims))
        for s in range(count):
            here = stratum == s
            if not here.any():
                continue
            x, y = _with_one(features[here]), states[here].transpose(2, 0, 1)
            gram = x.transpose(0, 2, 1) @ x
            scale = np.sqrt(np.einsum("kff->kf", gram) / here.sum()) + 1e-9
            gram /= scale[:, :, None] * scale[:, None, :]
            target = (x.transpose(0, 2, 1) @ y) / scale[:, :, None]
            ridge = _RIDGE * here.sum() * np.eye(size)
            self._coefficients[s] = np.linalg.solve(gram + ridge, target) / scale[:, :, None]
            rest = (y - x @ self._coefficients[s]).transpose(1, 2, 0).reshape(here.sum(), -1)
            self.covariance[s] = rest.T @ rest / here.sum()

    def stratum(self, readable: Readable) -> Ints:
        return np.searchsorted(self._edges, readable.covered)

    def states(self, readable: Readable) -> Floats:
        """Expected mood and life, [r, 2, K]."""
        x, stratum = _with_one(readable.features), self.stratum(readable)
        states = np.zeros((len(stratum), 2, x.shape[0]))
        for s in range(_STRATA):
            here = stratum == s
            states[here] = (x[:, here] @ self._coefficients[s]).transpose(1, 2, 0)
        return states


def _with_one(features: npt.NDArray[np.float32]) -> Floats:
    """Features [r, F, K] as [K, r, F + 1], the last one constant."""
    columns = features.transpose(2, 0, 1).astype(np.float64)
    return np.concatenate([columns, np.ones((*columns.shape[:2], 1))], axis=2)


def _inputs(
    world: World, known: Known, readable: Readable, predictor: _StatePredictor
) -> tuple[Floats, Ints]:
    """Inputs of the recalibration [C, B, inputs] and the scenario [C] of each candidate."""
    events, owner = candidates(known.part, known.rows)
    items = known.part.log.items[events]
    vectors, quality = world.vectors[items], world.quality[items]
    fame = np.log(np.diff(world.cumulative, prepend=0.0))[items]
    pull = np.einsum("ck,csk->cs", vectors, predictor.states(readable)[owner])
    spread = _spread(vectors, predictor.covariance, predictor.stratum(readable)[owner])
    scenario = known.part.table.scenario[known.rows][owner]
    mood, life = MOOD_WEIGHT[scenario], LIFE_WEIGHT[scenario]
    logit = (
        BIAS[scenario]
        + QUALITY_WEIGHT[scenario] * quality[:, None]
        + mood * pull[:, :1]
        + life * pull[:, 1:]
        - BOREDOM_WEIGHT[scenario] * readable.boredom[:, None]
    )
    variance = (
        mood**2 * spread[0][:, None]
        + 2 * mood * life * spread[1][:, None]
        + life**2 * spread[2][:, None]
    )
    # The mean of a logistic function of a Gaussian, to 1 %: MacKay's approximation.
    shrunk = logit / np.sqrt(1 + np.pi / 8 * variance)
    per_candidate = [quality, *pull.T, readable.boredom, fame, np.ones(len(items))]
    per_candidate += [fame * pull[:, 1], fame * quality, pull[:, 0] * pull[:, 1]]
    shared = np.stack(per_candidate, axis=1)[:, None].repeat(len(BEHAVIOURS), axis=1)
    own = np.stack([shrunk, np.square(shrunk), variance, logit], axis=2)
    return np.concatenate([own, shared], axis=2), scenario


def _spread(vectors: Floats, covariance: Floats, stratum: Ints) -> tuple[Floats, Floats, Floats]:
    """Variance of each candidate's pull of mood, covariance with life's, variance of life's; [C]."""
    out = np.zeros((3, len(vectors)))
    dims = vectors.shape[1]
    for s in range(len(covariance)):
        here, matrix = vectors[stratum == s], covariance[s]
        for i, block in enumerate(
            (matrix[:dims, :dims], matrix[:dims, dims:], matrix[dims:, dims:])
        ):
            out[i, stratum == s] = np.einsum("ck,ck->c", here @ block, here)
    return out[0], out[1], out[2]


def _logistic(inputs: Floats, probability: Floats) -> Floats:
    """Weights of a logistic regression on soft labels; the first input's starts at 1.

    A small ridge keeps the weights near that start where the data say little.
    """
    start = np.zeros(inputs.shape[1])
    start[0] = 1.0
    weights = start.copy()
    for _ in range(30):
        predicted = 1 / (1 + np.exp(-inputs @ weights))
        gradient = inputs.T @ (predicted - probability) + weights - start
        curved = (inputs * (predicted * (1 - predicted))[:, None]).T @ inputs
        step = np.linalg.solve(curved + np.eye(len(weights)), gradient)
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    return weights
