"""A cache of encoded users that never holds more bytes than it may.

Entries are bounded by the bytes of their tensors; what Python needs around them (some hundred bytes
a tensor) comes on top.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar


class Cacheable(Protocol):
    """What can be cached."""

    @property
    def nbytes(self) -> int:
        """Bytes that the value takes once it is compact."""

    def compact(self) -> Self:
        """The value on storage of its own."""


Value = TypeVar("Value", bound=Cacheable)


@dataclass(frozen=True)
class Key:
    """What a cached value belongs to."""

    user: str
    version: str
    """Of the user's history: another one replaces all entries of the user."""
    read: tuple[Hashable, ...] = ()
    """What of the request went into the value."""


class BytesBoundedCache(Generic[Value]):
    """Least recently used entries go first; safe to use from several threads.

    An entry larger than the whole cache is never kept (`too_large` counts them).
    """

    def __init__(self, limit: int) -> None:
        """`limit`: the most bytes held at any time; 0 keeps nothing."""
        self.limit = limit
        self.bytes = self.evicted = self.replaced = self.too_large = 0
        self._entries: OrderedDict[Key, Value] = OrderedDict()
        self._of_user: dict[str, set[Key]] = {}
        self._forgotten = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Key) -> bool:
        """Whether there is such an entry, without using it."""
        return key in self._entries

    @property
    def epoch(self) -> int:
        """Grows whenever a user is forgotten; see `put`."""
        return self._forgotten

    def get(self, key: Key) -> Value | None:
        """The entry, which is now the most recently used; None if there is none."""
        with self._lock:
            value = self._entries.get(key)
            if value is not None:
                self._entries.move_to_end(key)
            return value

    def of_other_versions(self, key: Key) -> list[Value]:
        """The user's entries of other versions that were made from the same of the request."""
        with self._lock:
            return [
                self._entries[other]
                for other in self._of_user.get(key.user, ())
                if other.version != key.version and other.read == key.read
            ]

    def put(self, key: Key, value: Value, epoch: int) -> None:
        """Keep an entry; the user's entries of other versions go.

        Args:
            key: of the entry; one of the same key is replaced.
            value: is made compact; nobody may change it.
            epoch: `self.epoch` from before the value was begun. A value that was begun before some
                user was forgotten may be that user's, and is not kept.
        """
        size = value.nbytes
        if fits := size <= self.limit:
            value = value.compact()
        with self._lock:
            if epoch != self._forgotten:
                return
            for other in list(self._of_user.get(key.user, ())):
                if other.version != key.version or other == key:
                    self._drop(other)
                    self.replaced += 1
            if not fits:
                self.too_large += 1
                return
            while self.bytes + size > self.limit:
                self._drop(next(iter(self._entries)))
                self.evicted += 1
            self._entries[key] = value
            self._of_user.setdefault(key.user, set()).add(key)
            self.bytes += size

    def forget(self, user: str) -> int:
        """Drop all entries of a user, also those being made; returns how many there were."""
        with self._lock:
            self._forgotten += 1
            keys = list(self._of_user.get(user, ()))
            for key in keys:
                self._drop(key)
            return len(keys)

    def _drop(self, key: Key) -> None:
        self.bytes -= self._entries.pop(key).nbytes
        mine = self._of_user[key.user]
        mine.discard(key)
        if not mine:
            del self._of_user[key.user]
