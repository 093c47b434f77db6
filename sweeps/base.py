"""What a sweep is: a name and fully resolved trials, made by a function with typed axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scaling.config import Config
from scaling.registry import Registry
from scaling.trial import TrialConfig

SWEEPS: Registry[Callable[..., Sweep]] = Registry("sweep", "scaling.sweeps")
"""Functions with typed keyword arguments (the axes), each with a default, that return a sweep."""


@dataclass(frozen=True, kw_only=True)
class RateSearch(Config):
    """What a search of the learning rate of one size has found (`sweeps.rate_search`)."""

    model: str
    """The size, in words."""
    budget: float
    """Training FLOPs of its trials."""
    rates: tuple[float, ...]
    chosen: float
    compute: float
    """Training FLOPs that were spent on it, all its trials together."""

    @property
    def at_an_end(self) -> bool:
        """Whether the chosen rate is the smallest or largest tried, and the best may lie beyond."""
        return self.chosen in (min(self.rates), max(self.rates))


@dataclass(frozen=True, kw_only=True)
class Sweep(Config):
    """A declared set of trials; its name is the experiment's."""

    title: str
    """The experiment's name in MLflow."""
    trials: tuple[TrialConfig, ...]
    left_out: tuple[str, ...] = ()
    """Models that the design's limits left out, and why; for the plan to show."""
    searches: tuple[RateSearch, ...] = ()
    """Where the learning rates come from, if they were searched for, and what that cost."""

    def __post_init__(self) -> None:
        if not self.trials:
            raise ValueError(f"sweep {self.title!r} has no trials")
