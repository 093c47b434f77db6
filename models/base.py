"""What every architecture is: a configuration that counts, and a ranker that scores."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from scaling.batch import Batch, Candidates, Context, Schema, View, ViewBatch
from scaling.compute import Flops
from scaling.config import Config
from scaling.models.table import Table
from scaling.registry import Registry

MODELS: Registry[type[ModelConfig]] = Registry("model", "scaling.models")

Reads = Literal["time", "scenario", "attributes"]
"""Parts of a request's context."""

AXES = ("depth", "width", "seq_len", "blocks")
"""The axes along which architectures are scaled."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Config, ABC):
    """One model of an architecture; the registered name is the architecture's."""

    registry = MODELS
    role: ClassVar[Literal["trained", "reference"]] = "trained"
    """`reference`: counted from data instead of trained by gradients."""

    depth: int
    width: int
    seq_len: int
    """Sum of the views' lengths, repeats counted."""

    @property
    def causal(self) -> bool:
        """Whether an event's representation depends on earlier events only."""
        return False

    @property
    def encode_reads(self) -> tuple[Reads, ...]:
        """What of the request's context `encode` reads; the ages of events are its time's.

        A memory serves all requests that agree in this (and in the history).
        """
        return ("time", "scenario", "attributes")

    @property
    def request_free_history(self) -> bool:
        """Whether `encode` reads nothing of the request: a memory serves until the next event."""
        return not self.encode_reads

    @property
    def extendable(self) -> bool:
        """Whether the ranker has `extend`."""
        return False

    @property
    def blocks(self) -> int:
        """Number of parallel stacks (N_b); 1 unless the architecture has several."""
        return 1

    @classmethod
    def example(cls, schema: Schema) -> Self:
        """A small model that suits the data: what the contract tests run on."""
        return cls(depth=3, width=32, seq_len=16)

    @property
    def variant(self) -> str:
        """The architecture, and its options that are not at their defaults (the axes aside)."""
        told = [
            f"{field.name}={_word(getattr(self, field.name))}"
            for field in dataclasses.fields(self)
            if field.name not in AXES and getattr(self, field.name) != field.default
        ]
        return f"{self.name}({', '.join(told)})" if told else self.name

    @abstractmethod
    def views(self) -> tuple[View, ...]:
        """The sub-sequences that this model reads."""

    @abstractmethod
    def build(self, schema: Schema) -> Ranker:
        """The module, initialised from torch's global generator."""

    @abstractmethod
    def params(self, schema: Schema) -> Mapping[str, int]:
        """Parameters by group; groups named `embedding.*` are look-up tables."""

    @abstractmethod
    def flops(
        self, schema: Schema, lengths: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]
    ) -> Flops:
        """Forward FLOPs at real `lengths` [requests, views] and numbers of `candidates` [requests]."""

    def scaled(self, **axes: Any) -> Self:
        """The same architecture with other values along `AXES`; an unknown axis is refused."""
        unknown = sorted(set(axes) - set(AXES))
        if unknown:
            raise ValueError(f"unknown axis {unknown[0]!r}; valid: {', '.join(AXES)}")
        if "blocks" in axes:
            return self.with_blocks(axes.pop("blocks"), **axes)
        return dataclasses.replace(self, **axes)

    def with_blocks(self, blocks: int, **axes: Any) -> Self:
        """`scaled` where the number of blocks is given; refused by all but multi-block models."""
        if blocks != self.blocks:
            raise ValueError(f"{self.name} has no blocks axis: blocks must be {self.blocks}")
        return dataclasses.replace(self, **axes)

    def num_params(self, schema: Schema) -> tuple[int, int]:
        """Dense parameters (N) and embedding parameters."""
        groups = self.params(schema)
        embedding = sum(n for name, n in groups.items() if name.startswith("embedding."))
        return sum(groups.values()) - embedding, embedding


def check_sizes(config: ModelConfig, head_dim: int = 1) -> None:
    """`ValueError` unless the sizes are positive and the width divides into heads."""
    for field in ("depth", "width", "seq_len"):
        value = getattr(config, field)
        if value < 1:
            raise ValueError(f"{config.name}.{field} must be at least 1, got {value}")
    if head_dim < 1 or config.width % head_dim:
        raise ValueError(
            f"{config.name}.width must be a multiple of head_dim {head_dim}, got {config.width}"
        )


