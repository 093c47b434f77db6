"""What an engine has done, counted from several threads."""

from __future__ import annotations

import threading

_NAMES = (
    "hits", "misses", "extended", "shared",
    "real_events", "computed_events", "real_candidates", "computed_candidates",
)  # fmt: skip


class Counts:
    """Numbers by name, all from 0."""

    def __init__(self) -> None:
        self._numbers = dict.fromkeys(_NAMES, 0)
        self._lock = threading.Lock()

    def add(self, **more: int) -> None:
        """Add to some of them, at once."""
        with self._lock:
            for name, number in more.items():
                self._numbers[name] += number

    def statistics(self) -> dict[str, float]:
        """How entries were answered, and the shares of padding in what was computed."""
        with self._lock:
            numbers = dict(self._numbers)
        found = {name: float(numbers[name]) for name in ("hits", "misses", "extended", "shared")}
        for name in ("events", "candidates"):
            computed = numbers[f"computed_{name}"]
            real = numbers[f"real_{name}"]
            found[f"padding_{name}"] = 1 - real / computed if computed else 0.0
        return found
