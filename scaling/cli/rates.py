"""`climber rates`: search the learning rate of each size, and write a spec that uses it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scaling.cli.cluster import ADDRESS
from scaling.cli.output import SET, TRACKING_URI

if TYPE_CHECKING:
    from scaling.sweeps.base import Sweep


@click.command()
@click.argument("sweep")
@SET
@click.option(
    "--factors",
    metavar="F1,F2",
    help="Rates to try, times the declared one [default: 0.25,0.5,1,2,4].",
)
@ADDRESS
@click.option("--takeover", is_flag=True, help="Take the search from a driver that runs it now.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="A .json file.",
)
@TRACKING_URI
def rates(
    sweep: str,
    axes: tuple[str, ...],
    factors: str | None,
    address: str | None,
    takeover: bool,
    output: Path,
    tracking_uri: str | None,
) -> None:
    """Search the learning rate of each size of a sweep, by ASHA at its smallest budget.

    Writes the sweep with the rates found as a spec, which says what the search has cost. Without a
    search one declared rate serves all sizes by a transfer rule (docs/learning-rates.md).
    """
    from scaling.cli.declared import load
    from scaling.cli.output import closing, warn
    from scaling.cli.sweep import run
    from scaling.sweeps.rate_search import FACTORS, search_of, searched
    from scaling.tracking_read import read_runs
    from scaling.units import write_json

    if output.suffix != ".json":
        raise click.UsageError(f"-o {output} must end in .json")
    search = search_of(load(sweep, axes, None), FACTORS if factors is None else _numbers(factors))
    outcome = run(
        search.sweep,
        address=address,
        force=False,
        tracking_uri=tracking_uri,
        takeover=takeover,
        stopping=search.rule(),
    )
    if outcome.missing:
        raise click.exceptions.Exit(1)
    runs = read_runs(
        search.sweep.title, tracking_uri=tracking_uri, everything=True, digests=search.groups
    )
    found = searched(search, runs)
    _show(found)
    for one in found.searches:
        if one.at_an_end:
            warn(f"{one.model}: {one.chosen:.3g} is at an end of the rates tried")
    write_json(output, found.to_dict())
    closing([output], f"climber plan {output}, then climber sweep {output}")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise click.UsageError(f"--factors takes numbers, as 0.5,1,2; got {text!r}") from None


def _show(found: Sweep) -> None:
    from scaling.cli.output import print_table
    from scaling.units import format_si

    rows = [
        (
            one.model,
            format_si(one.budget),
            ", ".join(f"{rate:.3g}" for rate in one.rates),
            f"{one.chosen:.3g}",
            format_si(one.compute),
        )
        for one in found.searches
    ]
    spent = sum(one.compute for one in found.searches)
    share = spent / max(sum(trial.budget for trial in found.trials), 1.0)
    cost = f"{format_si(spent, 'FLOP')}, {share:.0%} of what the sweep takes"
    print_table(
        f"learning rates of {found.title}: {cost}",
        ("size", "budget", "rates", "chosen", "FLOPs spent"),
        rows,
    )
