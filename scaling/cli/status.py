"""`climber status`, `runs`: what a sweep's record in MLflow holds."""

from __future__ import annotations

from pathlib import Path

import click

from scaling.cli.declared import title_of
from scaling.cli.output import TRACKING_URI


@click.command()
@click.argument("sweep")
@TRACKING_URI
def status(sweep: str, tracking_uri: str | None) -> None:
    """How far a sweep has come, from its record in MLflow and, while it runs, from its driver.

    SWEEP is its name in MLflow, or what was launched: path.py:function or a spec file.
    """
    from scaling.cli.live import show_live
    from scaling.cli.output import closing, print_table
    from scaling.sweeps.base import Sweep
    from scaling.tracking_lease import read_lease
    from scaling.tracking_read import read_runs, read_spec
    from scaling.units import format_si

    title = title_of(sweep)
    lease = read_lease(title, tracking_uri=tracking_uri)
    if lease is not None:
        show_live(lease, sweep)
    trials = Sweep.from_dict(read_spec(title, tracking_uri=tracking_uri)).trials
    digests = {trial.digest() for trial in trials}
    table = read_runs(title, tracking_uri=tracking_uri, everything=True, digests=digests)
    finished = table[table["status"] == "finished"].drop_duplicates("digest")
    unfinished = table[~table["digest"].isin(finished["digest"])]
    failed = unfinished[unfinished["status"] == "failed"].drop_duplicates("digest", keep="last")
    stopped = unfinished[unfinished["status"] == "stopped"].drop_duplicates("digest", keep="last")
    rows = []
    for architecture in sorted({trial.model.name for trial in trials}):
        mine = [trial for trial in trials if trial.model.name == architecture]
        done = finished[finished["architecture"] == architecture]
        best = f"{done['loss'].min():.5f}" if len(done) else "-"
        rows.append(
            (
                architecture,
                len(mine),
                len(done),
                int((failed["architecture"] == architecture).sum()),
                int((stopped["architecture"] == architecture).sum()),
                len(mine) - len(done),
                format_si(float(done["compute"].sum()), "FLOP"),
                best,
            )
        )
    columns = (
        "architecture", "trials", "finished", "failed", "stopped", "to do", "compute", "best loss"
    )  # fmt: skip
    print_table(f"{title}: {len(finished)} of {len(digests)} trials finished", columns, rows)
    for _, row in failed.iterrows():
        click.echo(f"failed: {row['architecture']} {row['digest']}: {row['reason']}")
    left = len(digests) - len(finished)
    going_on = "status" if lease is not None and not lease.stale else "sweep"
    closing([], f"climber {going_on} {sweep}" if left else f"climber fit {sweep}")


@click.command()
@click.argument("sweep")
@click.option("--all", "everything", is_flag=True, help="Failed and repeated runs too.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="A .csv or .parquet file.",
)
@TRACKING_URI
def runs(sweep: str, everything: bool, output: Path, tracking_uri: str | None) -> None:
    """Write a sweep's run table: one row per trial.

    SWEEP is its name in MLflow, or what was launched: path.py:function or a spec file.
    """
    from scaling.cli.output import closing
    from scaling.runs import write_runs
    from scaling.tracking_read import read_runs

    table = read_runs(title_of(sweep), tracking_uri=tracking_uri, everything=everything)
    write_runs(table, output)
    click.echo(
        f"{len(table)} runs; read them with: pandas.read_{output.suffix[1:]}({str(output)!r})"
    )
    closing([output], f"climber fit --runs {output}")
