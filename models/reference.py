"""References: rankers that are counted from data instead of trained by gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import torch

from scaling.batch import Batch, Schema, View
from scaling.compute import Flops
from scaling.models.base import ModelConfig, Ranker, Reads


@dataclass(frozen=True, kw_only=True)
class ReferenceConfig(ModelConfig, ABC):
    """A ranker that is counted in one pass over the training part: it has nothing to scale."""

    role: ClassVar[Literal["trained", "reference"]] = "reference"

    depth: int = 1
    width: int = 1
    seq_len: int = 1
    requests: int = 20_000
    """How many are read of data without end; finite data are read once."""

    def __post_init__(self) -> None:
        for field in ("depth", "width", "seq_len"):
            if getattr(self, field) != 1:
                raise ValueError(
                    f"{self.name} has no {field} axis: it must be 1, got {getattr(self, field)}"
                )
        if self.requests < 1:
            raise ValueError(f"{self.name}.requests must be at least 1, got {self.requests}")

    @property
    def encode_reads(self) -> tuple[Reads, ...]:
        return ()

    @classmethod
    def example(cls, schema: Schema) -> Self:
        return cls()

    def views(self) -> tuple[View, ...]:
        return (View(strategy="recent", length=1),)

    @abstractmethod
    def build(self, schema: Schema) -> Reference:
        """The ranker with nothing counted yet."""

    def params(self, schema: Schema) -> Mapping[str, int]:
        """None: counts are no parameters."""
        return {}

    def flops(
        self, schema: Schema, lengths: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]
    ) -> Flops:
        """None: look-ups count 0."""
        return Flops({}, causal_discount=np.zeros(len(candidates)))


class Reference(Ranker):
    """A ranker without parameters; what it has counted is kept in buffers."""

    @abstractmethod
    def count(self, batch: Batch) -> None:
        """Add the real candidates of a training batch and their labels to the counts."""

    @abstractmethod
    def close(self) -> None:
        """Make the counts ready to score with; more may be counted and closed again."""

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        # Some buffers grow with what was counted: they take the size of what is loaded.
        for name, buffer in self.named_buffers(recurse=False):
            loaded = state_dict.get(prefix + name)
            if loaded is not None and loaded.shape != buffer.shape:
                setattr(self, name, torch.empty_like(loaded, device=buffer.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)
