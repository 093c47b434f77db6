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
    """A sub-sequence of the history that a model wants to read, oldest event first.

    `strategy` says which of the user's events before the request (the history) are read:

    * `recent`: the most recent `length` of all;
    * the name of a behaviour (its positive events), `no_` and that name (the events without it),
      or behaviours joined by `+` (the events with any of them): the most recent `length`;
    * `lifetime`: `length` events evenly spaced from the oldest to the newest. Event j of n, out of
      H numbered by time, is H - 1 - floor((n - 1 - j) (H - 1) / (n - 1)): the newest always, the
      oldest from n = 2 on, all where there are at most `length`;
    * `user.ATTRIBUTE`: the most recent `length` of those whose item has one of the user's
      `TOP_VALUES` most frequent values of that item attribute in the history
      (datasets/view_categories.py), of equally frequent ones those met last;
    * `request.ATTRIBUTE`: the most recent `length` of those whose item has the value of one of the
      request's candidates, so that the history depends on what is asked about;
    * `merged`: exactly the distinct events that the views in `of` read, in the log's order. It
      shows a model of one sequence what another model's blocks see, at its real length.
    """

    strategy: str
    length: int
    """The most events read; for `merged` the sum of those of `of`."""
    disjoint: bool = False
    """Skip the events that earlier views of the model read, and go on further back instead. A
    merged view passes this on to each view in `of`."""
    of: tuple[View, ...] = ()
    """The views that a `merged` one unites, each with its own rules; empty for the others."""

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ValueError(f"View.length must be at least 1, got {self.length}")
        if self.strategy != "merged":
            if self.of:
                raise ValueError(
                    f"View.of must be empty unless the strategy is 'merged', got {len(self.of)} "
                    f"views for {self.strategy!r}"
                )
            return
        if not self.of:
            raise ValueError("View.of must hold at least one view for the strategy 'merged'")
        total = sum(view.length for view in self.of)
        if self.length != total:
            raise ValueError(
                f"View.length of a merged view must be the sum of the lengths of `of`, "
                f"{total}, got {self.length}"
            )


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

    def rows(self, which: slice | Tensor) -> Self:
        """Of every tensor, these rows (requests): a range, or int64 [b'] in its order."""
        cut = {f.name: _rows(getattr(self, f.name), which) for f in fields(self)}  # type: ignore[arg-type]
        return type(self)(**cut)

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
    """float64 [b, n]: seconds from the event to the request, exact, so that the request's time gives
    the event's; -1 where unknown, 0 where padded."""
    mask: Tensor
    """bool [b, n]: true where an event stands."""

    def events(self, which: slice) -> Self:
        """Of every request, the events at these places."""
        return type(self)(**{f.name: getattr(self, f.name)[:, which] for f in fields(self)})


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


def _rows(value: object, which: slice | Tensor) -> object:
    if isinstance(value, tuple):
        return tuple(_rows(item, which) for item in value)
    assert isinstance(value, Tensor | _Tensors)
    return value[which] if isinstance(value, Tensor) else value.rows(which)


def _pin(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(_pin(item) for item in value)
    assert isinstance(value, Tensor | _Tensors)
    return value.pin_memory()
