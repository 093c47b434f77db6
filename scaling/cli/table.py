"""`climber table`: the best configuration of each architecture or variant, with standard errors."""

from __future__ import annotations

import math
from pathlib import Path

import click

from scaling.cli.output import TRACKING_URI, closing, print_table
from scaling.cli.source import Source


@click.command()
@click.argument("sweep", required=False)
@click.option("--runs", type=click.Path(path_type=Path), help="A run table instead of SWEEP.")
@click.option("--by", default="variant", show_default=True, help="The column of groups.")
@click.option(
    "--metric",
    multiple=True,
    default=("auc", "ne", "loss"),
    show_default=True,
    help="What to show; the first one orders.",
)
@click.option("--column", multiple=True, metavar="NAME=THEIRS", help="A column's other name.")
@click.option("--allow-mixed", is_flag=True, help="Several data sets, side by side.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write it as Markdown.")
@TRACKING_URI
def table(
    sweep: str | None,
    runs: Path | None,
    by: str,
    metric: tuple[str, ...],
    column: tuple[str, ...],
    allow_mixed: bool,
    output: Path | None,
    tracking_uri: str | None,
) -> None:
    """Rank architectures or variants: mean and standard error over seeds.

    Each group's configuration is chosen by validation; the numbers are of the test part.
    """
    from scaling.analysis.leaderboard import SETTINGS, leaderboard
    from scaling.units import MISSING, format_si, write_text

    source = Source(sweep, runs, column, tracking_uri)
    entries = leaderboard(source.table(), metrics=metric, by=by, allow_mixed=allow_mixed)
    metrics = list(entries[0].metrics)
    # A setting that all have in common needs no column.
    settings = [
        name
        for name in SETTINGS
        if len({f"{e.settings[name]:.3g}" for e in entries if name in e.settings}) > 1
    ]
    head = [by, *metrics, "seeds", "of", *settings]
    rows = []
    for entry in entries:
        shown = [_with_error(*entry.metrics[name]) for name in metrics]
        values = [entry.settings.get(name, math.nan) for name in settings]
        sizes = [format_si(v) if math.isfinite(v) and v else MISSING for v in values]
        rows.append([entry.group, *shown, str(entry.seeds), str(entry.configurations), *sizes])
    title = (
        f"mean ± standard error over seeds, on test; chosen by {entries[0].chosen_by} "
        "(of: configurations to choose from)"
    )
    print_table(title, head, rows)
    written = []
    if output is not None:
        lines = [head, ["---"] * len(head), *rows]
        write_text(output, "".join(f"| {' | '.join(line)} |\n" for line in lines))
        written.append(output)
    closing(written, f"climber report {source.words} -o report.html")


def _with_error(mean: float, error: float) -> str:
    """`.8174 ± .0006`; the error is missing for one seed."""
    from scaling.units import MISSING

    if not math.isfinite(mean):
        return MISSING
    shown = f"{mean:.4f}".removeprefix("0")
    return shown + (f" ± {error:.4f}".replace("± 0.", "± .") if math.isfinite(error) else "")
