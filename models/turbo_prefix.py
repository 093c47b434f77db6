"""Whether a history begins with all of another one, told by digests of its events.

A memory is extended only where its own events stand at the beginning of every view of the new
history, with the same times: whatever a view does when the history grows, a wrong extension cannot
come about. A view that was full begins elsewhere once it moves on, and is encoded again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from scaling.batch import Context, ViewBatch


@dataclass(frozen=True)
class Seen:
    """What was read of one view."""

    events: int
    digest: bytes
    """Of their items, actions, scenarios and times."""


def seen(history: Sequence[ViewBatch], context: Context) -> tuple[Seen, ...]:
    """What a request's views [1, n] hold."""
    counts = [int(view.mask.sum()) for view in history]
    return tuple(Seen(count, _digest(view, context, count)) for view, count in zip(history, counts))


def events_behind(
    before: Sequence[Seen], history: Sequence[ViewBatch], context: Context
) -> tuple[ViewBatch, ...] | None:
    """The events [1, n'] that each view has behind those seen; None unless it begins with them."""
    found = []
    for old, view in zip(before, history, strict=True):
        count = int(view.mask.sum())
        if count < old.events or _digest(view, context, old.events) != old.digest:
            return None
        found.append(view.events(slice(old.events, count)))
    return tuple(found)


def _digest(view: ViewBatch, context: Context, count: int) -> bytes:
    ages = view.ages[0, :count]
    times = torch.where(ages < 0, -1, (context.time - ages).round().long())
    columns = (view.items[0, :count], view.actions[0, :count], view.scenarios[0, :count], times)
    return hashlib.blake2b(torch.stack(columns).numpy().tobytes(), digest_size=16).digest()
