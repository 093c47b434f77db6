"""One driver per sweep: a lease that its holder renews, so that others see it is alive.

Whoever takes it over writes a token of its own; the holder before finds that at its next heartbeat
and stops. The lease also tells how the sweep stands, for `climber status` elsewhere.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, Self

from scaling.process import Process

logger = logging.getLogger(__name__)

BEAT_SECONDS = 5.0
STALE_SECONDS = 60.0
"""Without a heartbeat for that long, the holder counts as lost."""


class LeaseError(ValueError):
    """The sweep has another driver, or has got another one meanwhile."""


@dataclass(frozen=True)
class Holder:
    """What a lease says about who holds it."""

    token: str
    process: Process
    since: float
    """Seconds since the epoch, as `beat`."""
    beat: float
    status: Mapping[str, Any] = field(default_factory=dict)
    """How the sweep stands, told at each heartbeat."""

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "status": dict(self.status)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "process": Process(**data["process"])})


@dataclass(frozen=True)
class Seen:
    """A lease as somebody else finds it."""

    holder: Holder
    age: float
    """Seconds since its last heartbeat."""

    @property
    def stale(self) -> bool:
        return self.age > STALE_SECONDS or self.holder.process.surely_ended()

    def __str__(self) -> str:
        process = self.holder.process
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.holder.since))
        return (
            f"process {process.pid} on {process.host}, since {since} "
            f"(last heartbeat {max(self.age, 0):.0f} s ago)"
        )


class Place(Protocol):
    """Where a lease is kept."""

    settle: float
    """Seconds until of two that wrote at once each sees who was the last; 0 where `guarded` keeps
    them apart."""

    def read(self) -> Seen | None: ...
    def write(self, holder: Holder) -> None: ...
    def remove(self) -> None: ...
    def guarded(self) -> AbstractContextManager[None]:
        """Keeps others from reading and writing meanwhile, as far as the place can do that."""


class Lease:
    """A sweep's lease; held inside the context, and released at its end however that comes."""

    def __init__(
        self,
        place: Place,
        title: str,
        *,
        takeover: bool = False,
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        """A lease that is yet to be taken.

        Args:
            place: where it is kept.
            title: of the sweep.
            takeover: take it even if its holder is alive.
            beat_seconds: between two heartbeats.
        """
        self._place, self._title, self._takeover = place, title, takeover
        self._beat_seconds = beat_seconds
        self._token, self._since = secrets.token_hex(8), time.time()
        self._process = Process.mine()
        self._confirmed = 0.0
        self._lost = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beats, name="climber-lease", daemon=True)
        self.status: Callable[[], Mapping[str, Any]] = dict
        """What is told of the sweep at each heartbeat."""

    def __enter__(self) -> Self:
        """Takes the lease.

        Raises:
            LeaseError: somebody alive holds it; names host, process and age.
            OSError: the place can't be written.
        """
        with self._place.guarded():
            before = self._place.read()
            if before is not None and not self._takeover:
                before = self._gone(before)
            self._place.write(self._mine())
        if before is not None:
            logger.warning("sweep %r: took the lease over from %s", self._title, before)
        # The holder before has noticed by then, and what it recorded last can be read.
        alive = before is not None and not before.stale
        time.sleep(self._place.settle + (1.5 * self._beat_seconds if alive else 0))
        if self._place.settle:
            now = self._place.read()
            if now is None or now.holder.token != self._token:
                raise self._refusal(now)
        self._confirmed = time.time()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        try:
            with self._place.guarded():
                if self._owned(self._place.read()):
                    self._place.remove()
        except Exception as error:
            # What the sweep did is recorded; others see that this process has ended.
            logger.warning("sweep %r: its lease was not released: %s", self._title, error)

    def check(self) -> None:
        """Raises LeaseError if the lease was found lost."""
        if self._lost:
            raise LeaseError(self._lost)

    def confirm(self) -> None:
        """As `check`, after another look at the lease if heartbeats were missed: this process may
        have been suspended. Raises what the place raises if it can't be read."""
        if not self._lost and time.time() - self._confirmed > STALE_SECONDS / 2:
            self._beat()
        self.check()

    def _gone(self, before: Seen) -> Seen:
        """The holder before, if it is lost; otherwise that is an error."""
        if before.stale and not before.holder.process.surely_ended() and self._place.settle:
            # Its clock may be behind ours: alive is who writes.
            time.sleep(2 * self._beat_seconds)
            again = self._place.read()
            if again is not None and again.holder.beat != before.holder.beat:
                raise self._refusal(again)
        if not before.stale:
            raise self._refusal(before)
        return before

    def _refusal(self, seen: Seen | None) -> LeaseError:
        return LeaseError(
            f"the sweep {self._title!r} is run by {seen or 'another driver'}; its lease is "
            f"{self._place}. Cure: let it end (`climber status` shows how far it is), or take the "
            "sweep over by --takeover: the other driver then stops at its next heartbeat"
        )

    def _mine(self) -> Holder:
        return Holder(self._token, self._process, self._since, time.time(), self.status())

    def _owned(self, seen: Seen | None) -> bool:
        return seen is not None and seen.holder.token == self._token

    def _beats(self) -> None:
        while not self._stop.wait(self._beat_seconds) and not self._lost:
            try:
                self._beat()
            except Exception as error:  # the place doesn't answer: the next heartbeat tries again
                logger.debug("sweep %r: no heartbeat: %s", self._title, error)

    def _beat(self) -> None:
        with self._place.guarded():
            seen = self._place.read()
            if self._owned(seen):
                self._place.write(self._mine())
                self._confirmed = time.time()
                return
        who = f"was taken over by {seen}" if seen else "was removed"
        self._lost = (
            f"the lease of the sweep {self._title!r} ({self._place}) {who}: this driver has stopped "
            "its trials and recorded nothing since. Finished trials are kept"
        )
