"""`climber status` of a sweep that is running now: who runs it, how far it is, what it works on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from scaling.lease import Seen


def show_live(seen: Seen, sweep: str) -> None:
    """Print what the driver told at its last heartbeat."""
    from scaling.cli.output import print_table, warn
    from scaling.sweeps.plan_table import format_seconds

    if seen.stale:
        warn(f"its driver is gone: {seen}; `climber sweep {sweep}` goes on")
        return
    click.echo(f"run by {seen}: {progress_line(seen.holder.status)}")
    now = time.time()
    rows = [
        (
            trial["name"] + (f" (begun {trial['times']} times)" if trial["times"] > 1 else ""),
            f"{trial['share']:.0%}",
            "-" if trial["loss"] is None else f"{trial['loss']:.4f}",
            format_seconds(now - trial["started"]),
        )
        for trial in seen.holder.status.get("running", ())
    ]
    if rows:
        more = seen.holder.status["more_running"]
        title = "running now" + (f", and {more} more" if more else "")
        print_table(title, ("trial", "progress", "training loss", "for"), rows)


def progress_line(status: Mapping[str, Any]) -> str:
    """How far a launch is, in one line; before its plan is made there is nothing to tell."""
    from scaling.sweeps.plan_table import format_seconds

    if not status:
        return "planning"
    parts = [f"{status['ended']} of its {status['trials']} trials, {status['share']:.0%}"]
    if status["seconds_left"] is not None and status["ended"] < status["trials"]:
        parts.append(f"about {format_seconds(status['seconds_left'])} left")
    if status["again"]:
        parts.append(f"{status['again']} begun again after their worker was lost")
    if status["message"]:
        parts.append(status["message"])
    return ", ".join(parts)
