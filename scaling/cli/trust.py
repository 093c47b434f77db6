"""`climber trust`: does the law extrapolate, would another do better, what hangs on the choices?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from scaling.cli.source import Source, fitting, undrawn


@click.command()
@fitting
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all of it here.")
def trust(source: Source, options: dict[str, Any], json_file: Path | None) -> None:
    """Hold out the largest computes, rank the laws, and repeat the analysis with other choices.

    Per group, --law is fitted up to each compute and predicts the next; every law that the table's
    columns allow is ranked by the same test, with AICc beside it. The table of sensitivity says
    how exponents and answers move when one choice at a time is made otherwise. --bootstrap is not
    used.
    """
    from scaling.analysis.trust import trust as judge
    from scaling.cli.cores import all_cores
    from scaling.cli.output import closing, print_table, warn, warn_left_out

    with all_cores() as mapper:
        found = judge(source.table(), mapper=mapper, **undrawn(options))
    for name, group in found.groups.items():
        if group.held is None:
            warn(f"{name}: no hold-out: {group.reason}")
        else:
            title = f"{name}: hold-out of law `{group.held.law.name}`"
            print_table(title, *group.held.table(), words=0)
            click.echo(f"{name}: {group.held.sentence()}")
        print_table(f"{name}: laws by extrapolation error", *group.selection.table(), words=2)
        click.echo(f"{name}: {group.selection.sentence()}")
    moved = found.sensitivity
    title = f"sensitivity: {moved.target} by law `{moved.law.name}`"
    print_table(title, *moved.table(), words=3)
    warn_left_out(reason for _, reason in moved.excluded)
    written = []
    if json_file is not None:
        from scaling.units import write_json

        write_json(json_file, found.to_dict())
        written.append(json_file)
    closing(written, f"climber next {source.words} --max-compute C -o next.json")
    if all(group.held is None for group in found.groups.values()):
        raise click.exceptions.Exit(1)
