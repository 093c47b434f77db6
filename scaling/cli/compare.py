"""`climber compare`: which of two architectures is cheaper, by how much, from where on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scaling.cli.source import Source, fitting

if TYPE_CHECKING:
    from scaling.analysis.comparison import Comparison
    from scaling.analysis.versus import Versus


@click.command()
@fitting
@click.option("--baseline", required=True, help="What the candidate is held against.")
@click.option("--candidate", required=True, help="What may be cheaper.")
@click.option(
    "--cost",
    type=click.Choice(
        [
            "compute",
            "flops_per_request",
            "train_seconds",
            "latency_ms",
            "latency_cached_ms",
            "params",
        ]
    ),
    default="compute",
    show_default=True,
    help="What the two are held equal in.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write it here.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A folder for the figure.")
def compare(
    source: Source,
    options: dict[str, Any],
    baseline: str,
    candidate: str,
    cost: str,
    json_file: Path | None,
    output: Path | None,
) -> None:
    """Compare two architectures at equal loss: the multiplier, the crossing, the verdict.

    The multiplier says how much more the baseline needs than the candidate for the same loss: above
    1 the candidate is cheaper. It is decided at the largest compute that rests on no extrapolation.
    """
    from scaling.analysis.law import FitError
    from scaling.analysis.sides import excluded_runs
    from scaling.analysis.versus import Setting, versus
    from scaling.cli.output import closing, warn_left_out

    if options.pop("all_runs"):
        raise click.UsageError("--all-runs: compare compares frontiers")
    options.pop("bootstrap", None)
    draws = options.pop("comparison_draws", Setting.draws)
    runs = source.table()
    target, by = options["target"], options["by"]
    try:
        found = versus(
            runs, baseline, candidate, cost=cost, draws=draws, **options,
            evaluations=source.evaluations(target),
        )  # fmt: skip
    except FitError as error:
        click.echo(f"error: {error}", err=True)
        raise click.exceptions.Exit(1) from error
    warn_left_out(excluded_runs(runs, (baseline, candidate), by, cost, target)["excluded"])
    for one in found:
        _show(one)
    written = _written(found, cost, json_file, output)
    closing(written, f"climber report {source.words} -o report.html")


def _show(found: Versus) -> None:
    from scaling.cli.output import print_table, warn
    from scaling.units import format_si

    comparison = found.comparison
    baseline, candidate = found.names
    title = f"{baseline} over {candidate}" + (f", {found.scope}" if found.scope else "")
    level = f"{comparison.level:.0%} interval"
    rows = [
        [
            format_si(at.compute, digits=3),
            format_si(at.value, digits=3),
            _interval(at.interval),
            "yes" if at.extrapolated else "no",
            "decides" if at is comparison.at else "",
        ]
        for at in comparison.multiplier
    ]
    head = [f"{comparison.quantity} ({comparison.unit})", "multiplier", level, "extrapolated", ""]
    print_table(f"multiplier of {title}", head, rows, words=0)
    print_table("crossing and exponents", ["", "value", level], _further(found, comparison))
    counts = [
        [name, *("–" if not n else str(n) for n in side)]
        for name, side in zip(found.names, (found.tries.baseline, found.tries.candidate))
    ]
    budgets = ["all" if b != b else format_si(b, digits=3) for b in found.tries.budgets]
    print_table("configurations per budget", ["", *budgets], counts)
    if found.tries.unequal:
        warn(
            f"{found.tries.sentence(found.names)}: they differ by a factor {found.tries.ratio:.1f}; "
            "the result is repeated with the smaller number of both"
        )
    if found.scope:
        click.echo(f"{found.scope}:")
    for text in found.sentences():
        click.echo(text)


def _further(found: Versus, comparison: Comparison) -> list[list[str]]:
    from scaling.analysis.result import number
    from scaling.units import MISSING, format_si

    crossing = comparison.crossing
    place = MISSING if crossing.compute is None else format_si(crossing.compute, digits=3)
    ends = ["open" if end is None else format_si(end, digits=3) for end in crossing.interval]
    rows = [
        [f"crossing ({comparison.unit})", place, " to ".join(ends) if crossing.compute else ""],
        ["probability of a crossing", _share(crossing.probability), ""],
        ["probability inside the common range", _share(crossing.probability_in_range), ""],
    ]
    for name, fitted in zip(found.names, (found.paired.baseline, found.paired.candidate)):
        for parameter in fitted.law.exponents:
            low, high = fitted.interval(comparison.level)[parameter]
            value = number(fitted.params[parameter])
            rows.append([f"{parameter} of {name}", value, f"{number(low)} to {number(high)}"])
    if comparison.exponent_difference is not None:
        value_, (low, high) = comparison.exponent_difference
        rows.append(["difference of exponents", number(value_), f"{number(low)} to {number(high)}"])
    return rows


def _share(value: float | None) -> str:
    from scaling.units import MISSING

    return MISSING if value is None else f"{value:.0%}"


def _interval(ends: tuple[float, float]) -> str:
    from scaling.units import format_si

    return " to ".join(format_si(end, digits=3) for end in ends)


def _written(
    found: list[Versus], cost: str, json_file: Path | None, output: Path | None
) -> list[Path]:
    from scaling.analysis.compare_figure import multiplier_vs_compute
    from scaling.analysis.cost import cost_of
    from scaling.analysis.figure import Figure
    from scaling.analysis.plots import write_plots
    from scaling.cli.output import warn
    from scaling.units import write_json

    written: list[Path] = []
    if json_file is not None:
        parts = [one.to_dict() for one in found]
        mixed = found[0].scope != ""
        write_json(json_file, {"comparisons": parts} if mixed else parts[0])
        written.append(json_file)
    for number, one in enumerate(found) if output is not None else ():
        assert output is not None
        figure = multiplier_vs_compute([one], cost_of(cost))
        if isinstance(figure, Figure):
            folder = output / str(number + 1) if len(found) > 1 else output
            written += write_plots(folder, [figure])
        else:
            warn(f"no figure {figure.name}: {figure.reason}")
    return written