@dataclass(frozen=True)
class Memory:
    """What `encode` leaves for `score`: a tree of tensors with leading dimension batch."""

    tree: Any
    """Nested tuples and dicts of tensors, each [b, ...]."""

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(leaf.numel() * leaf.element_size() for leaf in self.leaves())

    def leaves(self) -> list[Tensor]:
        """The tensors, in the tree's order."""
        return _leaves(self.tree)

    def with_leaves(self, leaves: Iterable[Tensor]) -> Memory:
        """The same tree of other tensors, in the order of `leaves()`."""
        rest = iter(leaves)
        return Memory(_map(self.tree, lambda _: next(rest)))

    def select(self, index: Tensor) -> Memory:
        """The memories of some requests, in the order of `index` (int64 [b'])."""
        return Memory(_map(self.tree, lambda leaf: leaf[index]))


class Ranker(nn.Module, ABC):
    """Scores candidates of a request, given the user's history.

    One code path for training records with many candidates, single items and cached histories:
    `forward` is `score` of `encode`.
    """

    @abstractmethod
    def encode(self, history: tuple[ViewBatch, ...], context: Context) -> Memory:
        """What of the history any candidate of the request may need."""

    @abstractmethod
    def score(self, memory: Memory, candidates: Candidates, context: Context) -> Tensor:
        """Logits [b, m, k]; a candidate's do not depend on the others."""

    def quantizable(self) -> Any:
        """Which tensors of the memory a cache may round, to int8 for instance.

        A tree of bools like the memory's; one bool stands for all below it. Keys, values and states
        may be; biases, times, counts and whatever has to be exact may not.
        """
        return False

    def extend(self, memory: Memory, new_events: tuple[ViewBatch, ...], context: Context) -> Memory:
        """What `encode` leaves of the histories with `new_events` appended to every view.

        It is defined by the views' own events: one like `recent` only grows until it is full, others
        (`lifetime`, `user.ATTRIBUTE`) choose anew when the history grows. Costs the new events' work
        alone. The memory that was given stays as it is.

        Args:
            memory: of b requests, from `encode` or `extend`.
            new_events: per view [b, n'], right-padded: requests may have different numbers of them.
            context: says when the ages of `new_events` were taken.

        Raises:
            ValueError: a view's events, old and new, are more than its length: encode again.
            NotImplementedError: the model isn't `extendable`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no extend: encode the whole history again"
        )

    def forward(self, batch: Batch) -> Tensor:
        memory = self.encode(batch.history, batch.context)
        return self.score(memory, batch.candidates, batch.context)

    def embedding_tables(self) -> list[Table]:
        """The tables whose rows are updated one by one, by the row-wise optimizer."""
        return [m for m in self.modules() if isinstance(m, Table) and m.row_wise]

    @property
    def sums_over_requests(self) -> bool:
        """Whether the training objective is a sum over requests, so that a batch may be worked on
        in parts whose gradients are added up. Not where something is added to it (by default:
        where `auxiliary_loss` is a model's own), or where a request's logits depend on others."""
        return type(self).auxiliary_loss is Ranker.auxiliary_loss

    def auxiliary_loss(self) -> Tensor | None:
        """A further term of the training objective, already weighted, of the last forward pass.

        Asked for after each forward pass of training; it steers the gradients (a load balance of
        experts, say) and is no part of the logged loss. None: there is none.
        """
        return None

    def diagnostics(self) -> Mapping[str, float]:
        """Numbers that say what was learned, by name, logged once with the trial's metrics.

        Temperatures are named by `scaling.diagnostics.temperature_name`.
        """
        return {}


def _word(value: object) -> str:
    """An option's value, short: views by their strategies, several values joined by a plus."""
    if isinstance(value, tuple):
        return "+".join(map(_word, value))
    return value.strategy if isinstance(value, View) else str(value)


def _leaves(tree: Any) -> list[Tensor]:
    if isinstance(tree, Tensor):
        return [tree]
    values = tree.values() if isinstance(tree, dict) else tree
    return [leaf for value in values for leaf in _leaves(value)]


def _map(tree: Any, function: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, dict):
        return {key: _map(value, function) for key, value in tree.items()}
    return tuple(_map(value, function) for value in tree)
