"""`climber bench padding`: what working on batches in parts saves."""

from __future__ import annotations

import click

from scaling.cli.bench_options import lists


@click.command()
@click.argument("name", default="movielens-1m")
@click.option("--widths", **lists("32,64,128", "Widths."))
@click.option("--lengths", **lists("128,256", "Sequence lengths."))
@click.option("--depth", type=click.IntRange(1), default=4, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
@click.option("--turns", type=click.IntRange(1), default=5, show_default=True)
def padding(
    name: str, widths: list[int], lengths: list[int], depth: int, batch_size: int, turns: int
) -> None:
    """Training steps on whole batches and in parts of like lengths, on a data set's requests."""
    from scaling.cli.output import closing, print_table
    from scaling.datasets.base import DATASETS
    from scaling.sweeps.benchmark import models_reading
    from scaling.sweeps.benchmark_padding import measure_padding

    dataset = DATASETS.get(name)()
    models = [
        model
        for width in widths
        for length in lengths
        for model in models_reading(dataset, depth=depth, width=width, seq_len=length)
    ]
    rows = [
        (
            f"{one.model.name} width {one.model.width} length {one.model.seq_len}",
            f"{one.whole:.1%}",
            f"{one.in_parts:.1%}",
            f"{one.parts:.1f}",
            f"{1e3 * one.step_whole:.1f} ms",
            f"{1e3 * one.step_in_parts:.1f} ms",
            f"{one.step_whole / one.step_in_parts:.2f}",
        )
        for one in measure_padding(dataset, models, batch_size=batch_size, turns=turns)
    ]
    columns = ("model", "padding", "in parts", "parts", "whole", "in parts", "speed-up")
    print_table(f"{name}, {depth} layers, processor time of a step", columns, rows)
    closing([], "climber bench training")
