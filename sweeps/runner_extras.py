"""What a finished trial may do besides: give away its model, measure its latency.

Neither is part of a trial's identity, and no trouble with them spoils its result.
"""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path

from scaling import logged_model
from scaling.results import TrialResult
from scaling.running import Run
from scaling.sweeps.latency import measured


@dataclass(frozen=True)
class Extras:
    """What is asked of every trial of a launch."""

    model: bool = False
    latency: bool = False


@dataclass(frozen=True)
class Added:
    """What came of it."""

    result: TrialResult | None = None
    """With the latency; None where nothing was added."""
    model: bytes | None = None
    news: tuple[str, ...] = ()
    """What went wrong."""


def with_extras(run: Run, result: TrialResult, wanted: Extras) -> Added:
    """In the trial's process, after `finish`; a failed trial has neither model nor latency."""
    if result.status != "finished":
        return Added()
    news, model, more = [], None, None
    if wanted.model:
        try:
            model = _packed(run)
        except Exception as error:  # a full disk, a state that torch can't write
            news.append(f"its model can't be kept: {error}")
    if wanted.latency:
        try:
            ranker, schema = run.trained()
            trial = run.trial
            found = measured(ranker, trial.model.views(), schema, threads=trial.training.threads)
            more = dataclasses.replace(result, metrics={**result.metrics, **found})
        except Exception as error:
            news.append(f"its latency can't be measured: {error}")
    return Added(more, model, tuple(news))


def _packed(run: Run) -> bytes:
    ranker, schema = run.trained()
    trial = run.trial
    about = {
        "digest": trial.digest(),
        "dataset": trial.dataset.name,
        "data_fingerprint": trial.dataset.fingerprint(),
        "seed": trial.seed,
        "budget": trial.budget,
    }
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "model")
        logged_model.save(folder, ranker, trial.model, schema, about)
        return logged_model.pack(folder)
