"""Quality of predictions: log loss, normalised entropy, AUC, grouped AUC.

All arrays are over evaluated candidates of one behaviour, [c]. A metric that the data cannot give
(one class only) is None, never a made-up number.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def log_losses(logits: Floats, labels: Floats) -> Floats:
    """Binary cross-entropy of each prediction, in nats."""
    losses: Floats = np.logaddexp(0.0, logits) - labels * logits
    return losses


def entropy(rate: float) -> float:
    """Entropy of a coin with that rate, in nats."""
    if rate in (0.0, 1.0):
        return 0.0
    return float(-rate * np.log(rate) - (1 - rate) * np.log1p(-rate))


def normalised_entropy(loss: float, rate: float) -> float | None:
    """Log loss over the entropy of the base rate; below 1 beats knowing the rate alone."""
    base = entropy(rate)
    return loss / base if base > 0 else None


def auc(scores: Floats, labels: Floats) -> float | None:
    """Probability that a positive outranks a negative, ties counting half."""
    areas, counts, _ = grouped_auc(scores, labels, np.zeros(len(scores), np.int64))
    return float(areas[0]) if len(counts) else None


def gauc(scores: Floats, labels: Floats, users: npt.NDArray[np.int64]) -> tuple[float | None, int]:
    """AUC within each user, weighted by candidates; and how many one-class users are left out."""
    areas, counts, left_out = grouped_auc(scores, labels, users)
    return (float(np.average(areas, weights=counts)) if len(counts) else None), left_out


def grouped_auc(
    scores: Floats, labels: Floats, groups: npt.NDArray[np.int64]
) -> tuple[Floats, npt.NDArray[np.int64], int]:
    """AUC of every group with both classes, its size, and the number of one-class groups."""
    if not len(scores):
        return np.empty(0), np.empty(0, np.int64), 0
    order = np.lexsort((scores, groups))
    scores, labels, groups = scores[order], labels[order], groups[order]
    places = np.arange(len(scores))
    new_group = np.r_[True, groups[1:] != groups[:-1]]
    new_tie = new_group | np.r_[True, scores[1:] != scores[:-1]]
    group_of = np.cumsum(new_group) - 1
    tie_of = np.cumsum(new_tie) - 1
    first = places[new_tie]
    last = np.r_[first[1:], len(scores)] - 1
    # Rank within the group, from 1; tied scores share their mean rank.
    rank = (first + last)[tie_of] / 2 - places[new_group][group_of] + 1
    counts = np.bincount(group_of)
    positives = np.bincount(group_of, labels)
    rank_sums = np.bincount(group_of, rank * labels)
    pairs = positives * (counts - positives)
    both = pairs > 0
    areas = (rank_sums - positives * (positives + 1) / 2)[both] / pairs[both]
    return areas, counts[both], int((~both).sum())
