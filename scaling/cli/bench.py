"""`climber bench`: figures about the platform itself, measured here and now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from scaling.cli.bench_options import batch, lists, names
from scaling.cli.bench_padding import padding
from scaling.cli.bench_serving import serving
from scaling.cli.group import Group


@click.group(cls=Group)
def bench() -> None:
    """Measure what the platform costs on this machine."""


@bench.command("sweep")
@click.option("--small", default=20, show_default=True, help="Trials of the smaller sweep.")
@click.option("--large", default=200, show_default=True, help="Trials of the larger sweep.")
@click.option("--stub", type=click.IntRange(4), metavar="N", help="Instead: N empty trials.")
def sweep(small: int, large: int, stub: int | None) -> None:
    """Start-up of a sweep, and the cost of each further trial beyond its training.

    With --stub, whether that stays so for thousands of trials, planned, run and read back.
    """
    from scaling.cli.output import closing, print_table
    from scaling.sweeps.overhead import measure, measure_scale
    from scaling.units import format_si

    if stub is not None:
        scale = measure_scale(stub)
        rows = [
            ("plan", f"{scale.plan:.1f} s"),
            ("launch, run and track", f"{scale.run:.1f} s"),
            ("read the run table", f"{scale.read:.1f} s"),
            ("plan again, all finished", f"{scale.plan_again:.1f} s"),
            ("each trial of the first half", _clock_and_cpu(scale.first_half)),
            ("each trial of the second half", _clock_and_cpu(scale.second_half)),
            ("peak memory of the driver", format_si(scale.peak_bytes, "B", 3)),
        ]
        print_table(f"{stub} empty trials", ("what", "measured"), rows)
        closing([], "climber plan quickstart")
        return
    if not 0 < small < large:
        raise ValueError(f"--small must be positive and below --large, got {small} and {large}")
    found = measure(small, large)
    rows = [
        ("to the first finished trial", f"{found.first_trial:.1f} s"),
        (f"each further trial ({small} to {large})", f"{1e3 * found.each_further:.0f} ms"),
    ]
    print_table("sweep overhead, training aside", ("what", "measured"), rows)
    closing([], "climber plan quickstart")


def _clock_and_cpu(seconds: tuple[float, float]) -> str:
    clock, processor = (1e3 * value for value in seconds)
    return f"{clock:.0f} ms (processor time of the driver: {processor:.0f} ms)"


@bench.command("training")
@click.option("--architectures", **lists("transformer,astro", "Which ones, or `all`.", names))
@click.option("--widths", **lists("32,64,128,256,512", "Widths."))
@click.option("--lengths", **lists("64,256,1024", "Sequence lengths."))
@click.option("--depth", type=click.IntRange(1), default=4, show_default=True)
@click.option("--blocks", **lists("4", "Blocks of the architectures that have them."))
@click.option("--precision", **lists("fp32,bf16", "Precisions.", names))
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--batch-size", **lists("auto", "Requests, or `auto`: 4096 events a step.", batch))
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=4.0, show_default=True,
              help="Of training per cell.")  # fmt: skip
@click.option("--memory", is_flag=True, help="Instead: memory of a step in each form of attention.")
@click.option("--catalogue", is_flag=True, help="Instead: time per step at 1e4, 1e5, 1e6 items.")
@click.option("--against-recbole", is_flag=True, help="Instead: beside RecBole's SASRec.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures.")
def training(
    architectures: list[str],
    widths: list[int],
    lengths: list[int],
    depth: int,
    blocks: list[int],
    precision: list[str],
    device: str,
    threads: int,
    batch_size: int | None,
    seconds: float,
    memory: bool,
    catalogue: bool,
    against_recbole: bool,
    json_file: Path | None,
) -> None:
    """Examples/s and FLOP/s of training, and their ratio to the matrix-product peak of now.

    Real steps of trials on the embedded data: batches, both passes and the optimizers; warm-up left
    out; generated data may come from the cache. See docs/performance.md for every column.
    """
    if memory + catalogue + against_recbole > 1:
        raise ValueError("choose one of --memory, --catalogue and --against-recbole")
    from scaling.cli import bench_training
    from scaling.cli.output import closing
    from scaling.units import write_json

    for name in precision:
        if name not in ("fp32", "bf16"):
            raise ValueError(f"unknown precision {name!r}; valid: fp32, bf16")
    grid = bench_training.Grid(
        architectures, widths, lengths, depth, blocks, precision, device, threads, batch_size, seconds
    )  # fmt: skip
    if memory:
        found = bench_training.memory(grid)
    elif catalogue:
        found = bench_training.catalogue(grid)
    elif against_recbole:
        found = bench_training.against_recbole(grid)
    else:
        found = bench_training.speed(grid)
    if json_file:
        write_json(json_file, found)
    closing([json_file] if json_file else [], "climber plan quickstart")


@bench.command("turbo")
@click.option("--part", type=click.Choice(["training", "serving", "all"]), default="all",
              show_default=True)  # fmt: skip
@click.option("--architectures", **lists("transformer,astro", "Which ones.", names))
@click.option("--depths", **lists("2,4", "Layers; serving compares at the most."))
@click.option("--blocks", **lists("2,4", "Blocks of the architectures that have them; serving: "
                                   "the fewest."))  # fmt: skip
@click.option("--width", type=click.IntRange(1), help="[default: training 64, serving 128]")
@click.option("--length", type=click.IntRange(1),
              help="Events of a history, all views.  [default: training 200, serving 512]")  # fmt: skip
@click.option("--items", **lists("1,6,16,64,128", "Training: items per record."))
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=0.8, show_default=True,
              help="Of training per arm.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A folder for figures.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures.")
def turbo(
    part: str,
    architectures: list[str],
    depths: list[int],
    blocks: list[int],
    width: int | None,
    length: int | None,
    items: list[int],
    seconds: float,
    output: Path | None,
    json_file: Path | None,
) -> None:
    """What one history for many items saves, beside what the FLOPs allow.

    Training: whole requests over single items, at equal tokens per step. Serving: the inference
    engine per candidate, per request and from its cache. The same engine in all arms, in turns; see
    docs/performance.md.
    """
    from scaling.cli import bench_turbo, bench_turbo_serving
    from scaling.cli.output import closing
    from scaling.units import write_json

    found: dict[str, Any] = {}
    if part != "serving":
        shapes = bench_turbo.Shapes(architectures, depths, blocks, width or 64, length or 200)
        found |= bench_turbo.training(shapes, items, seconds)
    if part != "training":
        shapes = bench_turbo.Shapes(architectures, depths, blocks, width or 128, length or 512)
        found |= bench_turbo_serving.serving(shapes)
    written = [json_file] if json_file else []
    if json_file:
        write_json(json_file, found)
    if output:
        from scaling.analysis.plots import write_plots
        from scaling.analysis.records_figure import records_figure
        from scaling.analysis.serving_figure import serving_figure

        drawn = {"training": records_figure, "latency": serving_figure}
        figures = [draw(found[name]) for name, draw in drawn.items() if name in found]
        written += write_plots(output, figures)
    closing(written, "climber bench training")


@bench.command("reading")
@click.option("--width", type=click.IntRange(16), default=64, show_default=True)
@click.option("--views", type=click.IntRange(1, 8), default=4, show_default=True)
@click.option("--length", type=click.IntRange(1), default=512, show_default=True,
              help="Events of each view.")  # fmt: skip
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
def reading(width: int, views: int, length: int, device: str, batch_size: int) -> None:
    """Requests/s that one process reads, beside those that a training step consumes."""
    from scaling.cli.output import closing, print_table
    from scaling.sweeps.benchmark_reading import measure_reading

    found = measure_reading(
        width=width, views=views, length=length, device=device, batch_size=batch_size
    )
    rows = [
        ("events of a request, all views", f"{found.events_per_request:,.0f}"),
        ("padding", f"{found.padding:.1%}"),
        ("read requests/s", f"{found.read:,.0f}"),
        (f"trained requests/s (astro, width {width})", f"{found.trained:,.1f}"),
        ("read over trained", f"{found.read / found.trained:,.1f}"),
    ]
    print_table(f"reading {views} views of {length} events", ("what", "measured"), rows)
    closing([], "climber bench training")


@bench.command("fit")
@click.option("--coverage", is_flag=True, help="Instead: whether intervals cover, by simulation.")
@click.option("--comparisons", is_flag=True, help="Instead: the same of multiplier and crossing.")
@click.option("--simulations", type=click.IntRange(40), default=2000, show_default=True,
              help="Of each cell by the delta method; a quarter for every other.")  # fmt: skip
@click.option("--cells", type=click.Choice(["corners", "all"]), default="all", show_default=True)
@click.option("--huber-delta", type=click.FloatRange(0, min_open=True),
              help="Huber's function instead of least squares in the coverage study.")  # fmt: skip
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures.")
def fit(
    coverage: bool,
    comparisons: bool,
    simulations: int,
    cells: str,
    huber_delta: float | None,
    json_file: Path | None,
) -> None:
    """Time of a fit, a bootstrap and large tables; or the coverage studies.

    What they found stands in docs/coverage.md and docs/comparison.md.
    """
    from scaling.cli import bench_fit
    from scaling.cli.output import closing, warn
    from scaling.units import write_json

    if coverage and comparisons:
        raise ValueError("choose one of --coverage and --comparisons")
    if coverage:
        found = bench_fit.coverage(simulations, cells == "corners", huber_delta)
    elif comparisons:
        found = bench_fit.comparisons(simulations // 4)
    else:
        found = bench_fit.speed()
    if json_file:
        write_json(json_file, found)
    for text in found.get("failures", []):
        warn(text)
    closing([json_file] if json_file else [], "climber fit --help")


@bench.command("data")
@click.option("--events", type=float, default=1e6, show_default=True, help="How many are made up.")
@click.option("--memory", default="4GB", show_default=True, help="For `climber data prepare`.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False, exists=True),
              help="Where they are written and deleted again [default: the temporary folder].")  # fmt: skip
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures.")
def data(events: float, memory: str, folder: Path | None, json_file: Path | None) -> None:
    """Rows/s of the embedded data set's generator; events/s and peak memory of `data prepare`.

    The second is fed with made-up events in Yambda's format, in the order of time, so that all of
    them change their places; what was written is compared with them.
    """
    if not 10 <= events <= 1e10:
        raise ValueError(f"--events must be between 10 and 1e10, got {events:g}")
    from scaling.cli import bench_data
    from scaling.cli.output import closing
    from scaling.units import write_json

    found = {
        "generation": bench_data.generation(),
        "conversion": bench_data.conversion(int(events), memory, folder),
    }
    if json_file:
        write_json(json_file, found)
    closing([json_file] if json_file else [], "climber data list")


@bench.command("report")
@click.option("--runs", type=click.IntRange(144), default=500, show_default=True,
              help="Of the made-up table, about.")  # fmt: skip
@click.option("--times", type=click.IntRange(1), default=3, show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures.")
def report(runs: int, times: int, json_file: Path | None) -> None:
    """Seconds that a report of many runs takes, and bytes of its page."""
    from scaling.cli import bench_report
    from scaling.cli.output import closing
    from scaling.units import write_json

    found = bench_report.report(runs, times)
    if json_file:
        write_json(json_file, found)
    closing([json_file] if json_file else [], "climber report quickstart -o report.html")


bench.add_command(padding)
bench.add_command(serving)
