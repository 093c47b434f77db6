"""`climber trust`: does the law extrapolate, would another do better, what hangs on the choices?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scaling.cli.source import Source, fitting

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@fitting
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all of it here.")
def trust(source: Source, options: dict[str, Any], json_file: Path | None) -> None:
    """Hold out the largest computes, rank the laws, and repeat the analysis with other choices.

    Per group, --law is fitted up to each compute and predicts the next; every law that the table's
    columns allow is ranked by the same test, with AICc beside it. The table of sensitivity says
    how exponents and answers move when one choice at a time is made otherwise. --bootstrap is not
    used: nothing here is resampled.
    """
    from scaling.analysis.sensitivity import sensitivity
    from scaling.cli.output import closing, print_table

    runs = source.table()
    groups = _groups(runs, options)
    names = ("law", "target", "by", "fixed", "objective", "huber_delta", "level", "seed")
    left = {name: options[name] for name in (*names, "allow_mixed", "all_runs")}
    moved = sensitivity(runs, **left)
    columns, rows = moved.table()
    print_table(f"sensitivity: {moved.target} by law `{moved.law.name}`", columns, rows, words=3)
    warn_of(moved.excluded)
    written = []
    if json_file is not None:
        from scaling.units import write_json

        found = {name: described for name, (described, _) in groups.items()}
        write_json(json_file, {"groups": found, "sensitivity": moved.to_dict()})
        written.append(json_file)
    closing(written, f"climber next {source.words} --max-compute C -o next.json")
    if not any(done for _, done in groups.values()):
        raise click.exceptions.Exit(1)


def _groups(runs: pd.DataFrame, options: dict[str, Any]) -> dict[str, tuple[dict[str, Any], bool]]:
    """Prints each group's hold-out and laws; gives them as plain data, and whether one was made."""
    from scaling.analysis.configurations import usable
    from scaling.analysis.grouping import grouped
    from scaling.analysis.holdout import holdout
    from scaling.analysis.law import FitError
    from scaling.analysis.references import split_roles
    from scaling.analysis.selection import select
    from scaling.cli.output import print_table, warn

    shared = ("target", "objective", "huber_delta", "level", "seed")
    same = {name: options[name] for name in shared}
    trained = usable(split_roles(runs).trained, [options["target"]]).runs
    out: dict[str, tuple[dict[str, Any], bool]] = {}
    for part in grouped(trained, by=options["by"], allow_mixed=options["allow_mixed"]):
        described: dict[str, Any] = {"holdout": None, "reason": ""}
        try:
            held = holdout(
                part.runs,
                law=options["law"],
                fixed=options["fixed"],
                all_runs=options["all_runs"],
                **same,
            )
        except FitError as error:
            warn(f"{part.name}: no hold-out: {error}")
            described["reason"] = str(error)
        else:
            columns, rows = held.table()
            print_table(f"{part.name}: hold-out of law `{held.law.name}`", columns, rows, words=0)
            click.echo(f"{part.name}: {held.sentence()}")
            described["holdout"] = held.to_dict()
        chosen = select(part.runs, **same)
        columns, rows = chosen.table()
        print_table(f"{part.name}: laws by extrapolation error", columns, rows, words=2)
        click.echo(f"{part.name}: {chosen.sentence()}")
        described["selection"] = chosen.to_dict()
        out[part.name] = (described, described["holdout"] is not None)
    return out


def warn_of(excluded: tuple[tuple[str, str], ...]) -> None:
    """How many runs are left out, by reason."""
    from scaling.cli.output import warn

    if excluded:
        reasons = [reason for _, reason in excluded]
        counts = "; ".join(f"{reasons.count(why)} {why}" for why in dict.fromkeys(reasons))
        warn(f"{len(excluded)} runs are left out: {counts}")
