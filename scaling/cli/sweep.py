"""`climber plan`, `sweep`, `demo`: from a declared sweep to trials in MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scaling.cli.cluster import ADDRESS, slots_at
from scaling.cli.declared import in_time, load
from scaling.cli.models import tell_of_models
from scaling.cli.output import SET, TRACKING_URI

if TYPE_CHECKING:
    from scaling.sweeps.base import Sweep
    from scaling.sweeps.plan import Plan
    from scaling.sweeps.state import SweepOutcome
    from scaling.sweeps.stopping import Stopping
    from scaling.tracking_models import LogModels

FORCE = click.option("--force", is_flag=True, help="Run finished trials again.")
MAX_COMPUTE = click.option(
    "--max-compute",
    type=float,
    metavar="C",
    help="Leave out the largest budgets until the sweep's training FLOPs fit.",
)
MAX_HOURS = click.option(
    "--max-hours",
    type=click.FloatRange(min=0, min_open=True),
    metavar="H",
    help="Leave out the largest budgets until what is to do takes at most so long.",
)
SLOTS = click.option(
    "--slots",
    type=click.IntRange(min=1),
    metavar="N",
    help="Trials at the same time, for the forecast [default: as many as there is room for].",
)
_QUIET = 0.85
"""Share of its cores below which a calibration was disturbed."""


@click.command()
@click.argument("sweep")
@SET
@MAX_COMPUTE
@MAX_HOURS
@SLOTS
@ADDRESS
@click.option(
    "--price",
    type=click.FloatRange(min=0),
    metavar="P",
    help="Price per hour and slot, to show what the sweep costs.",
)
@click.option(
    "--calibrate",
    is_flag=True,
    help="Time a few seconds of real steps per shape here, for this plan and later ones.",
)
@FORCE
@TRACKING_URI
def plan(
    sweep: str,
    axes: tuple[str, ...],
    max_compute: float | None,
    max_hours: float | None,
    slots: int | None,
    address: str | None,
    price: float | None,
    calibrate: bool,
    force: bool,
    tracking_uri: str | None,
) -> None:
    """Show every trial of a sweep before anything runs.

    SWEEP is a name (`climber list sweeps`), path.py:function, or a spec file.
    """
    from scaling.cli.output import closing, console
    from scaling.sweeps.plan import make_plan
    from scaling.sweeps.plan_table import plan_table

    declared = load(sweep, axes, max_compute)
    written = []
    with slots_at(address, declared, slots) as room:
        made = make_plan(declared, tracking_uri=tracking_uri, force=force, slots=room)
    if calibrate:
        written = _calibrated(made)
        made = make_plan(declared, tracking_uri=tracking_uri, force=force, slots=room)
    made = in_time(made, max_hours)
    console().print(plan_table(made, price=price))
    warn_of(made)
    limits = {"--max-compute": max_compute, "--max-hours": max_hours, "--slots": slots}
    there = f" --address {address}" if address is not None else ""
    closing(written, _command("sweep", sweep, axes, limits) + there)


@click.command()
@click.argument("sweep")
@SET
@ADDRESS
@MAX_COMPUTE
@MAX_HOURS
@SLOTS
@FORCE
@click.option(
    "--checkpoints",
    metavar="URI",
    help="Where trials keep theirs: a folder or URI (s3://, gs://) that every node reaches "
    "[default: in the cache of each node].",
)
@click.option(
    "--data",
    metavar="URI",
    help="A folder or URI (s3://, gs://) from which nodes copy prepared data that they lack; put "
    "there where it is missing.",
)
@click.option("--takeover", is_flag=True, help="Take the sweep from a driver that runs it now.")
@click.option(
    "--stop-early",
    is_flag=True,
    help="Stop a trial whose learning curve shows that it won't be its budget's best; it enters no "
    "fit, and a launch without this option goes on with it.",
)
@click.option(
    "--log-model",
    type=click.Choice(["best", "all"]),
    help="Keep trained models in MLflow: of each architecture the one with the smallest validation "
    "loss, or every trial's.",
)
@click.option(
    "--latency",
    is_flag=True,
    help="Measure each model's latency at the end of its trial (some seconds, on one process at a "
    "time per machine): columns latency_ms, latency_cached_ms.",
)
@TRACKING_URI
def sweep(
    sweep: str,
    axes: tuple[str, ...],
    address: str | None,
    max_compute: float | None,
    max_hours: float | None,
    slots: int | None,
    force: bool,
    checkpoints: str | None,
    data: str | None,
    takeover: bool,
    stop_early: bool,
    log_model: LogModels | None,
    latency: bool,
    tracking_uri: str | None,
) -> None:
    """Run a sweep's trials that are not finished yet, and log them to MLflow."""
    from scaling.cli.output import closing
    from scaling.sweeps.stopping import StopByCurve

    declared = load(sweep, axes, max_compute)
    outcome = run(
        declared,
        address=address,
        force=force,
        tracking_uri=tracking_uri,
        takeover=takeover,
        checkpoints=checkpoints,
        data=data,
        max_hours=max_hours,
        slots=slots,
        stopping=StopByCurve() if stop_early else None,
        log_models=log_model,
        latency=latency,
    )
    closing([], f"climber fit {declared.title}")
    if outcome.failed or outcome.missing:
        raise click.exceptions.Exit(1)


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results/demo"),
    show_default=True,
    help="Where the plots and the report go.",
)
@TRACKING_URI
def demo(output: Path, tracking_uri: str | None) -> None:
    """The whole way on the embedded data set: sweep, MLflow, fit, plots, report."""
    from scaling.cli.analyse import study
    from scaling.cli.output import closing

    declared = load("quickstart", (), None)
    outcome = run(declared, address=None, force=False, tracking_uri=tracking_uri)
    if outcome.missing:
        raise click.exceptions.Exit(1)
    written = study(declared.title, output, tracking_uri)
    closing(written, f"open {output / 'report.html'}, then `climber list sweeps`")
    if outcome.failed:
        raise click.exceptions.Exit(1)


