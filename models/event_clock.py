"""When the events of a memory happened, for histories that are encoded without their request.

Where `encode` reads nothing of the request, an event knows the time since the event before it in its
view (its gap) and its position from the view's start. A candidate still asks how old an event is and
how many came after it, so the memory keeps the events' times.

Shapes: g groups, b requests, n events.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scaling.batch import ViewBatch

UNKNOWN = torch.iinfo(torch.int64).min
"""Time of an event whose age is unknown."""


@dataclass(frozen=True)
class EventClock:
    """Times of the events of all groups, right-padded."""

    times: Tensor
    """int64 [g, b, n]: seconds since the epoch, `UNKNOWN` where not known."""
    lengths: Tensor
    """int64 [g, b]: real events."""

    @classmethod
    def of(cls, view: ViewBatch, time: Tensor) -> EventClock:
        """Of events whose ages were taken at `time` [b]; fractions of a second are rounded."""
        times = (time.unsqueeze(-1) - view.ages).round().long()
        times = times.masked_fill(view.ages < 0, UNKNOWN)
        return cls(times * view.mask, view.mask.sum(-1))

    @property
    def places(self) -> Tensor:
        """int64 [n]: positions from the start."""
        return torch.arange(self.times.shape[-1], device=self.times.device)

    @property
    def mask(self) -> Tensor:
        """bool [g, b, n]: true where an event stands."""
        return self.places < self.lengths.unsqueeze(-1)

    @property
    def from_the_end(self) -> Tensor:
        """int64 [g, b, n]: how many events came later; 0 where padded."""
        return (self.lengths.unsqueeze(-1) - 1 - self.places).clamp(0)

    def ages(self, time: Tensor) -> Tensor:
        """float64 [g, b, n]: seconds from the events to requests at `time` [b]; -1: unknown."""
        ages = (time.unsqueeze(-1) - self.times).clamp(min=0).double()
        return ages.masked_fill(self.times == UNKNOWN, -1.0)

    @property
    def last(self) -> Tensor:
        """int64 [g, b]: the last event's time; `UNKNOWN` where there is none."""
        times = F.pad(self.times, (1, 0), value=UNKNOWN)
        place = self.lengths.clamp(max=self.times.shape[-1]).unsqueeze(-1)
        return times.gather(-1, place).squeeze(-1)

    def gaps(self, earlier: EventClock | None = None) -> Tensor:
        """float64 [g, b, n]: seconds from the event before, the first one's from the last of the
        `earlier` ones; -1 where there is none or either time is unknown."""
        first = torch.full_like(self.lengths, UNKNOWN) if earlier is None else earlier.last
        before = torch.cat([first.unsqueeze(-1), self.times], -1)[..., :-1]
        unknown = (self.times == UNKNOWN) | (before == UNKNOWN)
        return (self.times - before).clamp(min=0).double().masked_fill(unknown, -1.0)

    def since(self, keys: EventClock) -> Tensor:
        """float64 [g, b, n, k]: seconds from each of `keys` to each event; 0 for later ones, -1 if
        either time is unknown."""
        times, earlier = self.times.unsqueeze(-1), keys.times.unsqueeze(-2)
        unknown = (times == UNKNOWN) | (earlier == UNKNOWN)
        return (times - earlier).clamp(min=0).double().masked_fill(unknown, -1.0)

    def shortened(self) -> EventClock:
        """The last event's time alone, [g, b, 1]; the lengths stay."""
        return EventClock(self.last.unsqueeze(-1), self.lengths)

    def followed_by(self, new: EventClock) -> EventClock:
        """With new events behind the old ones; as wide as the longest history needs."""
        lengths = self.lengths + new.lengths
        times = appended(self.times, new.times, self.lengths, int(lengths.max()))
        return EventClock(times, lengths)

    def shortened_and_followed_by(self, new: EventClock) -> EventClock:
        """As `followed_by`, with the last event's time alone."""
        last = torch.where(new.lengths > 0, new.last, self.last)
        return EventClock(last.unsqueeze(-1), self.lengths + new.lengths)


def appended(old: Tensor, new: Tensor, lengths: Tensor, width: int) -> Tensor:
    """`new` [..., n', *rest] behind the first `lengths` [...] events of `old` [..., n, *rest].

    Returns:
        [..., width, *rest]; places beyond the events hold anything.
    """
    dim = lengths.dim()
    both = torch.cat([old, new], dim)
    place = torch.arange(width, device=old.device)
    known = lengths.unsqueeze(-1)
    source = torch.where(place < known, place, old.shape[dim] + place - known)
    source = source.clamp(max=both.shape[dim] - 1)
    rest = both.shape[dim + 1 :]
    index = source.view(*source.shape, *(1,) * len(rest)).expand(*source.shape, *rest)
    return both.gather(dim, index)
