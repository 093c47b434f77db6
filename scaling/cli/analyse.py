"""`climber fit`, `plot`, `report`: from a run table to laws, pictures and a page."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scaling.cli.source import DRAWS, Source, fitting, undrawn

if TYPE_CHECKING:
    import pandas as pd

    from scaling.analysis.figures import Drawing
    from scaling.analysis.findings import Analysis
    from scaling.analysis.mapper import Mapper
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
    from scaling.cli.cores import all_cores
    from scaling.cli.drawn import drawn
    from scaling.cli.output import closing, warn

    with all_cores() as mapper:
        runs = source.table()
        found, judged = _begun(source, runs, options, mapper)
        figures, skipped = drawn(source, found, judged, mapper)
        for figure in skipped:
            warn(f"no figure {figure.name}: {figure.reason}")
        written = write_plots(
            output, figures, formats=formats.split(","), column=width, mapper=mapper
        )
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
    from scaling.cli.cores import all_cores
    from scaling.cli.output import closing

    with all_cores() as mapper:
        runs = source.table()
        found, judged = _begun(source, runs, options, mapper)
        _write_page(output, source, runs, found, judged, mapper)
    attach(source, [output])
    closing([output], f"open {output}")


def study(title: str, folder: Path, tracking_uri: str | None) -> list[Path]:
    """Everything that is made of a finished sweep: run table, fit, plots, report."""
    from scaling.analysis.plots import write_plots
    from scaling.cli.cores import all_cores
    from scaling.runs import write_runs
    from scaling.units import write_json

    source = Source(title, None, (), tracking_uri)
    with all_cores() as mapper:
        runs = source.table()
        found, judged = _begun(source, runs, {}, mapper)
        show(found, source.facts())
        write_runs(runs, folder / "runs.csv")
        write_json(folder / "fit.json", found.to_dict())
        figures = _write_page(folder / "report.html", source, runs, found, judged, mapper)
        plots = write_plots(folder, figures, mapper=mapper)
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


def _begun(
    source: Source, runs: pd.DataFrame, options: dict[str, Any], mapper: Mapper
) -> tuple[Analysis, Callable[[], Trust]]:
    """The analysis, and what waits for how far it can be trusted: processes work on it meanwhile."""
    from scaling.analysis.trust import trust_begun

    made = functools.cache(lambda: _analyse(source, runs, options))
    # Losses by user and other draws would set the row `as asked` apart from those beside it.
    plain = source.evaluations(options.get("target", "loss")) is None
    plain = plain and all(options.get(name) is None for name in DRAWS)
    judged = trust_begun(runs, made=made if plain else None, mapper=mapper, **undrawn(options))
    return made(), judged


def _write_page(
    output: Path,
    source: Source,
    runs: pd.DataFrame,
    found: Analysis,
    judged: Callable[[], Trust],
    mapper: Mapper,
) -> list[Drawing]:
    """The report of an analysis, with how far it can be trusted; returns its figures."""
    from scaling.cli.drawn import drawn
    from scaling.cli.report_data import sweep_data
    from scaling.dashboards.report import write_report

    figures, skipped = drawn(source, found, judged, mapper)
    write_report(
        output,
        runs=runs,
        analysis=found,
        figures=figures,
        skipped=skipped,
        trust=judged(),
        data=sweep_data(source.sweep, source.tracking_uri),
        title=source.title(),
        command=f"climber report {source.words} -o {output.name}",
        proposal=f"climber next {source.words} --max-compute C -o next.json",
        facts=source.facts(),
        mapper=mapper,
    )
    return figures


def attach(source: Source, paths: list[Path]) -> None:
    """Keep what was made of a logged sweep with the sweep."""
    if source.runs is None:
        from scaling.tracking import SweepTracker

        SweepTracker(source.experiment(), tracking_uri=source.tracking_uri).attach(
            paths, "analysis"
        )
