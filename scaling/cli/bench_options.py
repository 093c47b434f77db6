"""Options of `climber bench` that hold lists, and sizes that may be left open."""

from __future__ import annotations

from typing import Any

import click


def names(context: click.Context, parameter: click.Parameter, value: str) -> list[str]:
    """Words separated by commas."""
    found = [name.strip() for name in value.split(",") if name.strip()]
    if not found:
        raise click.BadParameter(f"names nothing: {value!r}")
    return found


def sizes(context: click.Context, parameter: click.Parameter, value: str) -> list[int]:
    """Positive whole numbers separated by commas."""
    found = names(context, parameter, value)
    for name in found:
        if not name.isdecimal() or int(name) < 1:
            raise click.BadParameter(f"{name!r} is not a positive whole number")
    return [int(name) for name in found]


def batch(context: click.Context, parameter: click.Parameter, value: str) -> int | None:
    """A positive whole number; None for `auto`."""
    if value == "auto":
        return None
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is neither a positive whole number nor 'auto'")
    return int(value)


def lists(default: str, help: str, callback: Any = sizes) -> dict[str, Any]:
    """What `click.option` is told of such a list."""
    return {"default": default, "help": help, "callback": callback, "show_default": True}
