"""What training minimises: the log loss of every label, and a rank loss within requests."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from scaling.batch import Batch


def training_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Binary cross-entropy, mean over behaviours and over the batch's real candidates."""
    mask = batch.candidates.mask
    return F.binary_cross_entropy_with_logits(logits.float()[mask], batch.labels[mask])


def grades(labels: Tensor, rates: Sequence[float]) -> Tensor:
    """How engaged each candidate was: the place of its rarest positive behaviour.

    Behaviours are placed 1 .. k from the most common to the rarest (finish 1, like 2, share 3), for
    what is done more rarely says more; 0 for a candidate without any.

    Args:
        labels: [..., k] of 0 and 1.
        rates: [k] the data set's label rates; empty: the order of the behaviours. Of equal rates,
            the behaviour named first counts as the more common one.

    Returns:
        [...] whole numbers 0 .. k.
    """
    k = labels.shape[-1]
    order = sorted(range(k), key=lambda behaviour: -rates[behaviour]) if rates else range(k)
    places = torch.empty(k, dtype=labels.dtype, device=labels.device)
    places[list(order)] = torch.arange(1, k + 1, dtype=labels.dtype, device=labels.device)
    return (labels * places).amax(-1)


def rank_loss(logits: Tensor, batch: Batch, rates: Sequence[float]) -> Tensor:
    """Pairwise logistic loss: the candidate of the higher grade should have the higher utility.

    The mean of log(1 + exp(-(s_i - s_j))) over all pairs (i, j) of candidates of one request with
    grade_i > grade_j, where the utility s is the sum of a candidate's logits over the behaviours.
    A request whose candidates all have one grade has no pair and no influence; 0 without any pair.

    Source: RankNet (Burges et al., "Learning to Rank using Gradient Descent", ICML 2005), equation 3
    with target probability 1.

    Args:
        logits: [b, m, k]
        batch: of those logits.
        rates: see `grades`.
    """
    utility = logits.float().sum(-1)
    above = ranked_pairs(batch, rates)
    margins = (utility.unsqueeze(2) - utility.unsqueeze(1))[above]
    return F.softplus(-margins).sum() / max(len(margins), 1)


def ranked_pairs(batch: Batch, rates: Sequence[float]) -> Tensor:
    """Which pairs (i, j) of candidates the rank loss is about: bool [b, m, m], grade_i > grade_j."""
    grade, mask = grades(batch.labels, rates), batch.candidates.mask
    real = mask.unsqueeze(2) & mask.unsqueeze(1)
    return real & (grade.unsqueeze(2) > grade.unsqueeze(1))
