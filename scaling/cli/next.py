"""`climber next`: which runs to make next, as a spec that `climber sweep` runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scaling.cli.source import Source, fitting

if TYPE_CHECKING:
    import pandas as pd

    from scaling.analysis.goals import Goal
    from scaling.analysis.proposal import Proposal
    from scaling.sweeps.base import Sweep


@click.command()
@fitting
@click.option(
    "--max-compute", type=float, required=True, metavar="C", help="Training FLOPs to spend."
)
@click.option(
    "--goal",
    type=click.Choice(["exponent", "crossing", "loss"]),
    default="exponent",
    show_default=True,
    help="What is to become surer.",
)
@click.option(
    "--at",
    type=float,
    metavar="COMPUTE",
    help="Where the loss is predicted [default: 10 times the largest compute].",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="A .json file.",
)
def next_command(
    source: Source,
    options: dict[str, Any],
    max_compute: float,
    goal: Goal,
    at: float | None,
    output: Path,
) -> None:
    """Propose the runs that make a goal surer at the least FLOPs; nothing is run.

    For a sweep in MLflow a spec is written: the finished trials and the proposed ones, so that
    `climber sweep FILE` runs what is new. For a table of foreign runs the proposal is written as
    rows: Climber can't train what it doesn't know.
    """
    from scaling.analysis.planning import propose
    from scaling.analysis.summary import analyse
    from scaling.cli.output import closing, print_table, warn
    from scaling.units import format_si, write_json

    if output.suffix != ".json":
        raise click.UsageError(f"-o {output} must end in .json")
    if at is not None and not at > 0:
        raise click.UsageError(f"--at takes positive FLOPs, got {at:g}")
    runs = source.table()
    if not runs.index.is_unique:
        runs = runs.reset_index(drop=True)
    found = analyse(runs, **{**options, "bootstrap": 0, "comparison_draws": 0})
    proposal = propose(found, goal=goal, allowance=max_compute, at=at)
    columns, rows = proposal.table()
    print_table(f"goal: {goal}", columns, rows, words=2)
    if goal != "loss" and proposal.predictions:
        columns, rows = proposal.losses()
        print_table("predicted loss", columns, rows, words=2)
    columns, rows = _summary(proposal)
    spent = format_si(proposal.compute, "FLOP", digits=3)
    print_table(f"proposed: {len(proposal.trials)} runs, {spent}", columns, rows)
    for text in proposal.notes:
        warn(text)
    if source.sweep is not None:
        spec = _spec(source, runs, proposal)
        write_json(output, spec.to_dict())
        closing([output], f"climber plan {output}, then climber sweep {output}")
        return
    write_json(output, proposal.to_dict())
    click.echo(
        "these runs can't be run here: a table of foreign runs doesn't say how to train them"
    )
    closing([output], f"train the rows of {output}, add them to {source.runs}, and fit again")


def _summary(proposal: Proposal) -> tuple[list[str], list[list[str]]]:
    """Proposed runs, those that differ in nothing but the seed on one line."""
    from scaling.units import format_si

    table = proposal.trials
    shape = [name for name in ("depth", "width", "seq_len", "blocks", "params") if name in table]
    keys = ["group", *shape, "compute"]
    rows = []
    for values, same in table.groupby(keys, dropna=False, sort=True):
        group, *numbers = values if isinstance(values, tuple) else (values,)
        cells = [str(group), *(format_si(float(str(v)), digits=4) for v in numbers)]
        seeds = ", ".join(str(seed) for seed in sorted(same["seed"]))
        kind = "more seeds" if same["seeds"].iloc[0] else "new"
        rows.append([*cells, seeds, kind])
    return [*keys, "seeds", ""], rows


def _spec(source: Source, runs: pd.DataFrame, proposal: Proposal) -> Sweep:
    """The finished trials of a logged sweep, and each proposed run made from one of them."""
    import dataclasses

    from scaling.sweeps.base import Sweep
    from scaling.tracking_read import read_spec, read_trial
    from scaling.trial import TrialConfig

    known = Sweep.from_dict(read_spec(source.experiment(), tracking_uri=source.tracking_uri))
    finished = set(runs.loc[runs["status"] == "finished", "digest"])
    kept = [trial for trial in known.trials if trial.digest() in finished]
    templates: dict[str, TrialConfig] = {}
    proposed = []
    for row in proposal.trials.to_dict(orient="records"):
        run_id = str(runs.loc[row["template"], "run_id"])
        if run_id not in templates:
            described = read_trial(run_id, tracking_uri=source.tracking_uri)
            templates[run_id] = TrialConfig.from_dict(described)
        proposed.append(
            dataclasses.replace(
                templates[run_id], budget=float(row["compute"]), seed=int(row["seed"])
            )
        )
    return Sweep(title=known.title, trials=(*kept, *proposed))
