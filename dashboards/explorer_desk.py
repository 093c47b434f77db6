"""What the explorer knows while it runs: runs, what is drawn of them, and the fits that were made."""

from __future__ import annotations

import hashlib
import json
import pickle
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import pandas as pd

from scaling.analysis.figure import Skipped
from scaling.analysis.figures import Drawing
from scaling.analysis.findings import Analysis
from scaling.analysis.law import LAWS
from scaling.dashboards.explorer_choices import Choices, chosen, resolve
from scaling.dashboards.explorer_drawing import Fitted, Progress, drawing, fitted, unfitted
from scaling.dashboards.explorer_feed import Feed, Snapshot
from scaling.dashboards.explorer_state import State
from scaling.dashboards.explorer_words import tamed

T = TypeVar("T")
Work = Literal["", "begun", "cancelled"]
"""Whether a fit was ordered and isn't there yet."""
KEPT = 12
"""Results of each kind that are remembered."""


@dataclass(frozen=True)
class Selected:
    """The runs that a state asks for."""

    state: State
    """Resolved: everything in it can be shown."""
    choices: Choices
    snapshot: Snapshot
    runs: pd.DataFrame
    told: tuple[str, ...]
    """What of the wanted state means nothing here."""


@dataclass(frozen=True)
class Shown:
    """A figure with what it rests on."""

    drawing: Drawing | Skipped
    analysis: Analysis | None
    fit: Fitted | None
    """The latest of this state, maybe of fewer runs."""
    fresh: bool
    """Whether it is of all these runs."""


class Cancelled(Exception):
    """A fit was cancelled while it was being made."""


class Desk:
    """Shared by all pages of one server; methods may be called from several threads."""

    def __init__(self, feed: Feed, folder: Path, sweeps: Sequence[str] = ()) -> None:
        """
        Args:
            feed: where runs come from.
            folder: for orders and results of fits; nobody else writes there.
            sweeps: chosen unless the address says otherwise.
        """
        self.feed = feed
        self.name = uuid.uuid4().hex
        """Tells it from the desk of a server before, which a page may still know."""
        self.sweeps = tuple(sweeps)
        self._folder = folder
        self._remembered: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()
        LAWS.names()  # found now: threads that looked for laws at the same time would see a part

    def selected(self, wanted: State) -> Selected:
        """The runs of a state, from what has been read so far."""
        seen = self.feed.snapshot(wanted.sweeps)
        runs = self._once(("tamed", seen.version), lambda: tamed(seen.runs))
        snapshot = replace(seen, runs=runs)

        def make() -> Selected:
            if snapshot.runs.empty:  # nothing is known yet, so nothing is wrong yet
                return Selected(wanted, Choices(), snapshot, snapshot.runs, ())
            state, choices, told = resolve(wanted, snapshot.runs)
            runs, unfiltered = chosen(snapshot.runs, state)
            return Selected(state, choices, snapshot, runs, (*told, *unfiltered))

        made = self._once(("selected", snapshot.version, wanted.search()), make)
        return replace(made, snapshot=snapshot)

    def shown(self, selected: Selected) -> Shown:
        """The figure of a state, with the latest fit there is of it."""
        state = selected.state
        latest = self._latest(_question(state))
        found, fresh = (None, False) if latest is None else latest
        fresh = fresh == self.key(selected)

        def make() -> tuple[Drawing | Skipped, Analysis | None]:
            if selected.runs.empty:
                return Skipped(state.figure, "no run passes the filters"), None
            try:
                plain = self._once(
                    ("plain", selected.snapshot.version, _question(state)),
                    lambda: unfitted(selected.runs, state),
                )
            except ValueError as error:
                return Skipped(state.figure, str(error)), None
            whole = _with_fits(plain, found.analysis if found else None)
            return drawing(whole, state, found), whole

        name = ("drawn", selected.snapshot.version, _question(state), state.figure, id(found))
        drawn, analysis = self._once(name, make)
        return Shown(drawn, analysis, found, fresh)

    def key(self, selected: Selected) -> str:
        """Names the fit of these runs in this state."""
        text = f"{selected.snapshot.version}\n{_question(selected.state)}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def order(self, selected: Selected, *, again: bool = False) -> str:
        """Lay out what a fit needs, for `make_fit` in another process; returns its key. That it was
        cancelled before is forgotten.

        Args:
            selected: the runs and the state.
            again: make it even though it was made.
        """
        key = self.key(selected)
        if again:
            (self._folder / f"{key}.fit").unlink(missing_ok=True)
        (self._folder / f"{key}.cancelled").unlink(missing_ok=True)
        path = self._folder / f"{key}.order"
        if not path.exists():
            aside = path.with_suffix(".aside")
            aside.write_bytes(pickle.dumps((selected.runs, selected.state)))
            aside.replace(path)
        return key

    def cancel(self, key: str) -> None:
        """Nobody waits for that fit any more: its process ends at its next step, if not before."""
        if self.work(key) == "begun":
            (self._folder / f"{key}.cancelled").touch()

    def work(self, key: str) -> Work:
        """How far the fit of that key is."""
        there = key.isalnum() and (self._folder / f"{key}.order").exists()
        if not there or (self._folder / f"{key}.fit").exists():
            return ""
        return "cancelled" if (self._folder / f"{key}.cancelled").exists() else "begun"

    def done(self, key: str) -> Fitted | None:
        """The fit of that key, None where it isn't there."""
        if not key.isalnum():
            return None
        path = self._folder / f"{key}.fit"
        try:
            made = path.stat().st_mtime_ns
            found, state = self._once(("fit", key, made), lambda: pickle.loads(path.read_bytes()))
        except FileNotFoundError:  # or another page has asked for a new one just now
            return None
        with self._lock:
            self._remember(("latest", _question(state)), (found, key))
        assert isinstance(found, Fitted)
        return found

    def _latest(self, question: str) -> tuple[Fitted, str] | None:
        with self._lock:
            found: tuple[Fitted, str] | None = self._remembered.get(("latest", question))
        return found

    def _once(self, name: Hashable, make: Callable[[], T]) -> T:
        with self._lock:
            if name in self._remembered:
                self._remembered.move_to_end(name)
                found: T = self._remembered[name]
                return found
        made = make()
        with self._lock:
            self._remember(name, made)
        return made

    def _remember(self, name: Hashable, made: object) -> None:
        self._remembered[name] = made
        self._remembered.move_to_end(name)
        kind = name[0] if isinstance(name, tuple) else name
        same = [one for one in self._remembered if isinstance(one, tuple) and one[0] == kind]
        for old in same[: max(len(same) - KEPT, 0)]:
            del self._remembered[old]
            if kind == "fit":
                for ending in ("order", "fit", "cancelled"):
                    (self._folder / f"{old[1]}.{ending}").unlink(missing_ok=True)


