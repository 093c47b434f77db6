"""A trial's record as plain data: what is logged as parameters, metrics and tags."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scaling.code import code_digest
from scaling.config import canonical_json
from scaling.results import TrialResult
from scaling.runs import NUMERIC_COLUMNS, TEXT_COLUMNS
from scaling.tracking_notes import NOTE, of_trial
from scaling.trial import TrialConfig
from scaling.units import format_si

SCHEMA = "1"
"""Version of this layout; raised when a record's names change."""

TAG = "climber."
"""What the names of our tags begin with."""

EVALUATION = "evaluation.parquet"
"""The artifact that holds a trial's paired losses."""

TAG_OF_TEXT = {
    name: TAG + {"code_version": "code"}.get(name, name)
    for name in TEXT_COLUMNS
    if name not in ("sweep", "run_id")
}
"""Text columns of the run table, and the tags they are kept in; the sweep is the experiment."""

_LONGEST_PARAM, _LONGEST_TAG = 6000, 8000
"""MLflow's limits, in characters."""


@dataclass(frozen=True)
class RunRecord:
    """What MLflow is told about a trial, apart from curve and artifacts."""

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


def record_of(trial: TrialConfig, result: TrialResult) -> RunRecord:
    """The record of a trial: every number a metric, what can't be a number a note with its reason."""
    axes = trial.axes()
    measured = {**_declared(trial), **result.metrics}
    metrics = {name: float(value) for name, value in measured.items() if math.isfinite(value)}
    notes = dict(result.notes)
    for name in measured.keys() - metrics.keys():
        notes.setdefault(name, f"the value was {measured[name]}")
    texts = {
        "precision": trial.training.precision,
        "device": trial.training.device,
        **result.texts,
        "architecture": axes["architecture"],
        "variant": trial.model.variant,
        "role": trial.model.role,
        "dataset": trial.dataset.name,
        "data_fingerprint": trial.dataset.fingerprint(),
        "configuration": trial.configuration(),
        "digest": trial.digest(),
        "code_version": code_digest(trial),
        "status": result.status,
        "reason": result.reason,
    }
    tags = {TAG_OF_TEXT[name]: texts[name] for name in TAG_OF_TEXT if texts.get(name)}
    tags |= {
        f"{TAG}kind": "trial",
        NOTE: of_trial(trial),
        f"{TAG}schema": SCHEMA,
        f"{TAG}trial": canonical_json(trial.to_dict()),
        f"{TAG}curve": ",".join(sorted({name for p in result.curve for name in p.metrics})),
        **{f"{TAG}note.{name}": reason for name, reason in notes.items()},
    }
    return RunRecord(
        name=run_name(trial),
        params={key: value[:_LONGEST_PARAM] for key, value in flat(trial.to_dict()).items()},
        metrics=metrics,
        tags={key: value[:_LONGEST_TAG] for key, value in tags.items() if value},
    )


def run_name(trial: TrialConfig) -> str:
    """A name that tells the runs of a sweep apart in MLflow's list."""
    model = trial.model
    if model.role == "reference":
        return f"{model.name} (counted) s{trial.seed}"
    blocks = f" b{model.blocks}" if model.blocks > 1 else ""
    return (
        f"{model.name} d{model.depth} w{model.width} n{model.seq_len}{blocks} "
        f"C{format_si(trial.budget)} s{trial.seed}"
    )


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested plain data as one level of texts, with dotted names."""
    found: dict[str, str] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value if isinstance(value, str) else canonical_json(value)
    return found


def _declared(trial: TrialConfig) -> dict[str, float]:
    """The numeric columns that are known before the trial runs."""
    training = trial.training
    columns = {**trial.axes(), "lr": training.lr, "batch_size": training.batch_size}
    columns["threads"] = training.threads
    columns["workers"] = training.workers
    if trial.model.role == "reference":  # it has no size, and nothing in it is learned
        for name in ("depth", "width", "seq_len", "blocks", "lr"):
            del columns[name]
    return {name: float(columns[name]) for name in NUMERIC_COLUMNS if name in columns}
