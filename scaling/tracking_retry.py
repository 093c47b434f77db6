"""Writes that wait for a store which is away for a while; errors that no waiting cures go through."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from scaling.tracking_mlflow import MlflowException
from scaling.tracking_store import StoreError, sqlite_path, store_errors

LIMIT_SECONDS = 600.0
"""How long a store may be away before a write fails."""

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 15.0
_PASSING_CODES = (
    "INTERNAL_ERROR",
    "TEMPORARILY_UNAVAILABLE",
    "REQUEST_LIMIT_EXCEEDED",
    "DEADLINE_EXCEEDED",
)
"""MLflow's names of what may be gone at the next try; no connection is an internal error."""
_PASSING_STATUS = (408, 429, 500, 502, 503, 504)

T = TypeVar("T")


class Patience:
    """Calls a write until it succeeds, with growing waits between the tries."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._hurried = threading.Event()
        self._limit = LIMIT_SECONDS
        self.before_each: Callable[[], None] = lambda: None
        """Called before every try; what it raises ends the write unless it passes, too."""
        self.tell: Callable[[str], None] = lambda text: None
        """Told that the store doesn't answer, and `` when it answers again."""

    def __call__(self, write: Callable[[], T]) -> T:
        """What `write` returns.

        Raises:
            StoreError: an error that waiting can't cure, or one that lasted too long.
        """
        begin, wait, waited = time.monotonic(), _FIRST_WAIT, False
        while True:
            try:
                with store_errors(self._uri):
                    self.before_each()
                    found = write()
            except StoreError as error:
                away = time.monotonic() - begin
                if not passes(error, self._uri) or away + wait > self._limit:
                    raise
                waited = True
                self.tell(f"the MLflow store has not answered for {away:.0f} s: {error}")
                if self._hurried.wait(wait):
                    time.sleep(_FIRST_WAIT)
                wait = min(2 * wait, _LONGEST_WAIT)
            else:
                if waited:
                    self.tell("")
                return found

    def hurry(self, seconds: float) -> None:
        """From now on, and for a write that waits already, allow no more than that."""
        self._limit = seconds
        self._hurried.set()


def passes(error: StoreError, uri: str) -> bool:
    """Whether what a store raised may be gone by itself: no connection, a lock, an overload."""
    cause = error.__cause__
    if sqlite_path(uri) is not None:
        return "is locked" in str(cause)
    if isinstance(cause, MlflowException):
        text = str(cause)
        return cause.error_code in _PASSING_CODES and not any(
            f"error code {code} " in text for code in range(400, 500) if code not in _PASSING_STATUS
        )
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if status is not None:  # of an artifact's upload
        return status in _PASSING_STATUS
    # What `requests` raises is an OSError; errors of our own files carry a number.
    return isinstance(cause, ConnectionError | TimeoutError) or (
        isinstance(cause, OSError) and cause.errno is None
    )
