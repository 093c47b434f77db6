"""What is said of several groups is said once."""

from __future__ import annotations

from scaling.analysis.said import said_once
from scaling.units import counted


def test_groups_share_a_sentence_in_the_order_of_the_first() -> None:
    assert said_once([("a", "x"), ("b", "y"), ("c", "x")]) == ["a, c: x", "b: y"]
    assert said_once([]) == []


def test_of_many_groups_four_are_named_and_the_others_counted() -> None:
    assert said_once((name, "x") for name in "abcd") == ["a, b, c, d: x"]
    assert said_once((name, "x") for name in "abcdefg") == ["a, b, c, d and 3 more: x"]


def test_one_thing_is_singular() -> None:
    assert [counted(n, "run") for n in (0, 1, 2, 10_000)] == [
        "0 runs",
        "1 run",
        "2 runs",
        "10,000 runs",
    ]
