"""A running sweep on the terminal: bars and a table, or plain lines where there is no terminal."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from scaling.sweeps.plan_table import format_seconds
from scaling.sweeps.state import ENDED, MOST_RUNNING, SweepState, TrialState
from scaling.units import MISSING

_PLAIN_SECONDS = 10.0
"""How often a line tells how far the sweep is, without a terminal."""
_MOST_FAILED = 5


@contextlib.contextmanager
def show_progress(console: Console) -> Iterator[Callable[[SweepState], None]]:
    """What `run_sweep` takes as `on_progress`: live on a terminal, lines elsewhere."""
    if not console.is_terminal:
        yield PlainProgress(console)
        return
    current: list[SweepState] = []

    def draw() -> RenderableType:
        return live_view(current[0]) if current else Text("")

    with Live(get_renderable=draw, console=console, refresh_per_second=4) as live:

        def update(state: SweepState) -> None:
            current[:] = [state]

        yield update
        live.refresh()


def live_view(state: SweepState) -> RenderableType:
    """The sweep as it stands: a bar, the running trials, the best so far, what failed."""
    return Group(
        _overall(state), _running(state), *_if_rows(_best(state)), *_if_rows(_failed(state))
    )


class PlainProgress:
    """Prints a line at most every ten seconds, one for each failure, and one at the end."""

    def __init__(
        self,
        console: Console,
        *,
        seconds: float = _PLAIN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console, self._seconds, self._clock = console, seconds, clock
        self._last = self._last_message = -math.inf
        self._message = self._line = ""
        self._failures = 0
        self._over = False

    def __call__(self, state: SweepState) -> None:
        # Called several times per trial: what takes a look at every trial is done when it is due.
        now = self._clock()
        for trial in state.failures[self._failures :]:
            self._failures += 1
            self._print(f"failed: {trial.planned.name}: {trial.reason}")
        if state.message != self._message:
            if state.message and (not self._message or now - self._last_message >= self._seconds):
                self._last_message = now
                self._print(f"{state.message} ...")
            self._message = state.message
        over = not state.left and not state.message
        if now - self._last < self._seconds and (not over or self._over):
            return
        line = status_line(state)
        if line != self._line and state.in_phase("running", *ENDED):
            self._last, self._line, self._over = now, line, over
            self._print(line)

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def status_line(state: SweepState) -> str:
    """How far the sweep is, in one line."""
    ended, failed = state.in_phase(*ENDED), state.in_phase("failed")
    mine = state.in_phase("waiting", "running", *ENDED)
    parts = [f"{len(ended)} of {len(mine)} trials", f"{state.share:.0%}"]
    left = state.seconds_left()
    if state.in_phase("waiting", "running") and left is not None:
        parts.append(f"about {format_seconds(left)} left")
    parts += [f"{name} best loss {trial.loss:.4f}" for name, trial in state.best().items()]
    if stopped := state.in_phase("stopped"):
        parts.append(f"{len(stopped)} stopped early")
    if failed:
        parts.append(f"{len(failed)} failed")
    if state.again:
        parts.append(f"{state.again} begun again after their worker was lost")
    return ", ".join(parts)


def _overall(state: SweepState) -> RenderableType:
    """One bar, weighted by the planned time of the trials."""
    skipped = len(state.in_phase("skipped"))
    reused = len(state.in_phase("reused"))
    words = [status_line(state) if state.in_phase("running", *ENDED) else state.title]
    if skipped:
        words.append(f"{skipped} done before")
    if reused:
        words.append(f"{reused} copied from other sweeps")
    if state.message:
        words.append(f"{state.message} ...")
    words.append(f"{format_seconds(time.time() - state.started)} so far")
    table = Table.grid(padding=(0, 1))
    table.add_row(ProgressBar(total=1.0, completed=state.share, width=24), Text(", ".join(words)))
    return table


def _running(state: SweepState) -> Table:
    table = Table.grid(padding=(0, 1))
    running = sorted(state.in_phase("running"), key=lambda trial: trial.ended is not None)
    for trial in running[:MOST_RUNNING]:
        words = [] if trial.loss is None else [f"training loss {trial.loss:.4f}"]
        if trial.times > 1:
            words.append(f"begun {trial.times} times")
        if trial.ended is not None:
            words = ["being recorded"]
        elif trial.started is not None:
            words.append(format_seconds(time.time() - trial.started))
        bar = ProgressBar(total=1.0, completed=trial.share, width=24)
        table.add_row(bar, Text(trial.planned.name), Text(", ".join(words), style="dim"))
    if len(running) > MOST_RUNNING:
        table.add_row("", Text(f"... and {len(running) - MOST_RUNNING} more", style="dim"))
    return table


def _best(state: SweepState) -> Table:
    table = Table("best so far", "loss", "took", header_style="bold", box=None)
    for trial in state.best().values():
        loss = MISSING if trial.loss is None else f"{trial.loss:.4f}"
        table.add_row(trial.planned.name, loss, format_seconds(_took(trial)))
    return table


def _failed(state: SweepState) -> Table:
    failed = state.in_phase("failed")
    table = Table(f"failed ({len(failed)})", "reason", header_style="bold red", box=None)
    for trial in failed[-_MOST_FAILED:]:
        table.add_row(Text(trial.planned.name), Text(trial.reason.splitlines()[0][:200]))
    return table


def _took(trial: TrialState) -> float | None:
    if trial.started is None or trial.ended is None:
        return None
    return trial.ended - trial.started


def _if_rows(table: Table) -> list[Table]:
    return [table] if table.row_count else []
