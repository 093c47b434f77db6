"""Configurations: round trips, identity, and errors that name the place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from scaling.config import Config, canonical_json, register
from scaling.registry import Registry

ANIMALS: Registry[type[Any]] = Registry("animal", "scaling.models")


@dataclass(frozen=True, kw_only=True)
class Animal(Config):
    registry = ANIMALS
    legs: int


@register(ANIMALS, "cat")
@dataclass(frozen=True, kw_only=True)
class Cat(Animal):
    mood: Literal["calm", "wild"] = "calm"
    weights: tuple[float, ...] = (1.0,)
    nickname: str | None = None


@dataclass(frozen=True, kw_only=True)
class Zoo(Config):
    animals: tuple[Animal, ...]
    star: Animal


ZOO = Zoo(animals=(Cat(legs=4), Cat(legs=3, mood="wild", nickname="Tom")), star=Cat(legs=4))


def test_round_trip_through_json() -> None:
    import json

    data = json.loads(canonical_json(ZOO.to_dict()))
    assert Zoo.from_dict(data) == ZOO
    assert Zoo.from_dict(data).digest() == ZOO.digest()


def test_the_digest_is_of_content_class_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Cat(legs=4).digest() == Cat(legs=4).digest()
    assert Cat(legs=4).digest() != Cat(legs=3).digest()
    before = ZOO.digest()
    monkeypatch.setattr(Cat, "version", 2)
    assert ZOO.digest() != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "dog"}, "unknown animal 'dog'; valid: .*cat"),
        ({"paws": 4}, "no field 'paws'; valid: legs, mood, nickname, weights"),
        ({"legs": "four"}, "Cat.legs must be int, got 'four'"),
        ({"legs": True}, "Cat.legs must be int, got True"),
        ({"mood": "sad"}, "Cat.mood must be one of calm, wild, got 'sad'"),
        ({"weights": 1.0}, "Cat.weights must be a list"),
        ({"weights": ["x"]}, r"Cat.weights\[0\] must be float"),
        ({"version": 7}, "is at version 1, the given one is of version 7"),
    ],
)
def test_bad_fields_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Animal.from_dict(Cat(legs=4).to_dict() | change)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ValueError, match="legs"):
        Animal.from_dict({"name": "cat"})


def test_a_name_belongs_to_one_class() -> None:
    with pytest.raises(ValueError, match="animal 'cat' is registered already"):

        @register(ANIMALS, "cat")
        @dataclass(frozen=True, kw_only=True)
        class OtherCat(Animal):
            pass
