"""What SWEEP on the command line may be: a name, a function in a file, or a spec."""

from __future__ import annotations

import importlib.util
import inspect
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from scaling.sweeps.base import SWEEPS, Sweep

MODULE_PREFIX = "climber_file_"
"""Names of modules loaded from files begin like this; they are part of their classes' identity."""


def load_sweep(source: str) -> Callable[..., Sweep] | Sweep:
    """A sweep's function, or a resolved sweep.

    Args:
        source: a registered name, `path.py:function`, or a spec file (`spec.json`).

    Raises:
        ValueError: an unknown name or function (with the valid ones), an absent or broken file.
    """
    path, colon, function = source.rpartition(":")
    if colon and path.endswith(".py"):
        return _function(Path(path), function)
    if source.endswith(".py"):
        functions = ", ".join(sorted(_functions(load_file(Path(source))))) or "none"
        raise ValueError(f"{source} holds several things: say `{source}:FUNCTION`, of {functions}")
    if source.endswith(".json"):
        return read_spec_file(Path(source))
    return SWEEPS.get(source)


def read_spec_file(path: Path) -> Sweep:
    """The sweep that a spec file describes, fully resolved."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"no readable spec at {path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path} is not a spec: it is no JSON ({error})") from error
    if not isinstance(data, dict) or not {"title", "trials"} <= set(data):
        raise ValueError(f"{path} is not a spec: it must be an object with `title` and `trials`")
    try:
        return Sweep.from_dict(data)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def load_file(path: Path) -> ModuleType:
    """A Python file as a module, run once however often it is asked for."""
    if not path.is_file():
        raise ValueError(f"no file at {path}")
    name = MODULE_PREFIX + path.stem
    loaded = sys.modules.get(name)
    if loaded is not None and Path(str(loaded.__file__)) == path.resolve():
        return loaded
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} can't be read as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while they are made
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ValueError(f"{_place(path, error)} fails: {_message(error)}") from error
    return module


def blamed(function: Callable[..., Sweep], error: Exception) -> Exception:
    """An error of a sweep's function as the user has to read it.

    One of a function from a file becomes a `ValueError` that names the line; others stay as they
    are.
    """
    file = inspect.getsourcefile(function)
    if file is None or not function.__module__.startswith(MODULE_PREFIX):
        return error
    return ValueError(f"{_place(Path(file), error)}: {function.__name__}: {_message(error)}")


def _place(path: Path, error: BaseException) -> str:
    """`path:line`, the innermost line of the file at which an error arose."""
    file = str(path.resolve())
    if isinstance(error, SyntaxError) and error.filename == file:
        return f"{path}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    return f"{path}:{lines[-1]}" if lines else str(path)


def _message(error: BaseException) -> str:
    """What an error says: without the place that a syntax error repeats, with its type unless it
    is written for users."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"


def _function(path: Path, name: str) -> Callable[..., Sweep]:
    functions = _functions(load_file(path))
    if name not in functions:
        valid = ", ".join(sorted(functions)) or "none"
        raise ValueError(f"{path} has no function {name!r}; valid: {valid}")
    return functions[name]


def _functions(module: ModuleType) -> dict[str, Callable[..., Sweep]]:
    """The public functions that a file defines."""
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }
