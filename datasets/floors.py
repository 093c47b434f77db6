"""The best losses that can be reached in the synthetic world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from scaling.batch import View
from scaling.datasets.synthetic_parts import Part
from scaling.datasets.world import BEHAVIOURS, Floats

if TYPE_CHECKING:
    from scaling.datasets.synthetic import SyntheticConfig


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


def truth(part: Part) -> Floats:
    """True probabilities [candidates, behaviours] of an evaluation part, in table order."""
    if part.probability is None:
        raise ValueError("training chunks keep no true probabilities; take an evaluation part")
    return np.asarray(part.probability)


def labels_of(part: Part) -> Floats:
    """Realised labels [candidates, behaviours] in the order of `part.table`."""
    slate = part.table.stop - part.table.start
    begin = np.concatenate([[0], np.cumsum(slate)])[:-1]
    events = np.arange(slate.sum()) + np.repeat(part.table.start - begin, slate)
    return np.array(part.log.schema.action_labels, np.float64)[part.log.actions[events]]


def log_loss(predicted: Floats, labels: Floats) -> Floats:
    """Element-wise log loss; `labels` may be probabilities."""
    return -(labels * np.log(predicted) + (1 - labels) * np.log1p(-predicted))


def _auc(score: Floats, labels: Floats) -> float:
    """Probability that a positive outranks a negative, ties counted half; NaN for one class."""
    positives = labels.sum()
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(score)[labels == 1].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def floor_of_views(config: SyntheticConfig, views: Sequence[View]) -> float:
    raise NotImplementedError
