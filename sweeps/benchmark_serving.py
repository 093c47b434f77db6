"""Benchmark of serving: the inference engine with and without what makes it fast.

The engine is one in every arm. Encoding a user once is switched off by asking about each candidate as
a user of its own, the cache by giving it no room. Arms to be compared take turns; ratios are those of
one turn, which slow changes of the machine don't touch. Histories and items are random: their values
don't change the work.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from scaling.batch import Schema
from scaling.machine import keep_freed_memory, torch_threads
from scaling.models.base import ModelConfig, Ranker
from scaling.models.turbo import Asked, Engine
from scaling.sweeps.benchmark_data import RandomRequests
from scaling.sweeps.benchmark_records import CATALOGUE, Line

ROOM = 1 << 32
"""Bytes of a cache that keeps all that is asked here."""
PERCENTILES = (50, 99)


def ready(model: ModelConfig) -> tuple[Ranker, Schema]:
    """An untrained ranker and the schema it was built for; memory as in a replica of a service."""
    keep_freed_memory()
    schema = RandomRequests(num_items=CATALOGUE).open().schema
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return model.build(schema), schema


def random_users(
    model: ModelConfig, lengths: Sequence[int], candidates: Sequence[int]
) -> list[Asked]:
    """Users with random histories of some `lengths` (of each view, at most) and `candidates`."""
    data = RandomRequests(num_items=CATALOGUE, candidates=max(candidates)).open()
    batch = next(data.requests("test", model.views(), batch_size=len(lengths), seed=0))
    asked = []
    for row, (length, count) in enumerate(zip(lengths, candidates, strict=True)):
        one = slice(row, row + 1)
        asked.append(
            Asked(
                user=f"user {row}",
                version="1",
                history=tuple(view.rows(one).events(slice(length)) for view in batch.history),
                context=batch.context.rows(one),
                items=batch.candidates.items[row, :count],
            )
        )
    return asked


def per_candidate(asked: Asked) -> list[Asked]:
    """Every item as the request of another user with the same history."""
    return [
        dataclasses.replace(
            asked, user=f"{asked.user}, item {place}", items=asked.items[place, None]
        )
        for place in range(len(asked.items))
    ]


def measure_features(
    model: ModelConfig, candidates: int, turns: int, threads: int = 1
) -> dict[str, Any]:
    """One user's candidates scored per candidate, per request, and from the cache, in turns.

    Returns:
        Candidates/s of each arm; their ratios, median over the turns, beside those of the model's
        own FLOPs (`line`, and `line_causal` with the masked half of causal attention left out).
    """
    ranker, schema = ready(model)
    (whole,) = random_users(model, [model.seq_len], [candidates])
    apart = per_candidate(whole)
    plain, cached = (Engine(ranker, model, schema, cache_bytes=room) for room in (0, ROOM))
    request, hit = (lambda: plain.score([whole])), (lambda: cached.score([whole]))
    encoding = _in_turns({"slow": lambda: plain.score(apart), "fast": request}, turns, threads)
    caching = _in_turns({"slow": request, "fast": hit}, 8 * turns, threads)
    line = Line.of(model)
    r, c, m = line.record, line.candidate, candidates
    causal = r - line.causal_saving
    found = {
        **_about(model),
        "candidates": m,
        "threads": threads,
        "per_candidate_per_second": m / float(np.median(encoding.seconds["slow"])),
        "per_request_per_second": m / float(np.median(caching.seconds["slow"])),
        "cached_per_second": m / float(np.median(caching.seconds["fast"])),
        "busy": min(encoding.busy, caching.busy),
    }
    for name, timed, own, own_causal in (
        ("request_over_candidate", encoding, line.own(m), line.own_causal(m)),
        ("cached_over_request", caching, (r + m * c) / (m * c), (causal + m * c) / (m * c)),
    ):
        slow, fast = timed.seconds["slow"], timed.seconds["fast"]
        ratio, best = float(np.median(slow / fast)), float(slow.min() / fast.min())
        found |= {
            name: ratio,
            f"{name}_best": best,
            f"{name}_line": own,
            f"{name}_line_causal": own_causal,
            f"{name}_of_line": ratio / own,
            f"{name}_best_of_line": best / own,
        }
    return found


def measure_latency(
    model: ModelConfig, candidates: int, times: int, threads: int = 1
) -> dict[str, Any]:
    """Milliseconds of one request with a full history, cold and from the cache, in turns."""
    ranker, schema = ready(model)
    (whole,) = random_users(model, [model.seq_len], [candidates])
    plain, cached = (Engine(ranker, model, schema, cache_bytes=room) for room in (0, ROOM))
    took = _in_turns(
        {"cold": lambda: plain.score([whole]), "cached": lambda: cached.score([whole])},
        times,
        threads,
    )
    found = {
        **_about(model), "candidates": candidates, "threads": threads, "busy": took.busy,
    }  # fmt: skip
    for arm, seconds in took.seconds.items():
        for percentile in PERCENTILES:
            found[f"{arm}_p{percentile}_ms"] = 1e3 * float(np.percentile(seconds, percentile))
        found[f"{arm}_per_second"] = candidates / float(np.median(seconds))
    return found


def most_new_events(model: ModelConfig) -> int:
    """That leave an event before them in every view."""
    return min(view.length for view in model.views()) - 1


def measure_extension(
    model: ModelConfig, events: int, turns: int, threads: int = 1
) -> dict[str, Any]:
    """A user with `events` new ones behind those that are cached, one candidate scored: extended, and
    encoded anew, in turns.

    Args:
        model: is given histories free of their request, without which nothing is extended.
        events: at most `most_new_events`.
    """
    model = dataclasses.replace(model, request_free_history=True)  # type: ignore[call-arg]
    most = most_new_events(model)
    if not 1 <= events <= most:
        raise ValueError(f"events must be in 1 .. {most}, got {events}")
    ranker, schema = ready(model)
    (whole,) = random_users(model, [model.seq_len], [1])
    whole = dataclasses.replace(whole, version="2")
    assert not callable(whole.history)
    earlier = tuple(view.events(slice(-events)) for view in whole.history)
    before = dataclasses.replace(whole, version="1", history=earlier)
    plain, cached = (Engine(ranker, model, schema, cache_bytes=room) for room in (0, ROOM))

    def known() -> None:
        cached.forget(whole.user)
        cached.score([before])

    took = _in_turns(
        {"anew": lambda: plain.score([whole]), "extended": lambda: cached.score([whole])},
        turns,
        threads,
        before={"extended": known},
    )
    assert cached.statistics()["extended"] == turns + 1
    seconds = took.seconds
    return {
        **_about(model),
        "new_events": events,
        "threads": threads,
        "busy": took.busy,
        **{f"{arm}_ms": 1e3 * float(np.median(s)) for arm, s in seconds.items()},
        "ratio": float(np.median(seconds["anew"] / seconds["extended"])),
    }


def measure_batching(
    model: ModelConfig, candidates: int, users: int, turns: int, threads: int = 1
) -> dict[str, Any]:
    """Many cached users of uneven sizes, one call for each and one for all, in turns.

    Histories are half full to full and numbers of candidates half of `candidates` to all.
    """
    ranker, schema = ready(model)
    random = np.random.default_rng(0)
    longest = max(view.length for view in model.views())
    lengths = random.integers(longest // 2, longest + 1, users).tolist()
    counts = random.integers(max(candidates // 2, 1), candidates + 1, users).tolist()
    asked = random_users(model, lengths, counts)
    engine = Engine(ranker, model, schema, cache_bytes=ROOM)
    engine.score(asked)
    padding = engine.statistics()
    took = _in_turns(
        {
            "one_by_one": lambda: [engine.score([one]) for one in asked],
            "batched": lambda: engine.score(asked),
        },
        turns,
        threads,
    )
    seconds = took.seconds
    return {
        **_about(model),
        "candidates": candidates,
        "users": users,
        "threads": threads,
        "busy": took.busy,
        **{f"{arm}_per_second": sum(counts) / float(np.median(s)) for arm, s in seconds.items()},
        "ratio": float(np.median(seconds["one_by_one"] / seconds["batched"])),
        "padding_events": padding["padding_events"],
        "padding_candidates": padding["padding_candidates"],
    }


def _about(model: ModelConfig) -> dict[str, Any]:
    return {
        "architecture": model.name,
        "blocks": model.blocks,
        "depth": model.depth,
        "width": model.width,
        "seq_len": model.seq_len,
    }


@dataclass(frozen=True)
class Turns:
    """What arms took that ran one after the other, turn by turn."""

    seconds: dict[str, npt.NDArray[np.float64]]
    """Of every arm, [turns]."""
    busy: float
    """Share of the threads' time that this process got."""


def _in_turns(
    arms: Mapping[str, Callable[[], object]],
    turns: int,
    threads: int,
    before: Mapping[str, Callable[[], object]] | None = None,
) -> Turns:
    """Every arm once per turn, after one that is not timed; `before` it, untimed, what it needs."""
    needed = before or {}
    with torch_threads(threads):
        took: dict[str, list[float]] = {name: [] for name in arms}
        for name, arm in arms.items():
            needed.get(name, _nothing)()
            arm()
        start, start_cpu = time.perf_counter(), time.process_time()
        for _ in range(turns):
            for name, arm in arms.items():
                needed.get(name, _nothing)()
                begin = time.perf_counter()
                arm()
                took[name].append(time.perf_counter() - begin)
        whole, used = time.perf_counter() - start, time.process_time() - start_cpu
    return Turns(
        {name: np.array(seconds) for name, seconds in took.items()}, used / whole / threads
    )


def _nothing() -> None:
    """What most arms need before them."""
