"""Evaluation of a ranker on a fixed part of a data set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from scaling import metrics
from scaling.batch import Split, View
from scaling.batch_check import first_checked
from scaling.datasets.base import Dataset
from scaling.models.base import Ranker
from scaling.trial import Precision

EVALUATION_BATCH = 64
"""Requests per batch; without effect on the numbers but for rounding."""


@dataclass(frozen=True)
class Predictions:
    """All evaluated candidates of a split: c of them, k behaviours."""

    logits: npt.NDArray[np.float64]
    """[c, k]"""
    labels: npt.NDArray[np.float64]
    """[c, k]"""
    users: npt.NDArray[np.int64]
    """[c]"""
    requests: npt.NDArray[np.int64]
    """[c]"""


@torch.no_grad()
def predict(
    ranker: Ranker,
    dataset: Dataset,
    split: Split,
    views: tuple[View, ...],
    device: str,
    precision: Precision,
) -> Predictions:
    """Logits of every candidate of the split's evaluated requests."""
    ranker.eval()
    parts: list[tuple[npt.NDArray[np.float64], ...]] = []
    batches = dataset.requests(split, views, batch_size=EVALUATION_BATCH)
    for batch in first_checked(batches, dataset.schema, views):
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            logits = ranker(batch.to(device))
        mask = batch.candidates.mask
        counts = mask.sum(1)
        parts.append(
            (
                logits.double().cpu()[mask].numpy(),
                batch.labels.double()[mask].numpy(),
                batch.users.repeat_interleave(counts).numpy(),
                batch.requests.repeat_interleave(counts).numpy(),
            )
        )
    if not parts:
        raise ValueError(f"the {split} part of the data set holds no request to evaluate")
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Predictions(columns[0], columns[1], columns[2].astype(int), columns[3].astype(int))


def summarise(
    predictions: Predictions, behaviours: tuple[str, ...]
) -> tuple[dict[str, float], dict[str, str]]:
    """Metrics over behaviours and per behaviour; and why a metric is absent."""
    values: dict[str, float] = {}
    notes: dict[str, str] = {}
    kinds: dict[str, list[float]] = {"loss": [], "ne": [], "auc": [], "gauc": []}
    for index, behaviour in enumerate(behaviours):
        logits, labels = predictions.logits[:, index], predictions.labels[:, index]
        loss = float(metrics.log_losses(logits, labels).mean())
        grouped, left_out = metrics.gauc(logits, labels, predictions.users)
        values[f"gauc_users_left_out.{behaviour}"] = float(left_out)
        measured = {
            "loss": loss,
            "ne": metrics.normalised_entropy(loss, float(labels.mean())),
            "auc": metrics.auc(logits, labels),
            "gauc": grouped,
        }
        for kind, value in measured.items():
            if value is None:
                notes[f"{kind}.{behaviour}"] = "one class only"
            else:
                values[f"{kind}.{behaviour}"] = value
                kinds[kind].append(value)
    for kind, measured_values in kinds.items():
        # A mean over fewer behaviours than declared would be another metric under the same name.
        if len(measured_values) == len(behaviours):
            values[kind] = float(np.mean(measured_values))
        else:
            notes[kind] = f"{len(behaviours) - len(measured_values)} behaviours have one class only"
    return values, notes


def paired_table(predictions: Predictions, behaviours: tuple[str, ...]) -> pd.DataFrame:
    """One row per request and behaviour: `request`, `user`, `behaviour`, `sum_loss`, `count`."""
    requests, first, inverse = np.unique(
        predictions.requests, return_index=True, return_inverse=True
    )
    tables = []
    for index, behaviour in enumerate(behaviours):
        losses = metrics.log_losses(predictions.logits[:, index], predictions.labels[:, index])
        tables.append(
            pd.DataFrame(
                {
                    "request": requests,
                    "user": predictions.users[first],
                    "behaviour": behaviour,
                    "sum_loss": np.bincount(inverse, losses),
                    "count": np.bincount(inverse),
                }
            )
        )
    table = pd.concat(tables, ignore_index=True)
    return table.astype({"behaviour": "category"})
