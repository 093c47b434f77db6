"""What the command line says of a sweep's models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from scaling.sweeps.state import SweepOutcome


def tell_of_models(outcome: SweepOutcome) -> None:
    """How many models the sweep has in MLflow, how large they are, and which trials have none."""
    from scaling.cli.output import warn
    from scaling.tracking_models import models_of
    from scaling.units import format_si

    count, size = models_of(outcome.title, tracking_uri=outcome.tracking_uri)
    click.echo(f"{count} runs have their model in MLflow ({format_si(size, 'B')} in all)")
    before = outcome.skipped + outcome.reused
    if before:
        warn(
            f"{before} trials were finished before and got no model now (reused ones keep theirs in "
            "the sweep that trained them); --force trains them again"
        )
