"""Checkpoints in the course of a trial: when one is due, and what is said if that fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from scaling.checkpoint import TrialCheckpoints, discard, full_place
from scaling.config import cache_dir
from scaling.running import Run

logger = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 30.0
"""Of training between two checkpoints, at least."""

_SHARE = 0.01
"""Of the time that saving may take."""


class TrialKeeper:
    """Keeps checkpoints of one trial as it runs; no trouble with them ends the trial."""

    def __init__(self, files: TrialCheckpoints, every: float = CHECKPOINT_SECONDS) -> None:
        self._files, self._every = files, every
        self._trained = 0.0
        """Seconds since the last checkpoint."""
        self._cost = 0.0
        """Seconds that the last one took."""
        self._news: list[str] = []
        self._failed = False
        self.any = False
        """Whether there are checkpoints that a finished trial leaves behind."""

    def begin(self, make: Callable[[], Run]) -> Run:
        """A run of the trial, as far as the newest usable checkpoint has come."""
        run = make()
        for state in self._files.newest_first(self._news):
            self.any = True
            try:
                run.restore(state)
                return run
            except Exception as error:
                self._news.append(f"a checkpoint can't be gone on from: {error!r}")
                run.close()
                run = make()  # the other is restored in part
        if self._news:
            self.any = True
            self._news.append("the trial begins anew")
        return run

    def trained(self, run: Run, seconds: float) -> None:
        """Told after each slice of training; saves where it is due."""
        self._trained += seconds
        if self._trained < max(self._every, self._cost / _SHARE):
            return
        begin = time.perf_counter()
        try:
            state = run.state()
            self._files.save(state["steps"], state)
            self.any, self._failed = True, False
        except Exception as error:  # a full disk, no network, a state that can't be written
            if not self._failed:
                self._news.append(f"goes on without a checkpoint, which can't be written: {error}")
            self._failed = True
        self._trained, self._cost = 0.0, time.perf_counter() - begin

    def news(self) -> list[str]:
        """What is to be said, each once."""
        news, self._news = self._news, []
        return news


def checkpoint_place(given: str | None) -> str:
    """Where checkpoints are kept: as given, or beside the prepared data.

    Raises:
        ValueError: nothing can be kept at the given place.
    """
    return full_place(given) if given is not None else str(cache_dir() / "checkpoints")


def discard_quietly(place: str, digests: Iterable[str]) -> None:
    """Delete the checkpoints of recorded trials; they cost nothing but room."""
    try:
        discard(place, digests)
    except OSError as error:
        logger.warning("checkpoints at %s can't be deleted: %s", place, error)
