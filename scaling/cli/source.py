"""Where a command's runs come from, and the options that all fitting commands share."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from scaling.cli.output import TRACKING_URI

if TYPE_CHECKING:
    import pandas as pd

    from scaling.analysis.versus import Reader

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Source:
    """Where the runs come from, and what was asked of them."""

    sweep: str | None
    runs: Path | None
    columns: tuple[str, ...]
    tracking_uri: str | None
    said: tuple[str, ...] = ()
    """Fitting options as they were given, which another fitting command takes as well."""

    @property
    def words(self) -> str:
        """As on the command line."""
        runs = [self.sweep or ""] if self.runs is None else ["--runs", str(self.runs)]
        columns = [word for column in self.columns for word in ("--column", column)]
        return shlex.join([*runs, *columns, *self.said])

    def title(self) -> str:
        return self.runs.stem if self.runs is not None else self.experiment()

    def experiment(self) -> str:
        from scaling.cli.declared import title_of

        assert self.sweep is not None
        return title_of(self.sweep)

    def facts(self) -> dict[str, object]:
        """What the run table can't tell about a logged sweep."""
        from scaling.cli.truth import facts_of

        return {} if self.sweep is None else facts_of(self.sweep, self.tracking_uri)

    def evaluations(self, target: str) -> Reader | None:
        """Reads a logged sweep's losses by user, for comparisons; None where there are none."""
        if self.sweep is None or target != "loss":
            return None
        from scaling.tracking_read import read_evaluations

        return functools.partial(read_evaluations, tracking_uri=self.tracking_uri)

    def table(self) -> pd.DataFrame:
        """The run table, failed runs included: the analysis lists what it leaves out."""
        from scaling.cli.output import assignments
        from scaling.runs import read_runs

        if (self.sweep is None) == (self.runs is None):
            raise click.UsageError("say either SWEEP or --runs FILE")
        if self.runs is not None:
            return read_runs(self.runs, assignments(self.columns, "--column"))
        if self.columns:
            raise click.UsageError("--column goes with --runs FILE")
        from scaling.tracking_read import read_runs as read_logged

        return read_logged(self.experiment(), tracking_uri=self.tracking_uri, everything=True)


DRAWS = ("bootstrap", "comparison_draws")
"""Options that `--bootstrap` sets."""


def undrawn(options: Mapping[str, Any]) -> dict[str, Any]:
    """Shared options for what resamples nothing."""
    return {name: value for name, value in options.items() if name not in DRAWS}


_SHARED = (
    "law", "target", "by", "fix", "objective", "huber_delta", "level", "bootstrap", "seed",
    "all_runs", "allow_mixed",
)  # fmt: skip
_BOOTSTRAP = (
    "Resample K times, for percentile intervals; without it, profile intervals for fits and 2000 "
    "draws for comparisons."
)


def fitting(command: F) -> F:
    """The options that all fitting commands share; calls with `source` and `options`."""

    @click.argument("sweep", required=False)
    @click.option("--runs", type=click.Path(path_type=Path), help="A run table instead of SWEEP.")
    @click.option("--law", default="offset", show_default=True, help="See `climber list laws`.")
    @click.option("--target", default="loss", show_default=True, help="The column to explain.")
    @click.option("--by", default="architecture", show_default=True, help="The column of groups.")
    @click.option("--fix", multiple=True, metavar="NAME=VALUE", help="A parameter that is given.")
    @click.option("--objective", type=click.Choice(["huber", "squares"]), default="huber")
    @click.option("--huber-delta", type=float, default=1e-3, show_default=True)
    @click.option("--level", type=float, default=0.95, show_default=True)
    @click.option("--bootstrap", type=click.IntRange(100), metavar="K", help=_BOOTSTRAP)
    @click.option("--seed", type=int, default=0, show_default=True)
    @click.option("--column", multiple=True, metavar="NAME=THEIRS", help="A column's other name.")
    @click.option("--all-runs", is_flag=True, help="Fit every run, not the frontier.")
    @click.option("--allow-mixed", is_flag=True, help="Several data sets, side by side.")
    @TRACKING_URI
    @functools.wraps(command)
    def wrapped(
        sweep: str | None,
        runs: Path | None,
        column: tuple[str, ...],
        tracking_uri: str | None,
        fix: tuple[str, ...],
        **rest: Any,
    ) -> Any:
        from scaling.cli.output import assignments

        source = Source(sweep, runs, column, tracking_uri, _said())
        names = ("law", "target", "by", "objective", "huber_delta", "level", "seed")
        options = {name: rest.pop(name) for name in (*names, "all_runs", "allow_mixed")}
        draws = rest.pop("bootstrap")
        if draws is not None:
            options |= dict.fromkeys(DRAWS, draws)
        options["fixed"] = {
            name: _number(name, value) for name, value in assignments(fix, "--fix").items()
        }
        return command(source=source, options=options, **rest)

    return wrapped  # type: ignore[return-value]


def _said() -> tuple[str, ...]:
    """The shared options that were given on the command line, as they were."""
    context = click.get_current_context()
    words: list[str] = []
    for option in context.command.params:
        given = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if option.name in _SHARED and given:
            value = context.params[option.name]
            flag = option.opts[0]
            if value is True:
                words.append(flag)
            else:
                for one in value if isinstance(value, tuple) else (value,):
                    words += [flag, f"{one:g}" if isinstance(one, float) else str(one)]
    return tuple(words)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise click.UsageError(f"--fix {name} takes a number, got {text!r}") from None