def run(
    declared: Sweep,
    *,
    address: str | None,
    force: bool,
    tracking_uri: str | None,
    takeover: bool = False,
    checkpoints: str | None = None,
    data: str | None = None,
    max_hours: float | None = None,
    slots: int | None = None,
    stopping: Stopping | None = None,
    log_models: LogModels | None = None,
    latency: bool = False,
) -> SweepOutcome:
    """Take the sweep's lease, plan and run, with a live view; says what was done."""
    import dataclasses

    from scaling.cli.output import console, warn
    from scaling.sweeps.plan import make_plan
    from scaling.sweeps.plan_table import format_seconds
    from scaling.sweeps.progress import show_progress
    from scaling.sweeps.runner import run_sweep
    from scaling.tracking_lease import sweep_lease
    from scaling.tracking_store import ui_command

    with (
        sweep_lease(declared.title, tracking_uri=tracking_uri, takeover=takeover) as lease,
        slots_at(address, declared, slots) as room,
    ):
        made = make_plan(
            declared,
            tracking_uri=tracking_uri,
            force=force,
            slots=room,
            keep_stopped=stopping is not None,
        )
        if max_hours is not None:
            made = in_time(made, max_hours)
            declared = dataclasses.replace(declared, trials=tuple(p.trial for p in made.trials))
        warn_of(made)
        with show_progress(console()) as on_progress:
            outcome = run_sweep(
                declared,
                tracking_uri=tracking_uri,
                address=address,
                force=force,
                plan=made,
                on_progress=on_progress,
                lease=lease,
                checkpoints=checkpoints,
                data=data,
                stopping=stopping,
                log_models=log_models,
                latency=latency,
            )
    finished = outcome.done + outcome.skipped + outcome.reused
    click.echo(
        f"{declared.title}: {finished} of {outcome.trials} trials are done "
        f"({outcome.done} trained now in {format_seconds(outcome.seconds)}, {outcome.skipped} "
        f"finished before, {outcome.reused} reused from other sweeps, {len(outcome.failed)} failed)"
    )
    if outcome.stopped:
        click.echo(f"{outcome.stopped} trials were stopped early; they enter no fit")
    for name, reason in outcome.failed:
        warn(f"{name} failed: {reason}")
    if log_models is not None:
        tell_of_models(outcome)
    if latency and outcome.skipped + outcome.reused:
        warn("trials that were finished before are not measured again; --force does")
    if outcome.missing:
        warn(f"{outcome.missing} trials were not run; the same command goes on with them")
    click.echo(f"runs are in MLflow, under Model training > Runs: {ui_command(tracking_uri)}")
    return outcome


def warn_of(made: Plan) -> None:
    """What to know before running it."""
    from scaling.cli.output import warn

    short = [planned.name for planned in made.trials if planned.warnings]
    if short:
        warn(f"{len(short)} trials have notes (see `climber plan`), the first: {made.warnings[0]}")
    if made.left_out:
        warn(f"{len(made.left_out)} models are beyond the design's limits: {made.left_out[0]}")
    if made.other_code:
        warn(
            f"{made.other_code} finished trials were made by other model, data or training code; "
            "--force runs them again"
        )


def _calibrated(made: Plan) -> list[Path]:
    """Time real steps of the plan's shapes; says what could not be."""
    from scaling.cli.output import warn
    from scaling.sweeps.calibrate import calibrate

    done = calibrate(made, tell=lambda text: click.echo(text, err=True))
    for name, why in done.skipped:
        warn(f"not calibrated: {name}: {why}")
    if done.busy is not None and done.busy < _QUIET:
        warn(
            f"the calibrating processes had {done.busy:.0%} of their cores: other work runs on this "
            "machine, and a sweep beside it takes longer than the plan says"
        )
    return sorted({one.path.parent for one in done.measured})


def _command(
    verb: str, sweep: str, axes: tuple[str, ...], limits: Mapping[str, float | None]
) -> str:
    options = "".join(f" --set {axis}" for axis in axes)
    options += "".join(f" {name} {limit:g}" for name, limit in limits.items() if limit is not None)
    return f"climber {verb} {sweep}{options}"
