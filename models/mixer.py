"""What a layer's mixer is: events gather from earlier events, candidates from all events.

Shapes: g groups, b requests, n events, m candidates, d width, h heads. Rows are group times request.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from scaling.compute import Floats
from scaling.models.attention import Attending
from scaling.models.stack_shape import StackShape

Remembered = tuple[Tensor, ...]
"""What a layer keeps of the history for candidates to come; every tensor [g b, ...]."""


@dataclass(frozen=True)
class LayerFacts:
    """What a layer knows beside the vectors."""

    mask: Tensor | None = None
    """bool [g b, n]; None where candidates are scored."""
    before: Tensor | None = None
    """int64 [g b]: events remembered already, where others are appended."""
    places: int = 0
    """Where events are appended: of the longest history, old and new."""
    key_bias: Tensor | None = None
    """[g b, h, n], of the events as a candidate's keys; `MASKED` where padded. It is remembered; None
    where it depends on the request that scores, and is given then."""
    history_bias: Tensor | None = None
    """[g b, h, n] or [g b, h, asking, n], of the events as keys of events; None in the last layer,
    where none asks."""
    self_bias: Tensor | None = None
    """[g b, h], of a candidate as its own key."""
    log_temperature: Tensor | None = None
    """w [g b, h]; None for 0."""


class Mixer(Attending, ABC):
    """Made from a `StackShape`, the number of groups and the layer's number."""

    quantizable: ClassVar[tuple[bool, ...]]
    """Of each remembered tensor (see `Ranker.quantizable`)."""

    @abstractmethod
    def __init__(self, shape: StackShape, groups: int, layer: int) -> None:
        super().__init__()

    @abstractmethod
    def encode(
        self, normed: Tensor, facts: LayerFacts, last: bool
    ) -> tuple[Remembered, Tensor | None]:
        """What the layer remembers of the events `normed` [g, b, n, d], and what each of them
        gathered, of the same shape; None in the last layer, where nothing more is made of it."""

    @abstractmethod
    def extend(
        self, normed: Tensor, memory: Remembered, facts: LayerFacts, last: bool
    ) -> tuple[Remembered, Tensor | None]:
        """As `encode`, of new events alone, behind those that are remembered."""

    @abstractmethod
    def score(self, normed: Tensor, memory: Remembered, facts: LayerFacts) -> Tensor:
        """What the candidates `normed` [g, b, m, d] gather from the history and themselves."""

    @staticmethod
    @abstractmethod
    def params(shape: StackShape) -> Mapping[str, int]:
        """Parameters of one layer by group."""

    @staticmethod
    @abstractmethod
    def flops(
        shape: StackShape, events: Floats, queried: Floats, candidates: Floats
    ) -> tuple[dict[str, Floats], Floats]:
        """Components of one layer, and what a causal kernel would save, per request.

        Args:
            shape: the stack's.
            events: number of events.
            queried: of those, how many gather: all, or none in the last layer.
            candidates: number of candidates.
        """