def make_fit(folder: Path, key: str, progress: Progress) -> float:
    """Make the fit that was ordered; returns the seconds it took. Runs in a process of its own.

    Raises:
        Cancelled: before the next step of a fit that nobody waits for any more. Dash ends the process
            of a callback that is cancelled, but only from when the page has heard of that process.
    """
    begin = time.perf_counter()
    target = folder / f"{key}.fit"

    def step(stage: str, share: float) -> None:
        if (folder / f"{key}.cancelled").exists():
            raise Cancelled(key)
        progress(stage, share)

    if key.isalnum() and not target.exists():
        runs, state = pickle.loads((folder / f"{key}.order").read_bytes())
        made = fitted(runs, state, step)
        aside = target.with_suffix(".made")
        aside.write_bytes(pickle.dumps((made, state)))
        aside.replace(target)
    return time.perf_counter() - begin


def _question(state: State) -> str:
    """What decides a fit: two states with the same one have the same fit of the same runs."""
    plain = replace(state, figure="", run="").to_dict()
    return json.dumps(plain, sort_keys=True)


def _with_fits(plain: Analysis, found: Analysis | None) -> Analysis:
    """Today's points with the latest fit."""
    if found is None:
        return plain
    groups = {}
    for name, group in plain.groups.items():
        theirs = found.groups.get(name)
        groups[name] = group
        if theirs is not None:
            groups[name] = replace(
                group, fit=theirs.fit, pinned=theirs.pinned, error=theirs.error,
                pinned_error=theirs.pinned_error,
            )  # fmt: skip
    return replace(plain, groups=groups, contests=found.contests)
