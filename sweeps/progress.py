"""A running sweep on the terminal: bars and a table, or plain lines where there is no terminal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from scaling.sweeps.plan_table import format_seconds
from scaling.sweeps.state import SweepState, TrialState
from scaling.units import MISSING

_PLAIN_SECONDS = 10.0
"""How often a line tells how far the sweep is, without a terminal."""
_MOST_RUNNING, _MOST_FAILED = 8, 5


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
        self._last: float | None = None
        self._message = self._line = ""
        self._told: set[str] = set()

    def __call__(self, state: SweepState) -> None:
        for trial in state.in_phase("failed"):
            if trial.planned.digest not in self._told:
                self._told.add(trial.planned.digest)
                self._print(f"failed: {trial.planned.name}: {trial.reason}")
        if state.message != self._message:
            self._message = state.message
            if state.message:
                self._print(f"{state.message} ...")
        over = not state.in_phase("waiting", "running") and not state.message
        due = self._last is None or self._clock() - self._last >= self._seconds
        line = status_line(state)
        if (due or over) and line != self._line and state.in_phase("running", "finished", "failed"):
            self._last, self._line = self._clock(), line
            self._print(line)

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def status_line(state: SweepState) -> str:
    """How far the sweep is, in one line."""
    ended, failed = state.in_phase("finished", "failed"), state.in_phase("failed")
    mine = state.in_phase("waiting", "running", "finished", "failed")
    parts = [f"{len(ended)} of {len(mine)} trials", f"{state.share:.0%}"]
    left = state.seconds_left()
    if state.in_phase("waiting", "running") and left is not None:
        parts.append(f"about {format_seconds(left)} left")
    parts += [f"{name} best loss {trial.loss:.4f}" for name, trial in state.best().items()]
    if failed:
        parts.append(f"{len(failed)} failed")
    return ", ".join(parts)


def _overall(state: SweepState) -> RenderableType:
    """One bar, weighted by the planned time of the trials."""
    skipped = len(state.in_phase("skipped"))
    reused = len(state.in_phase("reused"))
    words = [status_line(state) if state.in_phase("running", "finished", "failed") else state.title]
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
    running = state.in_phase("running")
    for trial in running[:_MOST_RUNNING]:
        loss = "" if trial.loss is None else f"training loss {trial.loss:.4f}"
        bar = ProgressBar(total=1.0, completed=trial.share, width=24)
        table.add_row(bar, Text(trial.planned.name), Text(loss, style="dim"))
    if len(running) > _MOST_RUNNING:
        table.add_row("", Text(f"... and {len(running) - _MOST_RUNNING} more", style="dim"))
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
