"""How much one HTTP request may ask of a service."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Limits:
    """All are inclusive."""

    body: int = 4_000_000
    """Bytes of a request's body."""
    requests: int = 64
    """Requests for scores in one body."""
    candidates: int = 1_000
    """Items of one request for scores."""
    history: int = 10_000
    """Events of one history."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(
                    f"the limit of {field.name} must be at least 1, got {getattr(self, field.name)}"
                )
