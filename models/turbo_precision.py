"""Memories as a cache keeps them: compact, and in the precision that was asked for.

int8 takes blocks of 32 consecutive values, each with one scale in half precision, so that the
largest magnitude of a block becomes 127: 34 bytes instead of 128. A block stays within the last two
dimensions (events and a head's values): events that are appended leave the blocks of earlier ones as
they are, and rounding again what was rounded changes nothing.

Which tensors may be rounded is declared by the model (`Ranker.quantizable`); the others are kept as
they are, and so is everything under `float32`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from scaling.models.base import Memory

CacheDtype = Literal["float32", "bfloat16", "int8"]
CACHE_DTYPES: tuple[str, ...] = get_args(CacheDtype)

BLOCK = 32
"""Values that share a scale."""
_LARGEST = 127
_SMALLEST_SCALE = torch.finfo(torch.float16).tiny


@dataclass(frozen=True)
class Rounded:
    """A tensor [b, ...] in fewer bits."""

    values: Tensor
    """bfloat16 [b, ...], or int8 [b, ..., blocks, BLOCK]."""
    scales: Tensor | None
    """float16 [b, ..., blocks, 1]; None for bfloat16."""
    shape: torch.Size
    """Of a row: the tensor's without b."""
    dtype: torch.dtype
    """The tensor's."""


Leaf = Tensor | Rounded


@dataclass(frozen=True)
class Kept:
    """Memories in the form in which they are cached."""

    leaves: tuple[Leaf, ...]
    """Each [b, ...]."""
    like: Memory
    """A memory of the same tree, of empty tensors."""

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(t.numel() * t.element_size() for leaf in self.leaves for t in _tensors(leaf))

    @property
    def form(self) -> tuple[torch.Size, ...]:
        """The shapes of a row's tensors: memories of one form can be joined."""
        return tuple(_row_shape(leaf) for leaf in self.leaves)

    def row(self, index: int) -> Kept:
        """One request's, on the same storage."""
        return self._each(lambda tensor: tensor[index : index + 1])

    def compact(self) -> Kept:
        """The same on storage of its own: what lies around it can be freed."""
        return self._each(lambda tensor: tensor.clone(memory_format=torch.contiguous_format))

    def memory(self) -> Memory:
        """What the ranker reads."""
        return self.like.with_leaves(_restored(leaf) for leaf in self.leaves)

    def _each(self, function: Callable[[Tensor], Tensor]) -> Kept:
        return Kept(tuple(_changed(leaf, function) for leaf in self.leaves), self.like)


def kept(memory: Memory, quantizable: Any, dtype: CacheDtype) -> Kept:
    """A memory in the precision of a cache.

    Args:
        memory: of b requests.
        quantizable: which of its tensors may be rounded, as the ranker declares it.
        dtype: of those; the others stay as they are.
    """
    may = _spread(quantizable, memory.tree)
    leaves = tuple(
        _rounded(leaf, dtype) if allowed and leaf.dim() > 1 and dtype != "float32" else leaf
        for leaf, allowed in zip(memory.leaves(), may, strict=True)
    )
    return Kept(leaves, memory.with_leaves(leaf.new_empty(0) for leaf in memory.leaves()))


def joined(parts: Sequence[Kept]) -> Kept:
    """The memories of several, all of one form, one after the other."""
    if len(parts) == 1:
        return parts[0]
    columns = zip(*(part.leaves for part in parts), strict=True)
    return Kept(tuple(_joined(column) for column in columns), parts[0].like)


def _spread(flags: Any, tree: Any) -> list[bool]:
    """A flag for each leaf of the tree; one flag stands for all below it."""
    if isinstance(tree, Tensor):
        return [bool(flags)]
    if isinstance(tree, dict):
        below = [(flags if isinstance(flags, bool) else flags[key], tree[key]) for key in tree]
    else:
        each = [flags] * len(tree) if isinstance(flags, bool) else flags
        below = list(zip(each, tree, strict=True))
    return [flag for pair in below for flag in _spread(*pair)]


def _rounded(leaf: Tensor, dtype: CacheDtype) -> Rounded:
    shape = leaf.shape[1:]
    if dtype == "bfloat16":
        return Rounded(leaf.to(torch.bfloat16), None, shape, leaf.dtype)
    flat = leaf.flatten(-2) if leaf.dim() > 2 else leaf
    blocks = F.pad(flat, (0, -flat.shape[-1] % BLOCK)).unflatten(-1, (-1, BLOCK))  # type: ignore[no-untyped-call]
    # Smaller scales than half precision has would be 0; the error is at most half a scale then too.
    scales = (blocks.abs().amax(-1, keepdim=True) / _LARGEST).half().clamp(min=_SMALLEST_SCALE)
    # Half precision may have rounded the scale down.
    values = (blocks / scales).round_().clamp_(-_LARGEST, _LARGEST)
    return Rounded(values.to(torch.int8), scales, shape, leaf.dtype)


def _restored(leaf: Leaf) -> Tensor:
    if isinstance(leaf, Tensor):
        return leaf
    if leaf.scales is None:
        return leaf.values.to(leaf.dtype)
    flat = (leaf.values.to(leaf.dtype) * leaf.scales.to(leaf.dtype)).flatten(-2)
    inner = leaf.shape[-2:].numel() if len(leaf.shape) > 1 else leaf.shape[-1]
    return flat[..., :inner].reshape(len(flat), *leaf.shape)


def _joined(column: Sequence[Leaf]) -> Leaf:
    first = column[0]
    if isinstance(first, Tensor):
        return torch.cat([leaf for leaf in column if isinstance(leaf, Tensor)])
    each = [leaf for leaf in column if isinstance(leaf, Rounded)]
    scales = [leaf.scales for leaf in each if leaf.scales is not None]
    values = torch.cat([leaf.values for leaf in each])
    return Rounded(values, torch.cat(scales) if scales else None, first.shape, first.dtype)


def _changed(leaf: Leaf, function: Callable[[Tensor], Tensor]) -> Leaf:
    if isinstance(leaf, Tensor):
        return function(leaf)
    scales = None if leaf.scales is None else function(leaf.scales)
    return Rounded(function(leaf.values), scales, leaf.shape, leaf.dtype)


def _tensors(leaf: Leaf) -> tuple[Tensor, ...]:
    if isinstance(leaf, Tensor):
        return (leaf,)
    return (leaf.values,) if leaf.scales is None else (leaf.values, leaf.scales)


def _row_shape(leaf: Leaf) -> torch.Size:
    return leaf.shape if isinstance(leaf, Rounded) else leaf.shape[1:]
