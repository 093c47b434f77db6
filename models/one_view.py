"""What models of one sequence share: which sequence it is."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass

from scaling.batch import View
from scaling.models.base import ModelConfig


@dataclass(frozen=True, kw_only=True)
class OneViewConfig(ModelConfig, ABC):
    """A model that reads one view of `seq_len` events."""

    strategy: str = "recent"
    """What is read (see `View`)."""
    of: tuple[View, ...] = ()
    """With strategy `merged`: the views whose events are read, together as long as `seq_len`."""

    @property
    def causal(self) -> bool:
        return True

    def views(self) -> tuple[View, ...]:
        return (View(strategy=self.strategy, length=self.seq_len, of=self.of),)
