"""Memories of many users, encoded in batches, or extended where only events came behind."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import torch

from scaling.batch import Context, ViewBatch
from scaling.models.base import Memory, ModelConfig, Ranker
from scaling.models.turbo_batches import (
    joined_context,
    joined_history,
    padded_lengths,
    real_lengths,
    same_form,
)
from scaling.models.turbo_counts import Counts
from scaling.models.turbo_precision import CacheDtype, Kept, joined, kept
from scaling.models.turbo_prefix import Seen, events_behind, seen

History = tuple[ViewBatch, ...]


@dataclass(frozen=True)
class Encoded:
    """A user's memory, as it is cached."""

    kept: Kept
    form: tuple[Hashable, ...]
    """Memories of one form can be joined."""
    events: int
    """Places for events that it was made from, padding included."""
    seen: tuple[Seen, ...] | None
    """What its views held, where it can be extended."""

    @property
    def nbytes(self) -> int:
        return self.kept.nbytes

    def compact(self) -> Encoded:
        """On storage of its own."""
        return dataclasses.replace(self, kept=self.kept.compact())


@dataclass(frozen=True)
class Job:
    """A user to be encoded."""

    history: History
    """Tensors [1, n]."""
    context: Context
    older: Sequence[Encoded]
    """Memories of the user's earlier histories."""


class Encoder:
    """Encodes in batches of equal padded lengths; to be called without gradients."""

    def __init__(
        self,
        ranker: Ranker,
        config: ModelConfig,
        dtype: CacheDtype,
        tokens: int,
        device: torch.device,
        counts: Counts,
    ) -> None:
        self.ranker, self.dtype, self.tokens = ranker, dtype, tokens
        self.device, self.counts = device, counts
        self.views, self.extendable = config.views(), config.extendable
        self.quantizable = ranker.quantizable()

    def encoded(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Encoded]]:
        """The memory of every job, by its place, in no particular order."""
        fresh, longer = [], []
        for place, job in enumerate(jobs):
            behind = self._behind(job)
            if behind is None:
                fresh.append(place)
            else:
                longer.append((place, *behind))
        yield from self._anew(jobs, fresh)
        yield from self._extended(jobs, longer)
        self.counts.add(misses=len(fresh), extended=len(longer))

    def _behind(self, job: Job) -> tuple[Encoded, History] | None:
        """An older memory that the history begins with, and the events behind it."""
        for old in job.older:
            if old.seen is not None:
                events = events_behind(old.seen, job.history, job.context)
                if events is not None:
                    return old, events
        return None

    def _anew(self, jobs: Sequence[Job], places: Sequence[int]) -> Iterator[tuple[int, Encoded]]:
        real = [real_lengths(jobs[place].history) for place in places]
        padded = [padded_lengths(lengths, self.views) for lengths in real]
        for batch in same_form(padded, [sum(lengths) for lengths in padded], self.tokens):
            lengths, rows = padded[batch[0]], [places[row] for row in batch]
            history = joined_history([jobs[place].history for place in rows], lengths)
            memory = self.ranker.encode(self._moved(history), self._context(jobs, rows))
            self._count([real[row] for row in batch], len(batch) * sum(lengths))
            yield from self._rows(jobs, rows, memory, [sum(lengths)] * len(rows))

    def _extended(
        self, jobs: Sequence[Job], longer: Sequence[tuple[int, Encoded, History]]
    ) -> Iterator[tuple[int, Encoded]]:
        real = [real_lengths(events) for _, _, events in longer]
        forms, sizes = [old.form for _, old, _ in longer], [old.events for _, old, _ in longer]
        for batch in same_form(forms, sizes, self.tokens):
            rows = [longer[row][0] for row in batch]
            lengths = [max(1, *(real[row][view] for row in batch)) for view in range(len(real[0]))]
            history = joined_history([longer[row][2] for row in batch], lengths)
            memory = self.ranker.extend(
                joined([longer[row][1].kept for row in batch]).memory(),
                self._moved(history),
                self._context(jobs, rows),
            )
            self._count([real[row] for row in batch], len(batch) * sum(lengths))
            events = [longer[row][1].events + sum(real[row]) for row in batch]
            yield from self._rows(jobs, rows, memory, events)

    def _rows(
        self, jobs: Sequence[Job], places: Sequence[int], memory: Memory, events: Sequence[int]
    ) -> Iterator[tuple[int, Encoded]]:
        """The memory of each job of a batch."""
        together = kept(memory, self.quantizable, self.dtype)
        form = together.form
        for index, place in enumerate(places):
            job = jobs[place]
            known = seen(job.history, job.context) if self.extendable else None
            yield place, Encoded(together.row(index), form, events[index], known)

    def _count(self, real: Sequence[Sequence[int]], computed: int) -> None:
        self.counts.add(real_events=sum(map(sum, real)), computed_events=computed)

    def _context(self, jobs: Sequence[Job], places: Sequence[int]) -> Context:
        return joined_context([jobs[place].context for place in places]).to(self.device)

    def _moved(self, history: History) -> History:
        return tuple(view.to(self.device) for view in history)
