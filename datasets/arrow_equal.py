"""Which rows of two Arrow columns differ: bit by bit, nested types too.

Equality of values is not enough for a lossless file: 0.0 equals -0.0, and NaN does not equal itself.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_BITS = {8: pa.uint8(), 16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}


def differ(one: pa.Array, other: pa.Array) -> Bools:
    """Row by row, whether two columns of one type and length differ; null equals null.

    Raises:
        TypeError: a type that can't be compared.
    """
    null, other_null = _nulls(one), _nulls(other)
    found: Bools = null != other_null
    both = ~(null | other_null)
    if not both.any():
        return found
    if not both.all():
        kept = pa.array(both)
        found[both] = _values_differ(one.filter(kept), other.filter(kept))
        return found
    return _values_differ(one, other)


def comparable(kind: pa.DataType) -> bool:
    """Whether `differ` knows the type."""
    try:
        differ(pa.nulls(0, kind), pa.nulls(0, kind))
        _values_differ(pa.nulls(0, kind), pa.nulls(0, kind))
    except (TypeError, pa.ArrowException):
        return False
    return True


def _values_differ(one: pa.Array, other: pa.Array) -> Bools:
    """As `differ`, of columns without nulls at the top."""
    kind = one.type
    if pa.types.is_null(kind):
        return np.zeros(len(one), np.bool_)
    if pa.types.is_dictionary(kind):
        return differ(one.dictionary_decode(), other.dictionary_decode())
    if pa.types.is_struct(kind):
        parts = zip(one.flatten(), other.flatten())
        found = np.zeros(len(one), np.bool_)
        for part, other_part in parts:
            found |= differ(part, other_part)
        return found
    if pa.types.is_fixed_size_list(kind):
        inside = differ(one.flatten(), other.flatten())
        return np.asarray(inside.reshape(len(one), kind.list_size).any(1))
    if pa.types.is_map(kind):
        return _lists_differ(one, other, [(one.keys, other.keys), (one.items, other.items)])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _lists_differ(one, other, [(one.values, other.values)])
    if pa.types.is_boolean(kind):
        return _numpy(pc.not_equal(one, other))
    if pa.types.is_primitive(kind) and kind.bit_width in _BITS:
        bits = _BITS[kind.bit_width]
        return np.asarray(one.view(bits).to_numpy() != other.view(bits).to_numpy())
    if isinstance(one, pa.ExtensionArray):
        return differ(one.storage, other.storage)
    if any(test(kind) for test in _COMPARED):
        return _numpy(pc.not_equal(one, other))
    raise TypeError(f"values of type {kind} can't be compared")


_COMPARED = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
    pa.types.is_decimal,
)


def _lists_differ(one: pa.Array, other: pa.Array, parts: list[tuple[pa.Array, pa.Array]]) -> Bools:
    """Lists of equal length are compared place by place."""
    starts, lengths = _spans(one)
    other_starts, other_lengths = _spans(other)
    found: Bools = lengths != other_lengths
    same = np.flatnonzero(~found)
    size = lengths[same]
    row = np.repeat(same, size)
    place = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
    mine, theirs = pa.array(starts[row] + place), pa.array(other_starts[row] + place)
    for values, other_values in parts:
        found[row[differ(values.take(mine), other_values.take(theirs))]] = True
    return found


def _spans(lists: pa.Array) -> tuple[Ints, Ints]:
    offsets = lists.offsets.to_numpy().astype(np.int64)
    return offsets[:-1], np.diff(offsets)


def _nulls(column: pa.Array) -> Bools:
    return _numpy(column.is_null())


def _numpy(column: pa.Array) -> Bools:
    return np.asarray(column.to_numpy(zero_copy_only=False), np.bool_)
