"""Names for things that live one to a file: models, data sets, laws, sweeps."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Generic, TypeVar

T = TypeVar("T")

PLUGIN_GROUP = "climber.plugins"


class Registry(Generic[T]):
    """Everything of one kind, by name; the modules of `package` are imported on first use.

    A newcomer's file registers itself when it is imported, so nobody edits a list. Packages
    installed with an entry point in the group `climber.plugins` are imported too.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._entries: dict[str, T] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: makes an object known under `name`; another object's name is refused."""

        def add(entry: T) -> T:
            known = self._entries.get(name)
            if known is not None and not _same_definition(known, entry):
                raise ValueError(f"{self.kind} {name!r} is registered already, by {known!r}")
            self._entries[name] = entry
            return entry

        return add

    def get(self, name: str) -> T:
        """The entry of that name; `ValueError` with the valid names otherwise."""
        if name not in self._entries:
            self.load()
        if name not in self._entries:
            raise ValueError(f"unknown {self.kind} {name!r}; valid: {', '.join(self.names())}")
        return self._entries[name]

    def names(self) -> list[str]:
        """All names, sorted."""
        self.load()
        return sorted(self._entries)

    def load(self) -> None:
        """Import every module of the package, and the installed plug-ins, once."""
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__, self.package + "."):
            importlib.import_module(module.name)
        for plugin in entry_points(group=PLUGIN_GROUP):
            plugin.load()


def _same_definition(a: object, b: object) -> bool:
    """Whether two objects come from the same source (a module imported twice, by value or name)."""
    return getattr(a, "__qualname__", a) == getattr(b, "__qualname__", b) and getattr(
        a, "__module__", a
    ) == getattr(b, "__module__", b)
