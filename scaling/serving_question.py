"""What a service is asked and what it answers, as plain data between its processes.

Shapes: m candidates, k behaviours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from scaling.history import Events

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Question:
    """One request: a user at one moment, and the items to score."""

    user: str
    version: str
    """Of the history; another one makes the service read the history again."""
    time: int
    """Seconds since the epoch."""
    scenario: int
    attributes: tuple[int, ...]
    """In the order of `schema.request_attributes`."""
    candidates: Ints
    """[m]"""
    history: Events | None
    """None: the service is expected to know this version."""


@dataclass(frozen=True, eq=False)
class Scores:
    """The answer to a question."""

    probabilities: npt.NDArray[np.float32]
    """[m, k]"""


@dataclass(frozen=True)
class HistoryNeeded:
    """The version is not in the cache, and the question came without a history."""


@dataclass(frozen=True)
class Unanswerable:
    """The model can't read this history."""

    reason: str


Outcome = Scores | HistoryNeeded | Unanswerable


class Unavailable(Exception):
    """No replica could answer now; the same question may be asked again."""


class Backend(Protocol):
    """Whatever scores questions: one process, or replicas of it."""

    async def answer(self, question: Question) -> Outcome:
        """Raises `Unavailable`."""

    async def replicas(self) -> int:
        """How many can answer now."""

    def statistics(self) -> Mapping[str, Mapping[str, float]]:
        """Numbers of each replica, by its name, as of its last answer."""
