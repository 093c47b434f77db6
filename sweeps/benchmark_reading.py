"""Benchmark of reading: requests per second out of a prepared log, beside what training consumes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scaling.batch import Schema
from scaling.config import digest_of
from scaling.datasets.log import EventLog, build_log
from scaling.datasets.logged import LoggedConfig
from scaling.datasets.orders import BatchRule
from scaling.running import opened
from scaling.sweeps.benchmark import WARM_UP_STEPS, TimedRun, model_of, timed_trial

DEPTH = 2
SECONDS = 3.0
"""Of reading, and of training."""


@dataclass(frozen=True, kw_only=True)
class GeneratedLog(LoggedConfig):
    """Random events of users who have about equally many; kept as any prepared log is."""

    name = "benchmark"
    licence = "generated, none"

    batches: BatchRule = "by_length"
    users: int = 1000
    events: int = 2_000_000
    items: int = 100_000

    def content(self) -> str:
        return digest_of([self.users, self.events, self.items])

    def fetch(self) -> list[Path]:
        return [self.prepare()]

    def read(self) -> tuple[EventLog, dict[str, Any]]:
        random = np.random.default_rng(0)
        schema = Schema(
            num_items=self.items,
            behaviours=("finish", "like", "share"),
            action_labels=((0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1)),
            scenarios=("home", "search"),
            item_attributes={},
            request_attributes={},
            max_candidates=self.max_candidates,
        )
        log = build_log(
            schema,
            users=random.integers(0, self.users, self.events),
            items=random.integers(0, self.items, self.events),
            actions=random.choice(4, self.events, p=(0.5, 0.3, 0.15, 0.05)),
            scenarios=random.integers(0, 2, self.events),
            times=random.integers(1_600_000_000, 1_700_000_000, self.events),
            num_users=self.users,
        )
        return log, {}


@dataclass(frozen=True)
class Reading:
    """Requests per second, and what they hold."""

    read: float
    """By one process and second of its processor time."""
    trained: float
    """By a trial of one thread and second of its processor time; on a GPU, per second."""
    events_per_request: float
    """Summed over the views."""
    padding: float
    """Share of the views' places that hold no event."""


def measure_reading(
    *,
    width: int,
    views: int,
    length: int,
    batch_size: int,
    device: str = "cpu",
    dataset: LoggedConfig | None = None,
    seconds: float = SECONDS,
) -> Reading:
    """Reads and trains ASTRO with as many blocks as views, `length` events each."""
    model = model_of("astro", depth=DEPTH, width=width, seq_len=views * length, blocks=views)
    config = GeneratedLog() if dataset is None else dataset
    trial = timed_trial(model, config, batch_size=batch_size, device=device)
    batches = opened(config).requests("train", model.views(), batch_size=batch_size, seed=0)
    for _ in range(WARM_UP_STEPS):
        next(batches)
    requests, held, places, begin = 0, 0, 0, time.process_time()
    while (spent := time.process_time() - begin) < seconds:
        batch = next(batches)
        requests += len(batch)
        places += sum(view.mask.numel() for view in batch.history)
        held += sum(int(view.mask.sum()) for view in batch.history)
    run = TimedRun(trial)
    try:
        run.repeat(0.0, WARM_UP_STEPS)
        done = run.repeat(seconds)
    finally:
        run.close()
    took = done.cpu_seconds if device == "cpu" else done.seconds
    return Reading(
        read=requests / spent,
        trained=done.requests / took,
        events_per_request=held / requests,
        padding=1 - held / places,
    )
