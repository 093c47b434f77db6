"""Events that are alike, counted in a stream of sorted ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from scaling.datasets.log import UNKNOWN_TIME

Columns = Mapping[str, npt.NDArray[Any]]
"""`user`, `item`, `time`, `action`, `scenario`, `row`, of one length."""


class Repeats:
    """Counts the events of known time that are alike in all but `row` to an earlier one.

    Makes sure on the way that the events come in the order of user, time and row.
    """

    def __init__(self) -> None:
        self.found = 0
        self.last: tuple[int, int, int] | None = None
        """User, time and row of the event before."""
        self.open = np.zeros(0, np.int64)
        """Keys of the distinct events so far of the last user and time."""

    def count(self, events: Columns) -> None:
        """Goes on with the next events.

        Raises:
            ValueError: two events of one user and time at one place in the files.
        """
        users, times, rows = events["user"], events["time"], events["row"]
        tied = (users[1:] == users[:-1]) & (times[1:] == times[:-1])
        continues = self._check_order(users, times, rows, tied)
        carried = self.open if continues else self.open[:0]
        # Most events are alone in their second: only the others are looked at.
        in_run = np.zeros(len(users), bool)
        in_run[1:] = tied
        in_run[:-1] |= tied
        in_run[0] |= continues
        in_run &= times != UNKNOWN_TIME
        which = np.flatnonzero(in_run)
        run = np.cumsum(~np.concatenate([[continues], tied])[which])
        keys = np.concatenate([carried, _keys(events, which)])
        runs = np.concatenate([np.zeros(len(carried), np.int64), run])
        order = np.lexsort((keys, runs))
        keys, runs = keys[order], runs[order]
        self.found += int(((keys[1:] == keys[:-1]) & (runs[1:] == runs[:-1])).sum())
        self.last = (int(users[-1]), int(times[-1]), int(rows[-1]))
        if times[-1] == UNKNOWN_TIME:
            self.open = self.open[:0]
            return
        start = len(users) - 1
        while start and tied[start - 1]:
            start -= 1
        last = _keys(events, np.arange(start, len(users)))
        self.open = np.unique(np.concatenate([carried, last]) if start == 0 else last)

    def _check_order(
        self,
        users: npt.NDArray[Any],
        times: npt.NDArray[Any],
        rows: npt.NDArray[Any],
        tied: npt.NDArray[np.bool_],
    ) -> bool:
        """Whether the first event has the user and time of the one before it."""
        first = (int(users[0]), int(times[0]), int(rows[0]))
        last = self.last or (-1, 0, 0)
        ascends = (users[1:] > users[:-1]) | ((users[1:] == users[:-1]) & (times[1:] >= times[:-1]))
        if first[:2] < last[:2] or not ascends.all():
            raise RuntimeError("the events are not sorted by user and time")
        wrong = tied & (rows[1:] <= rows[:-1])
        continues = first[:2] == last[:2]
        if wrong.any() or (continues and first[2] <= last[2]):
            row = rows[1:][wrong][0] if wrong.any() else first[2]
            raise ValueError(
                f"two events of one user and time stand at the same place {row} of the files: "
                "which goes first is not known"
            )
        return continues


def _keys(events: Columns, which: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """One number for what an event is, apart from its user, time and row."""
    item, action, scenario = (
        events[n][which].astype(np.int64) for n in ("item", "action", "scenario")
    )
    found: npt.NDArray[np.int64] = item << 16 | action << 8 | scenario
    return found
