"""How long a model takes for one request here: full history, as many candidates as there ever are."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from scaling.batch import Batch, Candidates, Context, Schema, View, ViewBatch
from scaling.datasets.locks import locked
from scaling.machine import torch_threads
from scaling.models.base import ModelConfig, Ranker

_WARM_UP, _TIMES = 2, 9

CANDIDATES = 100
"""Of the requests whose latency the run table holds."""
FEWEST = 100
"""Requests that a percentile is of."""
_MOST, _SECONDS = 500, 1.0
"""More of them while they are quick."""


def latency_ms(model: ModelConfig, schema: Schema, *, threads: int = 1) -> float:
    """Median milliseconds of scoring one full request, its history read anew, on the CPU."""
    with torch_threads(threads), torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(0)
        ranker = model.build(schema).eval()
        batch = full_request(model.views(), schema)
        took = []
        for _ in range(_WARM_UP + _TIMES):
            begin = time.perf_counter()
            ranker(batch)
            took.append(time.perf_counter() - begin)
    return 1000 * statistics.median(took[_WARM_UP:])


def measured(
    ranker: Ranker,
    views: tuple[View, ...],
    schema: Schema,
    *,
    threads: int = 1,
    precision: str = "fp32",
) -> dict[str, float]:
    """The latency columns of a trained model: one request after the other, each with views of full
    length and `CANDIDATES` candidates, on the model's device.

    One process of a machine measures at a time. Whatever else runs there disturbs it all the same:
    the 99th percentile most, which is of at least `FEWEST` requests.

    Returns:
        `latency_ms` (99th percentile, history read anew), `latency_cached_ms` (the same with the
        history's memory at hand), and of each the median, `latency_p50_ms` and
        `latency_cached_p50_ms`; `latency_busy`: processor time over time and threads of the process,
        far below its value on an idle machine where others took the cores (CPU alone).
    """
    device = next((tensor.device for tensor in ranker.state_dict().values()), torch.device("cpu"))
    batch = full_request(views, schema, CANDIDATES).to(device)
    training = ranker.training
    ranker.eval()
    try:
        bf16 = precision == "bf16"
        with (
            locked(_lock(), lambda: None),
            torch_threads(threads),
            torch.inference_mode(),
            torch.autocast(device.type, torch.bfloat16, enabled=bf16),
        ):
            memory = ranker.encode(batch.history, batch.context)
            begin, worked = time.perf_counter(), time.process_time()
            cold = _times(lambda: ranker(batch), device)
            cached = _times(lambda: ranker.score(memory, batch.candidates, batch.context), device)
            busy = (time.process_time() - worked) / (time.perf_counter() - begin) / threads
    finally:
        ranker.train(training)
    found = {}
    for name, times in (("latency", cold), ("latency_cached", cached)):
        found[f"{name}_ms"] = float(np.percentile(times, 99))
        found[f"{name}_p50_ms"] = float(np.percentile(times, 50))
    return found | ({"latency_busy": busy} if device.type == "cpu" else {})


def _times(ask: Callable[[], object], device: torch.device) -> list[float]:
    """Milliseconds of single calls."""
    took: list[float] = []
    begin = time.perf_counter()
    while len(took) < FEWEST + _WARM_UP or (
        len(took) < _MOST and time.perf_counter() - begin < _SECONDS
    ):
        start = time.perf_counter()
        ask()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        took.append(1000 * (time.perf_counter() - start))
    return took[_WARM_UP:]


def _lock() -> Path:
    """Held by the one process of this user that measures on this machine."""
    return Path(tempfile.gettempdir(), f"climber-latency-{os.getuid()}.lock")


def full_request(views: tuple[View, ...], schema: Schema, candidates: int | None = None) -> Batch:
    """One request with views of full length; by default `schema.max_candidates` candidates."""
    random = np.random.default_rng(0)

    def draw(most: int, count: int) -> torch.Tensor:
        return torch.from_numpy(random.integers(0, most, (1, count)))

    def view(length: int) -> ViewBatch:
        return ViewBatch(
            items=draw(schema.num_items, length),
            actions=draw(schema.num_actions, length),
            scenarios=draw(schema.num_scenarios, length),
            ages=torch.arange(length, 0, -1, dtype=torch.float64)[None] * 3600,
            mask=torch.ones(1, length, dtype=torch.bool),
        )

    count = schema.max_candidates if candidates is None else candidates
    sizes = list(schema.request_attributes.values())
    return Batch(
        history=tuple(view(one.length) for one in views),
        context=Context(
            scenario=torch.zeros(1, dtype=torch.int64),
            time=torch.full((1,), 10**9),
            attributes=torch.from_numpy(random.integers(0, sizes or 1, (1, len(sizes)))),
        ),
        candidates=Candidates(
            draw(schema.num_items, count), torch.ones(1, count, dtype=torch.bool)
        ),
        labels=torch.zeros(1, count, schema.num_behaviours),
        users=torch.zeros(1, dtype=torch.int64),
        requests=torch.zeros(1, dtype=torch.int64),
        distinct_events=torch.tensor([max(one.length for one in views)]),
    )
