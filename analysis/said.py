"""Sentences about several groups, each said once."""

from __future__ import annotations

from collections.abc import Iterable

NAMED = 4
"""So many groups are named before one sentence; the others are counted."""


def said_once(told: Iterable[tuple[str, str]]) -> list[str]:
    """`group, group: sentence`, in the order of the first of each; groups of which the same is said
    share it.

    Args:
        told: name of a group and a sentence about it.
    """
    groups: dict[str, list[str]] = {}
    for name, sentence in told:
        groups.setdefault(sentence, []).append(name)
    return [f"{_names(names)}: {sentence}" for sentence, names in groups.items()]


def _names(names: list[str]) -> str:
    named = ", ".join(names[:NAMED])
    return named if len(names) <= NAMED else f"{named} and {len(names) - NAMED} more"
