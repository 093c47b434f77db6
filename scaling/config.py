"""Frozen configurations: what is compared, logged, hashed and run again."""

from __future__ import annotations

import hashlib
import json
import os
import types
import typing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from scaling.registry import Registry

C = TypeVar("C", bound="type[Config]")


def canonical_json(value: object) -> str:
    """JSON with one spelling per value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest_of(value: object) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Base of all configurations: plain data with a name, a version and a digest.

    A subclass is a frozen, keyword-only dataclass whose fields are numbers, strings, booleans,
    None, tuples of those, or other configurations.
    """

    version: ClassVar[int] = 1
    """Raised when the same fields begin to mean something else."""
    name: ClassVar[str] = ""
    """The registered name; empty for configurations that are not registered."""
    registry: ClassVar[Registry[Any] | None] = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data: the fields, with `name` (if registered) and `version`."""
        head: dict[str, Any] = {"name": self.name} if self.name else {}
        return {**head, "version": self.version} | {
            field.name: _encode(getattr(self, field.name)) for field in fields(self)
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The configuration that `to_dict` described; unknown names and fields are refused."""
        data = dict(data)
        kind: type[Config] = cls
        name = data.pop("name", cls.name)
        if name != cls.name:
            if cls.registry is None:
                raise ValueError(f"{cls.__name__} has no registered kinds, got name {name!r}")
            kind = cls.registry.get(name)
        version = data.pop("version", kind.version)
        if version != kind.version:
            raise ValueError(
                f"{kind.__name__} is at version {kind.version}, the given one is of version "
                f"{version!r}: run it with the release that wrote it, or write it anew"
            )
        hints = typing.get_type_hints(kind)
        valid = {field.name for field in fields(kind)}
        unknown = sorted(set(data) - valid)
        if unknown:
            raise ValueError(
                f"{kind.__name__} has no field {unknown[0]!r}; valid: {', '.join(sorted(valid))}"
            )
        values = {
            key: _decode(value, hints[key], f"{kind.__name__}.{key}") for key, value in data.items()
        }
        try:
            return typing.cast(Self, kind(**values))
        except TypeError as error:  # a missing field
            raise ValueError(f"{kind.__name__}: {error}") from error

    def digest(self) -> str:
        """Identity of the content: fields, qualified class names and versions."""
        return digest_of(self.identity())

    def identity(self) -> dict[str, Any]:
        """What the digest is taken of: as `to_dict`, with the qualified class names."""
        return {"class": f"{type(self).__module__}.{type(self).__qualname__}"} | {
            "version": self.version,
            **{field.name: _identity(getattr(self, field.name)) for field in fields(self)},
        }


def register(registry: Registry[Any], name: str) -> typing.Callable[[C], C]:
    """Decorator for a configuration class: sets its `name` and registers it."""

    def add(cls: C) -> C:
        cls.name = name
        registry.register(name)(cls)
        return cls

    return add


def _encode(value: object) -> object:
    if isinstance(value, Config):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    return value


def _identity(value: object) -> object:
    if isinstance(value, Config):
        return value.identity()
    if isinstance(value, tuple):
        return [_identity(item) for item in value]
    return value


def _decode(value: Any, hint: Any, place: str) -> Any:
    """Plain data as the type that the field declares; `ValueError` names the place."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        rest = [argument for argument in arguments if argument is not type(None)]
        return _decode(value, rest[0] if len(rest) == 1 else Any, place)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{place} must be a list, got {value!r}")
        kinds = [arguments[0]] * len(value) if arguments[-1:] == (Ellipsis,) else list(arguments)
        if len(kinds) != len(value):
            raise ValueError(f"{place} must have {len(kinds)} entries, got {value!r}")
        return tuple(_decode(v, k, f"{place}[{i}]") for i, (v, k) in enumerate(zip(value, kinds)))
    if origin is typing.Literal:
        if value not in arguments:
            raise ValueError(
                f"{place} must be one of {', '.join(map(str, arguments))}, got {value!r}"
            )
        return value
    if isinstance(hint, type) and issubclass(hint, Config):
        if isinstance(value, hint):
            return value
        if not isinstance(value, dict):
            raise ValueError(f"{place} must be an object, got {value!r}")
        return hint.from_dict(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (int, float, str, bool) and type(value) is not hint:
        raise ValueError(f"{place} must be {hint.__name__}, got {value!r}")
    return value


def cache_dir() -> Path:
    """`CLIMBER_CACHE`, else `climber` in `XDG_CACHE_HOME` or in `~/.cache`; made when written to."""
    chosen = os.environ.get("CLIMBER_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "climber"
