"""`climber fit`, `plot`, `report`: from a run table to laws, pictures and a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scaling.cli.source import Source, fitting, undrawn

if TYPE_CHECKING:
    import pandas as pd

    from scaling.analysis.figures import Drawing
    from scaling.analysis.findings import Analysis
    from scaling.analysis.trust import Trust


@click.command()
@fitting
@click.option("--share", multiple=True, metavar="NAME", help="Besides: with this in common.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the fit here.")
def fit(
    source: Source, options: dict[str, Any], share: tuple[str, ...], json_file: Path | None
) -> None:
    """Fit a scaling law to each architecture, with intervals.

    SWEEP is a sweep in MLflow; --runs takes anybody's table. Laws in compute are fitted to the
    frontier (the best of each budget by validation), others to all runs. With --share E the floor,
    say, is fitted once for all.
    """
    from scaling.cli.output import closing, print_table

    found = analysed(source, options)
    show(found, source.facts())
    described, written = found.to_dict(), []
    if share:
        from scaling.analysis.jointly import jointly

        same = {name: options[name] for name in ("objective", "huber_delta", "seed")}
        joint = jointly(found, share, **same)
        print_table(f"{' and '.join(share)} in common", *joint.table())
        for text in joint.sentences():
            click.echo(text)
        described["joint"] = joint.to_dict()
    if json_file is not None:
        from scaling.units import write_json

        write_json(json_file, described)
        written.append(json_file)
    closing(written, f"climber report {source.words} -o report.html")
    if found.failed():
        raise click.exceptions.Exit(1)


@click.command()
@fitting
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="A folder.")
@click.option(
    "--format", "formats", default="png,svg", show_default=True, metavar="F[,F ...]",
    help="Of png, svg and pdf.",
)  # fmt: skip
@click.option(
    "--width", type=click.Choice(["single", "double"]),
    help="As wide as a column of a paper (3.4 in) or both (7 in).",
)  # fmt: skip
def plot(
    source: Source, options: dict[str, Any], output: Path, formats: str, width: str | None
) -> None:
    """Draw all figures that the runs have something to say in, each with its data as CSV."""
    from scaling.analysis.figure_table import write_tables
    from scaling.analysis.plots import write_plots
    from scaling.cli.drawn import drawn
    from scaling.cli.output import closing, warn

    runs = source.table()
    figures, skipped = drawn(source, _analyse(source, runs, options), _trust(runs, options))
    for figure in skipped:
        warn(f"no figure {figure.name}: {figure.reason}")
    written = write_plots(output, figures, formats=formats.split(","), column=width)
    written += write_tables(output, figures)
    attach(source, written)
    closing(written, f"climber report {source.words} -o {output / 'report.html'}")


@click.command()
@fitting
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="A .html file."
)
def report(source: Source, options: dict[str, Any], output: Path) -> None:
    """Write one self-contained page: verdict, figures, tables, how it was counted and fitted."""
    from scaling.cli.output import closing

    runs = source.table()
    _write_page(output, source, runs, _analyse(source, runs, options), options)
    attach(source, [output])
    closing([output], f"open {output}")


def study(title: str, folder: Path, tracking_uri: str | None) -> list[Path]:
    """Everything that is made of a finished sweep: run table, fit, plots, report."""
    from scaling.analysis.plots import write_plots
    from scaling.runs import write_runs
    from scaling.units import write_json

    source = Source(title, None, (), tracking_uri)
    runs = source.table()
    found = _analyse(source, runs, {})
    show(found, source.facts())
    write_runs(runs, folder / "runs.csv")
    write_json(folder / "fit.json", found.to_dict())
    figures = _write_page(folder / "report.html", source, runs, found, {})
    plots = write_plots(folder, figures)
    written = [folder / "runs.csv", folder / "fit.json", *plots, folder / "report.html"]
    attach(source, written)
    return written


def analysed(source: Source, options: dict[str, Any]) -> Analysis:
    return _analyse(source, source.table(), options)


def _analyse(source: Source, runs: pd.DataFrame, options: dict[str, Any]) -> Analysis:
    from scaling.analysis.summary import analyse

    read = source.evaluations(options.get("target", "loss"))
    return analyse(runs, **options, evaluations=read)


def show(found: Analysis, facts: Mapping[str, object]) -> None:
    """Parameters with intervals, warnings, the verdicts in words, and what is known besides."""
    from scaling.cli.output import print_table, warn, warn_left_out

    columns, rows = found.table()
    print_table(f"{found.target} by law `{found.law.name}`", columns, rows)
    for text in found.warnings:
        warn(text)
    for name, group in found.groups.items():
        for text in group.warnings:
            warn(f"{name}: {text}")
    warn_left_out(found.excluded["excluded"])
    for comparison in found.comparisons:
        click.echo(comparison.sentence())
    for reference in found.references:
        click.echo(reference.sentence(found.target))
    floors = facts.get("loss_floor_at", {})
    assert isinstance(floors, dict)
    for name, floor in floors.items():
        click.echo(f"best loss that {name} can reach, from the known truth: {floor:.5f}")


def _trust(runs: pd.DataFrame, options: dict[str, Any]) -> Trust:
    from scaling.analysis.trust import trust
    from scaling.cli.cores import all_cores

    with all_cores() as mapper:
        return trust(runs, mapper=mapper, **undrawn(options))


def _write_page(
    output: Path, source: Source, runs: pd.DataFrame, found: Analysis, options: dict[str, Any]
) -> list[Drawing]:
    """The report of an analysis, with how far it can be trusted; returns its figures."""
    from scaling.cli.drawn import drawn
    from scaling.cli.report_data import sweep_data
    from scaling.dashboards.report import write_report

    judged = _trust(runs, options)
    figures, skipped = drawn(source, found, judged)
    write_report(
        output,
        runs=runs,
        analysis=found,
        figures=figures,
        skipped=skipped,
        trust=judged,
        data=sweep_data(source.sweep, source.tracking_uri),
        title=source.title(),
        command=f"climber report {source.words} -o {output.name}",
        proposal=f"climber next {source.words} --max-compute C -o next.json",
        facts=source.facts(),
    )
    return figures


def attach(source: Source, paths: list[Path]) -> None:
    """Keep what was made of a logged sweep with the sweep."""
    if source.runs is None:
        from scaling.tracking import SweepTracker

        SweepTracker(source.experiment(), tracking_uri=source.tracking_uri).attach(
            paths, "analysis"
        )
