"""The tables of `climber bench turbo --part serving`: what encoding once and caching save."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from scaling.cli.bench_training import warn_if_shared
from scaling.cli.bench_turbo import Shapes
from scaling.cli.output import print_table, warn

if TYPE_CHECKING:
    from scaling.models.base import ModelConfig

CANDIDATES = 100
TURNS = 5
"""Of the slowest arm, which encodes per candidate."""
TIMES = 150
"""Requests that a percentile is of."""
SMALL = {"depth": 2, "width": 64}
"""The model of the latency tables, as far as they don't vary it."""
USERS = 32
NEW_EVENTS = (1, 16)
TRAINED_FOR = 20.0
"""Seconds, of the model whose AUC is looked at."""


def serving(shapes: Shapes) -> dict[str, Any]:
    """Measures and prints all tables; the figures as plain data."""
    deepest = dataclasses.replace(shapes, depths=[max(shapes.depths)], blocks=[min(shapes.blocks)])
    large = deepest.models()
    small = [model.scaled(**SMALL) for model in large]
    return {
        "features": _features(large),
        "latency": _latency(small),
        "batching": _batching(small),
        "extension": _extension(large),
        "rounding": _rounding(small),
    }


def _features(models: list[ModelConfig]) -> list[dict[str, Any]]:
    from scaling.sweeps.benchmark_serving import measure_features

    rows = [measure_features(model, CANDIDATES, TURNS) for model in models]
    for title, ratio, slow, fast in (
        ("encoded per request and per candidate", "request_over_candidate",
         "per_candidate_per_second", "per_request_per_second"),
        ("cached and encoded per request", "cached_over_request",
         "per_request_per_second", "cached_per_second"),
    ):  # fmt: skip
        print_table(
            f"{CANDIDATES} candidates of one user, candidates/s: {title}, one thread",
            ("architecture", "blocks", "layers", "width", "events", "without", "with", "ratio",
             "best", "own FLOPs", "causal", "ratio/FLOPs", "best/FLOPs", "busy"),
            [
                (
                    row["architecture"],
                    row["blocks"],
                    row["depth"],
                    row["width"],
                    row["seq_len"],
                    f"{row[slow]:,.0f}",
                    f"{row[fast]:,.0f}",
                    f"{row[ratio]:.2f}x",
                    f"{row[f'{ratio}_best']:.2f}x",
                    f"{row[f'{ratio}_line']:.2f}",
                    f"{row[f'{ratio}_line_causal']:.2f}",
                    f"{row[f'{ratio}_of_line']:.0%}",
                    f"{row[f'{ratio}_best_of_line']:.0%}",
                    f"{row['busy']:.0%}",
                )
                for row in rows
            ],
        )  # fmt: skip
    warn_if_shared(rows)
    return rows


def _latency(models: list[ModelConfig]) -> list[dict[str, Any]]:
    from scaling.sweeps.benchmark_serving import measure_latency

    rows = []
    for model in models:
        lengths = [model.seq_len // part for part in (8, 4, 2)]
        shapes = [(model.scaled(seq_len=length), CANDIDATES) for length in lengths]
        shapes += [(model.scaled(depth=depth), CANDIDATES) for depth in (2, 4)]
        shapes += [(model, count) for count in (10, 1000)]
        rows += [measure_latency(one, count, TIMES) for one, count in shapes]
    print_table(
        "latency of one request, one thread",
        ("architecture", "layers", "width", "events", "candidates", "cold p50", "p99",
         "cached p50", "p99", "candidates/s cold", "cached"),
        [
            (
                row["architecture"],
                row["depth"],
                row["width"],
                row["seq_len"],
                row["candidates"],
                f"{row['cold_p50_ms']:.1f} ms",
                f"{row['cold_p99_ms']:.1f} ms",
                f"{row['cached_p50_ms']:.1f} ms",
                f"{row['cached_p99_ms']:.1f} ms",
                f"{row['cold_per_second']:,.0f}",
                f"{row['cached_per_second']:,.0f}",
            )
            for row in rows
        ],
    )  # fmt: skip
    return rows


def _batching(models: list[ModelConfig]) -> list[dict[str, Any]]:
    from scaling.sweeps.benchmark_serving import measure_batching

    rows = [
        measure_batching(model, count, USERS, TURNS) for model in models for count in (1, 10, 100)
    ]
    print_table(
        f"{USERS} cached users of uneven sizes: candidates/s, one call each and one for all",
        ("architecture", "layers", "width", "events", "candidates", "one by one", "batched",
         "ratio", "padded events", "padded candidates"),
        [
            (
                row["architecture"],
                row["depth"],
                row["width"],
                row["seq_len"],
                f"up to {row['candidates']}",
                f"{row['one_by_one_per_second']:,.0f}",
                f"{row['batched_per_second']:,.0f}",
                f"{row['ratio']:.2f}x",
                f"{row['padding_events']:.1%}",
                f"{row['padding_candidates']:.1%}",
            )
            for row in rows
        ],
    )  # fmt: skip
    return rows


def _extension(models: list[ModelConfig]) -> list[dict[str, Any]]:
    from scaling.sweeps.benchmark_serving import measure_extension, most_new_events

    rows = []
    for model in models:
        most = most_new_events(model)
        if max(NEW_EVENTS) > most:
            warn(
                f"{model.name} at {model.seq_len} events: extended by at most {most} new events, for one "
                f"must stand before them in each view; wanted {', '.join(map(str, NEW_EVENTS))}"
            )
        rows += [
            measure_extension(model, count, TURNS * 6) for count in NEW_EVENTS if count <= most
        ]
    print_table(
        "a cached user with new events, one candidate: the memory extended and made anew, one thread",
        ("architecture", "layers", "width", "events", "new events", "anew", "extended", "ratio", "busy"),
        [
            (
                row["architecture"],
                row["depth"],
                row["width"],
                row["seq_len"],
                f"{row['new_events']} in each view",
                f"{row['anew_ms']:.1f} ms",
                f"{row['extended_ms']:.1f} ms",
                f"{row['ratio']:.2f}x",
                f"{row['busy']:.0%}",
            )
            for row in rows
        ],
    )  # fmt: skip
    return rows


def _rounding(models: list[ModelConfig]) -> list[dict[str, Any]]:
    from scaling.sweeps.benchmark import histories_of
    from scaling.sweeps.benchmark_rounding import change_by_rounding, trained_for

    rows = []
    for model in models:
        length = model.seq_len // 4
        shorter, data = model.scaled(seq_len=length), histories_of(length)
        ranker = trained_for(shorter, data, TRAINED_FOR)
        rows += change_by_rounding(ranker, shorter, data)
    print_table(
        f"cache in fewer bits, after {TRAINED_FOR:.0f} s of training on generated data",
        ("architecture", "layers", "width", "events", "cache", "bytes", "logits change by at most",
         "on average", "AUC", "AUC changes by"),
        [
            (
                row["architecture"],
                row["depth"],
                row["width"],
                row["seq_len"],
                row["cache"],
                f"{row['bytes_share']:.1%}",
                f"{row['largest']:.1e}",
                f"{row['mean']:.1e}",
                f"{row['auc']:.4f}",
                f"{row['auc_change']:+.6f}",
            )
            for row in rows
        ],
    )  # fmt: skip
    return rows
