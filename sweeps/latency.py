"""How long a model takes for one request here: full history, as many candidates as there ever are."""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch

from scaling.batch import Batch, Candidates, Context, Schema, View, ViewBatch
from scaling.models.base import ModelConfig

_WARM_UP, _TIMES = 2, 9


def latency_ms(model: ModelConfig, schema: Schema, *, threads: int = 1) -> float:
    """Median milliseconds of scoring one full request, its history read anew, on the CPU."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(0)
            ranker = model.build(schema).eval()
            batch = full_request(model.views(), schema)
            took = []
            for _ in range(_WARM_UP + _TIMES):
                begin = time.perf_counter()
                ranker(batch)
                took.append(time.perf_counter() - begin)
    finally:
        torch.set_num_threads(before)
    return 1000 * statistics.median(took[_WARM_UP:])


def full_request(views: tuple[View, ...], schema: Schema) -> Batch:
    """One request with views of full length and `schema.max_candidates` candidates."""
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

    count = schema.max_candidates
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
