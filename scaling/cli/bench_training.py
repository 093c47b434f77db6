"""The tables of `climber bench training`."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from scaling.cli.output import print_table, warn

if TYPE_CHECKING:
    from scaling.models.base import ModelConfig
    from scaling.trial import Precision

LEAST_BUSY = 0.9
"""Of the asked-for threads' time; below, other programs shared the machine."""

_NONE = "–"

CATALOGUES = (10_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Grid:
    """What the command was asked for."""

    architectures: list[str]
    widths: list[int]
    lengths: list[int]
    depth: int
    blocks: list[int]
    precisions: list[str]
    device: str
    threads: int
    batch_size: int | None
    """None: a constant number of events per step."""
    seconds: float

    def models(self, width: int, length: int) -> list[ModelConfig]:
        """Every architecture at one size; those with blocks once per number of blocks."""
        from scaling.models.base import MODELS
        from scaling.sweeps.benchmark import model_of

        names = self.architectures
        if names == ["all"]:
            names = [name for name in MODELS.names() if MODELS.get(name).role == "trained"]
        found: list[ModelConfig] = []
        for name in names:
            for blocks in self.blocks:
                model = model_of(name, depth=self.depth, width=width, seq_len=length, blocks=blocks)
                if model not in found:
                    found.append(model)
        return found


def speed(grid: Grid) -> dict[str, Any]:
    """Every cell, group by group of one width and length."""
    from scaling.sweeps import benchmark

    rows: list[dict[str, Any]] = []
    # All of them are made first: a size that an architecture refuses is told at once.
    groups = [
        (length, grid.models(width, length)) for length in grid.lengths for width in grid.widths
    ]
    for length, models in groups:
        trials = [
            benchmark.timed_trial(
                model,
                benchmark.histories_of(length),
                batch_size=grid.batch_size,
                precision=cast("Precision", precision),
                device=grid.device,
                threads=grid.threads,
            )
            for model in models
            for precision in grid.precisions
        ]
        found = benchmark.measure(trials, grid.seconds)
        rows += benchmark.compared([cell.row() for cell in found])
    cells = [_cells(row) for row in rows]
    which = ("architecture", "blocks", "precision", "width", "length")
    print_table(
        f"training, depth {grid.depth}, {grid.threads} threads, {grid.device}",
        (*which, "mean", "batch", "examples/s", "tokens/s", "ms/step", "/ transformer", "/ fp32"),
        [cell[:10] + cell[18:] for cell in cells],
    )
    print_table(
        "FLOP/s, causal half counted and dense, and their ratios to the peak",
        (*which, "causal", "of peak", "best", "by CPU time", "dense", "of peak", "peak", "busy"),
        [cell[:5] + cell[10:18] for cell in cells],
    )
    warn_if_shared(rows)
    return {"training": rows, "load_average": os.getloadavg()[0]}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    from scaling.units import format_si

    return (
        row["architecture"],
        str(row["blocks"]),
        row["precision"],
        str(row["width"]),
        str(row["seq_len"]),
        f"{row['mean_length']:.0f}",
        str(row["batch_size"]),
        f"{row['examples_per_second']:,.0f}",
        f"{row['tokens_per_second']:,.0f}",
        f"{1e3 * row['step_seconds']:.1f}",
        format_si(row["flops_causal_per_second"], digits=3),
        _percent(row["ratio_causal"]),
        _percent(row["best_ratio_causal"]),
        _percent(row["cpu_ratio_causal"]),
        format_si(row["flops_per_second"], digits=3),
        _percent(row["ratio"]),
        format_si(row["gemm_peak"], digits=3),
        _percent(row["busy"]),
        _times(row["time_over_transformer"]),
        _times(row["over_fp32"]),
    )


def memory(grid: Grid) -> dict[str, Any]:
    """Peak memory of one step in every form."""
    from scaling.sweeps.benchmark import TOKENS_PER_STEP
    from scaling.sweeps.benchmark_memory import FORMS, memory_of_step
    from scaling.units import format_si

    if grid.device != "cpu" or grid.precisions[0] != "fp32":
        raise ValueError("--memory is measured on the CPU in fp32")
    rows: list[dict[str, Any]] = []
    for length in grid.lengths:
        for width in grid.widths:
            batch = grid.batch_size or max(1, TOKENS_PER_STEP // length)
            for model in grid.models(width, length):
                found = {form: memory_of_step(model, form, batch) for form in FORMS}
                rows.append(
                    {
                        "architecture": model.name,
                        "blocks": model.blocks,
                        "depth": model.depth,
                        "width": width,
                        "seq_len": length,
                        "batch_size": batch,
                        **{f"{form}_bytes": size for form, size in found.items()},
                        "fused_over_reference": found["fused"] / found["reference"],
                        "recomputed_over_reference": found["recomputed"] / found["reference"],
                    }
                )
    print_table(
        "memory of a training step above the level before it",
        ("architecture", "blocks", "width", "length", "batch", "fused", "reference", "recomputed",
         "fused/ref", "recomputed/ref"),
        [
            (
                row["architecture"],
                row["blocks"],
                row["width"],
                row["seq_len"],
                row["batch_size"],
                *(format_si(row[f"{form}_bytes"], "B", 3) for form in FORMS),
                _percent(row["fused_over_reference"]),
                _percent(row["recomputed_over_reference"]),
            )
            for row in rows
        ],
    )  # fmt: skip
    return {"memory": rows}


def catalogue(grid: Grid) -> dict[str, Any]:
    """Time per step at growing catalogues, at the first width and length of the grid."""
    from scaling.sweeps import benchmark
    from scaling.sweeps.benchmark_data import RandomRequests

    rows: list[dict[str, Any]] = []
    for model in grid.models(grid.widths[0], grid.lengths[0]):
        trials = [
            benchmark.timed_trial(
                model,
                RandomRequests(num_items=items),
                batch_size=grid.batch_size,
                precision=cast("Precision", grid.precisions[0]),
                device=grid.device,
                threads=grid.threads,
            )
            for items in CATALOGUES
        ]
        found = [cell.row() for cell in benchmark.measure(trials, grid.seconds)]
        rows += [
            {
                "items": items,
                **row,
                "over_smallest": row["step_seconds"] / found[0]["step_seconds"],
                "best_over_smallest": row["best_step_seconds"] / found[0]["best_step_seconds"],
            }
            for items, row in zip(CATALOGUES, found)
        ]
    print_table(
        "time per step by catalogue, equal batches, optimizers included",
        ("architecture", "items", "width", "length", "batch", "ms/step", "best", "over the smallest",
         "best", "busy"),
        [
            (
                row["architecture"],
                f"{row['items']:,}",
                row["width"],
                row["seq_len"],
                row["batch_size"],
                f"{1e3 * row['step_seconds']:.1f}",
                f"{1e3 * row['best_step_seconds']:.1f}",
                _times(row["over_smallest"]),
                _times(row["best_over_smallest"]),
                _percent(row["busy"]),
            )
            for row in rows
        ],
    )  # fmt: skip
    warn_if_shared(rows)
    return {"catalogue": rows}


def against_recbole(grid: Grid) -> dict[str, Any]:
    """Both rates at RecBole's shape, and what differs."""
    from scaling.sweeps import benchmark_recbole as recbole
    from scaling.sweeps.benchmark import TOKENS_PER_STEP
    from scaling.units import format_si

    batch = grid.batch_size or max(1, TOKENS_PER_STEP // recbole.LENGTH)
    rates, peak = recbole.compare(grid.seconds, batch_size=batch, threads=grid.threads)
    ours, *theirs = rates
    ratios = {
        rate.name: {
            "tokens_per_second": ours.tokens_per_second / rate.tokens_per_second,
            "examples_per_second": ours.examples_per_second / rate.examples_per_second,
            "flops_per_second": ours.flops_per_second / rate.flops_per_second,
            "tokens_per_cpu_second": rate.cpu_step_seconds / ours.cpu_step_seconds,
        }
        for rate in theirs
    }
    print_table(
        f"width {recbole.WIDTH}, {recbole.LAYERS} layers, length {recbole.LENGTH}, "
        f"{batch} sequences per step, {grid.threads} threads",
        ("what", "tokens/s", "labelled examples/s", "ms/step", "CPU ms/step",
         "FLOP/s dense", "of peak"),
        [
            (
                rate.name,
                f"{rate.tokens_per_second:,.0f}",
                f"{rate.examples_per_second:,.0f}",
                f"{1e3 * rate.step_seconds:.1f}",
                f"{1e3 * rate.cpu_step_seconds:.1f}",
                format_si(rate.flops_per_second, digits=3),
                _percent(rate.flops_per_second / peak),
            )
            for rate in rates
        ]
        + [
            (f"ours over {name}", _times(r["tokens_per_second"]), _times(r["examples_per_second"]),
             "", _times(r["tokens_per_cpu_second"]), _times(r["flops_per_second"]), "")
            for name, r in ratios.items()
        ],
    )  # fmt: skip
    print_table("what differs", ("",), [(line,) for line in recbole.DIFFERENCES])
    return {
        "against_recbole": [asdict(rate) for rate in rates],
        "ratios": ratios,
        "gemm_peak": peak,
        "batch_size": batch,
        "threads": grid.threads,
        "differences": list(recbole.DIFFERENCES),
    }


def warn_if_shared(rows: list[dict[str, Any]]) -> None:
    """Says so where the least `busy` of the cells is low."""
    least = min((row["busy"] for row in rows if row["busy"] is not None), default=1.0)
    if least < LEAST_BUSY:
        warn(
            f"other programs shared this machine: a cell had {least:.0%} of its threads' time, so "
            "its rates are too low; repeat when it is idle"
        )


def _percent(share: float | None) -> str:
    return _NONE if share is None else f"{100 * share:.0f} %"


def _times(ratio: float | None) -> str:
    return _NONE if ratio is None else f"{ratio:.2f}x"
