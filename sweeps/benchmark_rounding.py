"""What a cache in fewer bits changes: bytes, scores and AUC of a model trained for a moment."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scaling import metrics
from scaling.batch import Batch
from scaling.datasets.base import DatasetConfig
from scaling.models.base import ModelConfig, Ranker
from scaling.models.turbo import Asked, Engine
from scaling.models.turbo_precision import CacheDtype
from scaling.sweeps.benchmark import TimedRun, timed_trial
from scaling.sweeps.benchmark_serving import ROOM

BATCH = 64


def asked_of(batch: Batch) -> list[Asked]:
    """A batch's requests as what the engine is asked; every request a user of its own."""
    counts = batch.num_candidates()
    return [
        Asked(
            user=f"{int(batch.users[row])}/{int(batch.requests[row])}",
            version="1",
            history=tuple(view.rows(slice(row, row + 1)) for view in batch.history),
            context=batch.context.rows(slice(row, row + 1)),
            items=batch.candidates.items[row, : counts[row]],
        )
        for row in range(len(batch))
    ]


def trained_for(model: ModelConfig, dataset: DatasetConfig, seconds: float) -> Ranker:
    """The model after about so many seconds of training on one thread."""
    run = TimedRun(timed_trial(model, dataset))
    run.repeat(seconds)
    return run.ranker


def change_by_rounding(
    ranker: Ranker,
    model: ModelConfig,
    dataset: DatasetConfig,
    dtypes: Sequence[CacheDtype] = ("bfloat16", "int8"),
    requests: int = 2000,
) -> list[dict[str, Any]]:
    """Of each precision of the cache, over the first test requests, against float32.

    Returns:
        `bytes_share` of float32's; `largest` and `mean` absolute change of a logit; `auc` (mean
        over behaviours, float32's) and `auc_change`.
    """
    data = dataset.open()
    batches = data.requests("test", model.views(), batch_size=BATCH)
    chosen = list(itertools.islice(batches, -(-requests // BATCH)))
    labels = np.concatenate([b.labels[b.candidates.mask].double().numpy() for b in chosen])

    def scored(dtype: CacheDtype) -> tuple[npt.NDArray[np.float64], float]:
        engine = Engine(ranker, model, data.schema, cache_bytes=ROOM, cache_dtype=dtype)
        parts = [part for batch in chosen for part in engine.score(asked_of(batch))]
        return np.concatenate(parts).astype(np.float64), engine.statistics()["bytes"]

    def auc(logits: npt.NDArray[np.float64]) -> float:
        areas = [metrics.auc(logits[:, k], labels[:, k]) for k in range(labels.shape[1])]
        return float(np.mean([area for area in areas if area is not None]))

    full, size = scored("float32")
    rows = []
    for dtype in dtypes:
        logits, smaller = scored(dtype)
        change = np.abs(logits - full)
        rows.append(
            {
                "architecture": model.name,
                "depth": model.depth,
                "width": model.width,
                "seq_len": model.seq_len,
                "cache": dtype,
                "requests": sum(map(len, chosen)),
                "candidates": len(labels),
                "bytes_share": smaller / size,
                "largest": float(change.max()),
                "mean": float(change.mean()),
                "auc": auc(full),
                "auc_change": auc(logits) - auc(full),
            }
        )
    return rows
