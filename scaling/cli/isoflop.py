"""`climber isoflop`: the best size of each budget, and how it moves with compute."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scaling.cli.output import TRACKING_URI
from scaling.cli.source import Source

if TYPE_CHECKING:
    from scaling.analysis.isoflop_result import Isoflop
    from scaling.analysis.optimum import Best


@click.command()
@click.argument("sweep", required=False)
@click.option("--runs", type=click.Path(path_type=Path), help="A run table instead of SWEEP.")
@click.option(
    "--size",
    type=click.Choice(["params", "flops_per_request"]),
    default="params",
    show_default=True,
    help="What a model's size is.",
)
@click.option("--target", default="loss", show_default=True, help="The column to minimise.")
@click.option("--by", default="architecture", show_default=True, help="The column of groups.")
@click.option(
    "--method",
    type=click.Choice(["exponentials", "parabola", "cubic", "akima", "law"]),
    default="exponentials",
    show_default=True,
    help="Whose minima are reported; the others stand beside them.",
)
@click.option(
    "--budget",
    "at",
    type=float,
    multiple=True,
    metavar="C",
    help="Say the best shape at this compute; may be repeated.",
)
@click.option("--level", type=float, default=0.95, show_default=True)
@click.option("--bootstrap", type=int, default=1000, show_default=True, metavar="K")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--column", multiple=True, metavar="NAME=THEIRS", help="A column's other name.")
@click.option("--allow-mixed", is_flag=True, help="Several data sets, side by side.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result here.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="A folder for the figure, PNG and SVG."
)
@TRACKING_URI
def isoflop(
    sweep: str | None,
    runs: Path | None,
    column: tuple[str, ...],
    tracking_uri: str | None,
    at: tuple[float, ...],
    json_file: Path | None,
    output: Path | None,
    **options: Any,
) -> None:
    """Find the best size of each training budget, and how it moves with compute.

    The minimum of loss against size is found by several methods. Where the sizes don't enclose
    one, the budget is refused with the reason: nothing is extrapolated from its edge.
    """
    from scaling.analysis.isoflop import isoflop as analysed
    from scaling.analysis.optimum import optimal_shape
    from scaling.cli.output import closing, warn
    from scaling.units import write_json

    source = Source(sweep, runs, column, tracking_uri)
    found = analysed(source.table(), **options)
    shapes = {compute: optimal_shape(found, compute) for compute in at}
    _show(found)
    for compute, shape in shapes.items():
        _show_shape(compute, shape)
    written = []
    if output is not None:
        from scaling.analysis.figure import Figure
        from scaling.analysis.isoflop_figure import isoflop_valleys
        from scaling.analysis.plots import write_plots

        figure = isoflop_valleys(found)
        if isinstance(figure, Figure):
            written += write_plots(output, [figure])
        else:
            warn(f"no figure {figure.name}: {figure.reason}")
    if json_file is not None:
        described = found.to_dict()
        if shapes:
            described["optimal_shape"] = [
                {
                    "compute": compute,
                    "groups": {
                        name: {axis: best.to_dict() for axis, best in axes.items()}
                        for name, axes in shape.items()
                    },
                }
                for compute, shape in shapes.items()
            ]
        write_json(json_file, described)
        written.append(json_file)
    closing(written, _next(found, source, at))
    if found.failed():
        raise click.exceptions.Exit(1)


def _show(found: Isoflop) -> None:
    """Minima by method, exponents, and what was refused or left out."""
    from scaling.cli.output import print_table, warn, warn_left_out

    head, rows = found.table()
    if rows:
        print_table(f"best {found.size} by {found.method}, {found.level:.0%} intervals", head, rows)
        if any(cell.endswith("*") for row in rows for cell in row):
            click.echo("* outside the interval, and further off than noise explains")
    head, rows = found.exponent_table()
    print_table("how the best values move with compute", head, rows, words=2)
    for text in found.warnings:
        warn(text)
    for name, group in found.groups.items():
        for text in group.warnings:
            warn(f"{name}: {text}")
        refused = [(found.size, group.refused)]
        refused += [(axis, kept.refused) for axis, kept in group.axes.items()]
        for axis, listed in refused:
            for one in listed:
                warn(f"{name}: no best {axis} at {one.compute:.3g} FLOPs: {one.reason}")
    warn_left_out(found.excluded["excluded"])


def _show_shape(compute: float, shape: dict[str, dict[str, Best]]) -> None:
    from scaling.analysis.isoflop_result import shown
    from scaling.cli.output import print_table
    from scaling.units import MISSING

    rows = []
    for name, axes in shape.items():
        for axis, best in axes.items():
            value = MISSING if best.value is None else shown(best.value, best.interval)
            note = "; ".join(
                text for text in ("extrapolated" if best.extrapolated else "", best.reason) if text
            )
            rows.append([name, axis, value, note])
    print_table(
        f"best shape at {compute:.3g} FLOPs", ["group", "axis", "best", "note"], rows, words=2
    )


def _next(found: Isoflop, source: Source, at: tuple[float, ...]) -> str:
    if at:
        return f"climber fit {source.words}"
    largest = max(budget.compute for group in found.groups.values() for budget in group.budgets)
    return f"climber isoflop {source.words} --budget {10 * largest:.1g}"
