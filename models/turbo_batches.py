"""Requests of different sizes in batches with little padding.

Histories are padded to a ladder of lengths, each at most a sixteenth above the one before (and 16
events apart below 256), so that memories of users with similar histories have one form and can be
joined. Numbers of candidates are sorted and cut where padding would grow.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import fields

import torch
from torch import Tensor

from scaling.batch import Context, View, ViewBatch

SMALLEST_STEP = 16
"""Events between the lengths of the ladder, at least."""
STEPS_PER_OCTAVE = 16

PADDED_SHARE = 1 / 8
"""Padded candidates over real ones that a batch may have."""
PADDED_FREELY = 64
"""Padded candidates that a batch may have anyhow: less work than a batch of its own."""


def padded_length(length: int, most: int) -> int:
    """The next length of the ladder; no more than `most`, and 1 for an empty history."""
    octave = 1 << (max(length, 1).bit_length() - 1)
    step = max(SMALLEST_STEP, octave // STEPS_PER_OCTAVE)
    return max(1, min(-(-length // step) * step, most))


def real_lengths(history: Sequence[ViewBatch]) -> tuple[int, ...]:
    """Events of each view of one request."""
    return tuple(int(view.mask.sum()) for view in history)


def padded_lengths(lengths: Sequence[int], views: Sequence[View]) -> tuple[int, ...]:
    """`padded_length` of each view."""
    return tuple(padded_length(length, view.length) for length, view in zip(lengths, views))


def joined_history(
    histories: Sequence[Sequence[ViewBatch]], lengths: Sequence[int]
) -> tuple[ViewBatch, ...]:
    """Several requests' views as one batch, each padded (or cut, where only padding is lost)."""
    return tuple(
        _joined_view([history[place] for history in histories], length)
        for place, length in enumerate(lengths)
    )


def _joined_view(views: Sequence[ViewBatch], length: int) -> ViewBatch:
    def column(name: str) -> Tensor:
        rows: list[Tensor] = [getattr(view, name) for view in views]
        whole = rows[0].new_zeros(len(rows), length)
        for place, row in enumerate(rows):
            width = min(row.shape[1], length)
            whole[place, :width] = row[0, :width]
        return whole

    return ViewBatch(**{field.name: column(field.name) for field in fields(ViewBatch)})


def joined_context(contexts: Sequence[Context]) -> Context:
    """Several requests' contexts as one batch."""
    if len(contexts) == 1:
        return contexts[0]
    return Context(
        **{f.name: torch.cat([getattr(c, f.name) for c in contexts]) for f in fields(Context)}
    )


def joined_items(items: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Several requests' items [m] as one tensor [b, m], right-padded by 0, and its mask."""
    if len(items) == 1:
        return items[0].unsqueeze(0), torch.ones(1, len(items[0]), dtype=torch.bool)
    counts = torch.tensor([len(one) for one in items])
    mask = torch.arange(int(counts.max())) < counts.unsqueeze(1)
    whole = torch.zeros(mask.shape, dtype=torch.int64)
    whole[mask] = torch.cat(list(items))
    return whole, mask


def same_form(forms: Sequence[Hashable], sizes: Sequence[int], tokens: int) -> list[list[int]]:
    """Places of equal forms in batches of at most `tokens`, each of at least one.

    Args:
        forms: of each.
        sizes: tokens of each.
    """
    found: dict[Hashable, list[list[int]]] = {}
    for place, (form, size) in enumerate(zip(forms, sizes, strict=True)):
        batches = found.setdefault(form, [[]])
        if batches[-1] and (len(batches[-1]) + 1) * size > tokens:
            batches.append([])
        batches[-1].append(place)
    return [batch for batches in found.values() for batch in batches]


def similar_counts(
    forms: Sequence[Hashable], events: Sequence[int], counts: Sequence[int], tokens: int
) -> list[list[int]]:
    """Places of equal forms and similar counts in batches of at most `tokens`, padding included.

    Args:
        forms: of each.
        events: tokens that each brings, of its history.
        counts: candidates of each.
    """
    of_form: dict[Hashable, list[int]] = {}
    for place, form in enumerate(forms):
        of_form.setdefault(form, []).append(place)
    batches = []
    for places in of_form.values():
        places.sort(key=lambda place: -counts[place])
        batch: list[int] = []
        padded = real = 0
        for place in places:
            largest = counts[batch[0]] if batch else counts[place]
            more = largest - counts[place]
            full = (len(batch) + 1) * (events[place] + largest) > tokens
            wasteful = padded + more > max(PADDED_FREELY, PADDED_SHARE * (real + counts[place]))
            if batch and (full or wasteful):
                batches.append(batch)
                batch, padded, real, more = [], 0, 0, 0
            batch.append(place)
            padded, real = padded + more, real + counts[place]
        batches.append(batch)
    return batches
