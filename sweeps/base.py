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
class Sweep(Config):
    """A declared set of trials; its name is the experiment's."""

    title: str
    """The experiment's name in MLflow."""
    trials: tuple[TrialConfig, ...]
    left_out: tuple[str, ...] = ()
    """Models that the design's limits left out, and why; for the plan to show."""

    def __post_init__(self) -> None:
        if not self.trials:
            raise ValueError(f"sweep {self.title!r} has no trials")
