"""The vocabulary shared by models and data sets: views asked for, batches answered.

Shapes: b requests in the batch, n events of a view, m candidates, k behaviours, a attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scaling.config import Config

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class View(Config):
    """A sub-sequence of the history that a model wants to read.

    `strategy` is `recent`, the name of a behaviour (its positive events), or `no_` and that name
    (the events without it); the most recent `length` of the chosen events are kept, oldest first.
    """

    strategy: str
    length: int

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ValueError(f"View.length must be at least 1, got {self.length}")


@dataclass(frozen=True)
class ItemAttribute:
    """A category of each item, known before any request (artist, genre, author)."""

    size: int
    """Number of values; ids are 0 .. size - 1."""
    of_item: npt.NDArray[np.int64]
    """[num_items]"""


@dataclass(frozen=True)
class Schema:
    """What a data set tells a model about itself."""

    num_items: int
    """Item ids are 0 .. num_items - 1."""
    behaviours: tuple[str, ...]
    """The labels, in order; k of them."""
    action_labels: tuple[tuple[int, ...], ...]
    """[num_actions][k] of 0 or 1: the behaviours that each action code stands for. An event's
    action says all that was logged about it (a star rating, a set of behaviours)."""
    scenarios: tuple[str, ...]
    item_attributes: Mapping[str, ItemAttribute]
    request_attributes: Mapping[str, int]
    """Number of values of each context attribute (age group, device), in order."""
    max_candidates: int
    label_rates: tuple[float, ...] = ()
    """[k] Mean of each label in the training part, where a model's outputs start; empty: one half."""

    @property
    def num_actions(self) -> int:
        return len(self.action_labels)

    @property
    def num_behaviours(self) -> int:
        return len(self.behaviours)

    @property
    def num_scenarios(self) -> int:
        return len(self.scenarios)


class _Tensors:
    """Dataclass of tensors (or of such dataclasses) that moves as one."""

    def to(self, device: torch.device | str) -> Self:
        moved = {f.name: _move(getattr(self, f.name), device) for f in fields(self)}  # type: ignore[arg-type]
        return type(self)(**moved)

    def pin_memory(self) -> Self:
        pinned = {f.name: _pin(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]
        return type(self)(**pinned)


@dataclass(frozen=True)
class ViewBatch(_Tensors):
    """One view of every request, oldest event first, right-padded."""

    items: Tensor
    """int64 [b, n]; 0 where padded."""
    actions: Tensor
    """int64 [b, n]; 0 where padded."""
    scenarios: Tensor
    """int64 [b, n]; 0 where padded."""
    ages: Tensor
    """float32 [b, n]: seconds from the event to the request; -1 where unknown, 0 where padded."""
    mask: Tensor
    """bool [b, n]: true where an event stands."""


@dataclass(frozen=True)
class Context(_Tensors):
    """What is known about a request apart from history and candidates."""

    scenario: Tensor
    """int64 [b]"""
    time: Tensor
    """int64 [b], seconds since the epoch."""
    attributes: Tensor
    """int64 [b, a]"""


@dataclass(frozen=True)
class Candidates(_Tensors):
    """The items to score."""

    items: Tensor
    """int64 [b, m]; 0 where padded."""
    mask: Tensor
    """bool [b, m]"""


@dataclass(frozen=True)
class Batch(_Tensors):
    """Requests with everything a training step or an evaluation needs."""

    history: tuple[ViewBatch, ...]
    context: Context
    candidates: Candidates
    labels: Tensor
    """float32 [b, m, k]; 0 where padded."""
    users: Tensor
    """int64 [b]"""
    requests: Tensor
    """int64 [b]: the same number for the same request in every trial of a data set."""
    distinct_events: Tensor
    """int64 [b]: events read by at least one view."""

    def lengths(self) -> npt.NDArray[np.int64]:
        """Real length per view, [b, views]."""
        return np.stack([view.mask.sum(1).cpu().numpy() for view in self.history], axis=1)

    def num_candidates(self) -> npt.NDArray[np.int64]:
        """Real number of candidates, [b]."""
        return self.candidates.mask.sum(1).cpu().numpy()

    def __len__(self) -> int:
        return len(self.users)


def _move(value: object, device: torch.device | str) -> object:
    if isinstance(value, tuple):
        return tuple(_move(item, device) for item in value)
    assert isinstance(value, Tensor | _Tensors)
    return value.to(device, non_blocking=True) if isinstance(value, Tensor) else value.to(device)


def _pin(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(_pin(item) for item in value)
    assert isinstance(value, Tensor | _Tensors)
    return value.pin_memory()
