"""Axes from the command line: `--set budgets=1e10,1e11` becomes arguments of a sweep's function."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from scaling.sweeps.base import Sweep
from scaling.sweeps.sources import blamed


def fill(sweep: Callable[..., Sweep], values: Mapping[str, str]) -> Sweep:
    """Call a sweep's function with axes given as text, parsed by the function's type hints.

    Args:
        sweep: a function with typed keyword arguments, each with a default.
        values: by axis, comma-separated where the axis holds several.

    Raises:
        ValueError: an unknown axis or a value that doesn't suit it, with what is valid; any error
            of a function from a user's file, with its line.
    """
    known = axes_of(sweep)
    hints = typing.get_type_hints(sweep)
    arguments = {}
    for axis, text in values.items():
        if axis not in known:
            raise ValueError(
                f"sweep {_name(sweep)!r} has no axis {axis!r}; valid: {', '.join(known)}"
            )
        try:
            arguments[axis] = _parse(text, hints[axis])
        except ValueError as error:
            raise ValueError(
                f"sweep {_name(sweep)!r}: axis {axis}={text!r}: {error} (default: "
                f"{show(known[axis])})"
            ) from error
    try:
        made = sweep(**arguments)
    except Exception as error:
        raise blamed(sweep, error) from error
    if not isinstance(made, Sweep):
        raise ValueError(f"{_name(sweep)} returned {type(made).__name__}, not a Sweep")
    return made


def axes_of(sweep: Callable[..., Sweep]) -> dict[str, Any]:
    """The axes of a sweep's function with their defaults, in order.

    Raises:
        ValueError: an argument without a type hint or a default.
    """
    hints = typing.get_type_hints(sweep)
    found = {}
    for name, parameter in inspect.signature(sweep).parameters.items():
        if parameter.default is inspect.Parameter.empty or name not in hints:
            raise ValueError(
                f"{_name(sweep)}: argument {name!r} needs a type and a default "
                f"(`{name}: tuple[int, ...] = (1, 2)`)"
            )
        found[name] = parameter.default
    return found


def show(value: object) -> str:
    """An axis value as it would be typed."""
    if isinstance(value, tuple):
        return ",".join(show(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _parse(text: str, hint: Any) -> Any:
    """Text as the type that the hint says; `ValueError` says what is wrong with it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        if not text.strip():
            raise ValueError("no values")
        return tuple(_parse(part.strip(), arguments[0]) for part in text.split(","))
    if origin in (typing.Union, types.UnionType):
        if text.lower() == "none" and type(None) in arguments:
            return None
        return _parse(text, next(kind for kind in arguments if kind is not type(None)))
    if origin is typing.Literal:
        if text not in arguments:
            raise ValueError(f"{text!r} is none of {', '.join(map(str, arguments))}")
        return text
    if hint is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{text!r} is neither true nor false")
        return text.lower() == "true"
    if hint is int:
        return _whole(text)
    if hint is float:
        return _number(text)
    if hint is str:
        return text
    raise ValueError(f"an axis of type {hint} can't be set from the command line")


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not a number")
    return number


def _whole(text: str) -> int:
    number = _number(text)
    if not number.is_integer():
        raise ValueError(f"{text!r} is not a whole number")
    return int(number)


def _name(sweep: Callable[..., Sweep]) -> str:
    return getattr(sweep, "__name__", str(sweep))
