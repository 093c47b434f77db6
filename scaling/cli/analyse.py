"""`climber fit`, `plot`, `report`: from a run table to laws, pictures and a page."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from scaling.cli.output import TRACKING_URI

if TYPE_CHECKING:
    import pandas as pd

    from scaling.analysis.findings import Analysis

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Source:
    """Where the runs come from, and what was asked of them."""

    sweep: str | None
    runs: Path | None
    columns: tuple[str, ...]
    tracking_uri: str | None

    @property
    def words(self) -> str:
        """As on the command line."""
        if self.runs is None:
            return str(self.sweep)
        return f"--runs {self.runs}" + "".join(f" --column {c}" for c in self.columns)

    def title(self) -> str:
        return self.runs.stem if self.runs is not None else self.experiment()

    def experiment(self) -> str:
        from scaling.cli.declared import title_of

        assert self.sweep is not None
        return title_of(self.sweep)

    def facts(self) -> dict[str, object]:
        """What the run table can't tell about a logged sweep's data."""
        from scaling.cli.truth import floors_at_views

        if self.sweep is None:
            return {}
        floors = floors_at_views(self.sweep, self.tracking_uri)
        return {"loss_floor_at": floors} if floors else {}

    def table(self) -> pd.DataFrame:
        """The run table, failed runs included: the analysis lists what it leaves out."""
        from scaling.cli.output import assignments
        from scaling.runs import read_runs

        if (self.sweep is None) == (self.runs is None):
            raise click.UsageError("say either SWEEP or --runs FILE")
        if self.runs is not None:
            return read_runs(self.runs, assignments(self.columns, "--column"))
        if self.columns:
            raise click.UsageError("--column goes with --runs FILE")
        from scaling.tracking_read import read_runs as read_logged

        return read_logged(self.experiment(), tracking_uri=self.tracking_uri, everything=True)


def fitting(command: F) -> F:
    """The options that all fitting commands share; calls with `source` and `options`."""

    @click.argument("sweep", required=False)
    @click.option("--runs", type=click.Path(path_type=Path), help="A run table instead of SWEEP.")
    @click.option("--law", default="offset", show_default=True, help="See `climber list laws`.")
    @click.option("--target", default="loss", show_default=True, help="The column to explain.")
    @click.option("--by", default="architecture", show_default=True, help="The column of groups.")
    @click.option("--fix", multiple=True, metavar="NAME=VALUE", help="A parameter that is given.")
    @click.option("--objective", type=click.Choice(["huber", "squares"]), default="huber")
    @click.option("--huber-delta", type=float, default=1e-3, show_default=True)
    @click.option("--level", type=float, default=0.95, show_default=True)
    @click.option("--bootstrap", type=int, default=2000, show_default=True, metavar="K")
    @click.option("--seed", type=int, default=0, show_default=True)
    @click.option("--column", multiple=True, metavar="NAME=THEIRS", help="A column's other name.")
    @click.option("--all-runs", is_flag=True, help="Fit every run, not the frontier.")
    @click.option("--allow-mixed", is_flag=True, help="Several data sets, side by side.")
    @TRACKING_URI
    @functools.wraps(command)
    def wrapped(
        sweep: str | None,
        runs: Path | None,
        column: tuple[str, ...],
        tracking_uri: str | None,
        fix: tuple[str, ...],
        **rest: Any,
    ) -> Any:
        from scaling.cli.output import assignments

        source = Source(sweep, runs, column, tracking_uri)
        names = ("law", "target", "by", "objective", "huber_delta", "level", "bootstrap", "seed")
        options = {name: rest.pop(name) for name in (*names, "all_runs", "allow_mixed")}
        options["fixed"] = {
            name: _number(name, value) for name, value in assignments(fix, "--fix").items()
        }
        return command(source=source, options=options, **rest)

    return wrapped  # type: ignore[return-value]


@click.command()
@fitting
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the fit here.")
def fit(source: Source, options: dict[str, Any], json_file: Path | None) -> None:
    """Fit a scaling law to each architecture, with intervals.

    SWEEP is a sweep in MLflow; --runs takes anybody's table. Laws in compute are fitted to the
    frontier (the best configuration of each budget by validation), others to all runs.
    """
    from scaling.cli.output import closing

    found = analysed(source, options)
    show(found, source.facts())
    written = []
    if json_file is not None:
        from scaling.units import write_json

        write_json(json_file, found.to_dict())
        written.append(json_file)
    closing(written, f"climber report {source.words} -o report.html")
    if found.failed():
        raise click.exceptions.Exit(1)


@click.command()
@fitting
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="A folder.")
def plot(source: Source, options: dict[str, Any], output: Path) -> None:
    """Draw loss against compute, parameters and sequence length, as PNG and SVG."""
    from scaling.analysis.figures import figures
    from scaling.analysis.plots import write_plots
    from scaling.cli.output import closing, warn

    drawn, skipped = figures(analysed(source, options))
    for figure in skipped:
        warn(f"no figure {figure.name}: {figure.reason}")
    written = write_plots(output, drawn)
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
    found = _analyse(runs, options)
    write_page(output, source, runs, found)
    attach(source, [output])
    closing([output], f"open {output}")


def study(title: str, folder: Path, tracking_uri: str | None) -> list[Path]:
    """Everything that is made of a finished sweep: run table, fit, plots, report."""
    from scaling.analysis.figures import figures
    from scaling.analysis.plots import write_plots
    from scaling.runs import write_runs
    from scaling.units import write_json

    source = Source(title, None, (), tracking_uri)
    runs = source.table()
    found = _analyse(runs, {})
    show(found, source.facts())
    drawn, _ = figures(found)
    write_runs(runs, folder / "runs.csv")
    write_json(folder / "fit.json", found.to_dict())
    plots = write_plots(folder, drawn)
    write_page(folder / "report.html", source, runs, found)
    written = [folder / "runs.csv", folder / "fit.json", *plots, folder / "report.html"]
    attach(source, written)
    return written


def analysed(source: Source, options: dict[str, Any]) -> Analysis:
    return _analyse(source.table(), options)


def _analyse(runs: pd.DataFrame, options: dict[str, Any]) -> Analysis:
    from scaling.analysis.summary import analyse

    return analyse(runs, **options)


def show(found: Analysis, facts: Mapping[str, object]) -> None:
    """Parameters with intervals, warnings, the verdicts in words, and what is known besides."""
    from scaling.cli.output import print_table, warn

    columns, rows = found.table()
    print_table(f"{found.target} by law `{found.law.name}`", columns, rows)
    for text in found.warnings:
        warn(text)
    for name, group in found.groups.items():
        for text in group.warnings:
            warn(f"{name}: {text}")
    if len(found.excluded):
        reasons = found.excluded["excluded"].value_counts()
        listed = "; ".join(f"{count} {reason}" for reason, count in reasons.items())
        warn(f"{len(found.excluded)} runs are left out: {listed}")
    for comparison in found.comparisons:
        click.echo(comparison.sentence())
    for reference in found.references:
        click.echo(reference.sentence(found.target))
    floors = facts.get("loss_floor_at", {})
    assert isinstance(floors, dict)
    for name, floor in floors.items():
        click.echo(f"best loss that {name} can reach, from the known truth: {floor:.5f}")


def write_page(output: Path, source: Source, runs: pd.DataFrame, found: Analysis) -> None:
    """The report of an analysis."""
    from scaling.dashboards.report import write_report

    write_report(
        output,
        runs=runs,
        analysis=found,
        title=source.title(),
        command=f"climber report {source.words} -o {output.name}",
        facts=source.facts(),
    )


def attach(source: Source, paths: list[Path]) -> None:
    """Keep what was made of a logged sweep with the sweep."""
    if source.runs is None:
        from scaling.tracking import SweepTracker

        SweepTracker(source.experiment(), tracking_uri=source.tracking_uri).attach(
            paths, "analysis"
        )


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise click.UsageError(f"--fix {name} takes a number, got {text!r}") from None
