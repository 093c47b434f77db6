"""How a function is applied to independent tasks: one after the other, or by several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

Task = TypeVar("Task")
Answer = TypeVar("Answer")


class Mapper(Protocol):
    """As the built-in `map`: answers in the order of the tasks."""

    def __call__(
        self, function: Callable[[Task], Answer], tasks: Iterable[Task], /
    ) -> Iterable[Answer]: ...
