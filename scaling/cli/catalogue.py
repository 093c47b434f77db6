"""`climber list`: what can be named in other commands."""

from __future__ import annotations

import inspect
from typing import Any

import click

KINDS = ("models", "datasets", "laws", "sweeps")


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS))
def list_command(kind: str) -> None:
    """List the known models, data sets, laws or sweeps."""
    from scaling.cli.output import closing, print_table

    registry = _registry(kind)
    rows = [(name, _what(registry.get(name), kind)) for name in registry.names()]
    print_table(kind, ("name", "what"), rows, words=2)
    then = {
        "models": "climber list sweeps",
        "datasets": "climber data describe NAME",
        "laws": "climber fit SWEEP --law NAME",
        "sweeps": "climber plan NAME",
    }
    closing([], then[kind])


def _registry(kind: str) -> Any:
    if kind == "models":
        from scaling.models.base import MODELS

        return MODELS
    if kind == "datasets":
        from scaling.datasets.base import DATASETS

        return DATASETS
    if kind == "laws":
        from scaling.analysis.law import LAWS

        return LAWS
    from scaling.sweeps.base import SWEEPS

    return SWEEPS


def _what(entry: object, kind: str) -> str:
    """The first paragraph that is written about an entry: a model's file says what the model is,
    its class what its fields mean."""
    about = inspect.getmodule(entry) if kind == "models" else entry
    return " ".join((inspect.getdoc(about or entry) or "").partition("\n\n")[0].split())
