"""The best losses that can be reached in the synthetic world, from its true probabilities.

Floors belong to the test part: the same realised labels that models are judged by, so that a
model's loss less its floor holds little of the labels' own noise.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from scaling.batch import View
from scaling.config import digest_of
from scaling.datasets.floor_estimate import ESTIMATOR_VERSION, Known, estimate
from scaling.datasets.floor_features import candidates
from scaling.datasets.synthetic_parts import (
    Part,
    evaluation_part,
    floor_lives,
    part_folder,
    world_of,
)
from scaling.datasets.world import BEHAVIOURS, Floats, Ints

if TYPE_CHECKING:
    from scaling.datasets.synthetic import SyntheticConfig

_USERS = 256
"""Further users that an estimate learns from: half for the regression, half to recalibrate."""
_FIT_REQUESTS = 6000
_RECALIBRATION_REQUESTS = 4000


def floors(part: Part) -> Mapping[str, float]:
    """What the true probabilities themselves reach on an evaluation part.

    Returns:
        `loss_floor` (mean log loss of the true p on the realised labels; over behaviours, and
        `loss_floor.BEHAVIOUR`), `loss_floor_expected` (mean entropy of p), `auc_ceiling` (mean
        AUC of the true p, and `auc_ceiling.BEHAVIOUR`; a behaviour of one class is left out).
    """
    p, labels = truth(part), labels_of(part)
    losses = log_loss(p, labels).mean(0)
    known = {"loss_floor": losses.mean(), "loss_floor_expected": log_loss(p, p).mean()}
    known |= {f"loss_floor.{name}": loss for name, loss in zip(BEHAVIOURS, losses)}
    areas = {name: _auc(p[:, k], labels[:, k]) for k, name in enumerate(BEHAVIOURS)}
    areas = {name: area for name, area in areas.items() if np.isfinite(area)}
    if areas:
        known["auc_ceiling"] = np.mean(list(areas.values()))
    known |= {f"auc_ceiling.{name}": area for name, area in areas.items()}
    return {name: float(value) for name, value in known.items()}


def loss_floor_at(config: SyntheticConfig, n: int, strategy: str = "recent") -> float:
    """The estimated best test loss when only the last `n` events of `strategy` may be read."""
    return floor_of_views(config, [View(strategy=strategy, length=n)])["loss_floor_at"]


def floor_of_views(config: SyntheticConfig, views: Iterable[View]) -> Mapping[str, float]:
    """The estimated best test loss when only the union of `views` may be read.

    `loss_floor` plus the mean divergence KL(true p || estimate) on the test candidates: never below
    `loss_floor`, and equal to it where the views hold every history whole. The estimate is from
    above, by what its predictor misses (`floor_estimate`). Takes 1 s for short views and 10 s for
    a thousand events, once: results are kept in the cache.

    Returns:
        `loss_floor_at` and `loss_floor_at.BEHAVIOUR`.
    """
    views = list(views)
    if not any(view.disjoint for view in views):
        # Order and repeats change what is read only where a view skips what earlier ones read.
        views = sorted(set(views), key=lambda view: (view.strategy, view.length, repr(view.of)))
    if not views:
        raise ValueError("views must hold at least one view, got none")
    asked = {"estimator": ESTIMATOR_VERSION, "views": [view.to_dict() for view in views]}
    path = part_folder(config) / "floors" / f"{digest_of(asked)}.json"
    if path.exists():
        kept: dict[str, float] = json.loads(path.read_text())
        return kept
    excess = _excess(config, views)
    part = evaluation_part(config, "test")
    losses = log_loss(truth(part), labels_of(part)).mean(0) + excess
    floor = {"loss_floor_at": float(losses.mean())} | {
        f"loss_floor_at.{name}": float(loss) for name, loss in zip(BEHAVIOURS, losses)
    }
    _keep(path, floor)
    return floor


def truth(part: Part) -> Floats:
    """True probabilities [candidates, behaviours] of an evaluation part, in table order."""
    if part.probability is None:
        raise ValueError("training chunks keep no true probabilities; take an evaluation part")
    return np.asarray(part.probability)


def labels_of(part: Part) -> Floats:
    """Realised labels [candidates, behaviours] in the order of `part.table`."""
    events, _ = candidates(part, np.arange(len(part.table)))
    labels: Floats = np.array(part.log.schema.action_labels, np.float64)[part.log.actions[events]]
    return labels


def log_loss(predicted: Floats, labels: Floats) -> Floats:
    """Element-wise log loss; `labels` may be probabilities."""
    loss: Floats = -(labels * np.log(predicted) + (1 - labels) * np.log1p(-predicted))
    return loss


def _excess(config: SyntheticConfig, views: Sequence[View]) -> Floats:
    """Mean divergence of the estimate from the truth, per behaviour [B]."""
    part = evaluation_part(config, "test")
    longest = (part.table.start - part.log.user_offsets[part.table.user]).max()
    if any(view.strategy == "recent" and view.length >= longest for view in views):
        return np.zeros(len(BEHAVIOURS))
    lives_part, lives = floor_lives(config, _USERS)
    rng = np.random.default_rng([config.world_seed, 6])

    def known(first: int, stop: int, count: int) -> Known:
        rows: Ints = first + np.sort(rng.choice(stop - first, min(count, stop - first), False))
        events = candidates(lives_part, rows)[0]
        return Known(lives_part, rows, lives.states[rows], lives.probability[events])

    half, everyone = len(lives.user) // 2, len(lives.user)
    p = truth(part)
    predicted = estimate(
        world_of(config),
        views,
        fit=known(0, half, _FIT_REQUESTS),
        recalibrate=known(half, everyone, _RECALIBRATION_REQUESTS),
        test=Known(part, np.arange(len(part.table)), None, p),
    )
    excess: Floats = (log_loss(predicted, p) - log_loss(p, p)).mean(0)
    return excess


def _keep(path: Path, floor: Mapping[str, float]) -> None:
    """Written aside and renamed: a killed process leaves no half of it under the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(floor, file)
        Path(aside).rename(path)
    finally:
        Path(aside).unlink(missing_ok=True)


def _auc(score: Floats, labels: Floats) -> float:
    """Probability that a positive outranks a negative, ties counted half; NaN for one class."""
    positives = labels.sum()
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(score)[labels == 1].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))
