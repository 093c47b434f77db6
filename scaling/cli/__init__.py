"""The command line: `climber`. Commands import what they need when they run, so help is instant."""

from __future__ import annotations

import importlib
import os

import click

from scaling import __version__
from scaling.cli.group import Group

# Nothing phones home unless the user asked for it; set before ray or mlflow are imported.
for _switch, _off in (
    ("RAY_USAGE_STATS_ENABLED", "0"),
    ("MLFLOW_DISABLE_TELEMETRY", "true"),
):
    os.environ.setdefault(_switch, _off)

COMMANDS = {
    "demo": "scaling.cli.sweep:demo",
    "list": "scaling.cli.catalogue:list_command",
    "data": "scaling.cli.data:data",
    "plan": "scaling.cli.sweep:plan",
    "rates": "scaling.cli.rates:rates",
    "sweep": "scaling.cli.sweep:sweep",
    "status": "scaling.cli.status:status",
    "runs": "scaling.cli.status:runs",
    "fit": "scaling.cli.analyse:fit",
    "trust": "scaling.cli.trust:trust",
    "next": "scaling.cli.next:next_command",
    "isoflop": "scaling.cli.isoflop:isoflop",
    "compare": "scaling.cli.compare:compare",
    "plot": "scaling.cli.analyse:plot",
    "report": "scaling.cli.analyse:report",
    "dashboard": "scaling.cli.dashboard:dashboard",
    "table": "scaling.cli.table:table",
    "serve": "scaling.cli.serve:serve",
    "bench": "scaling.cli.bench:bench",
}
"""Command to `module:attribute`, in the order of a study."""


class _Commands(Group):
    """Imports a command's module only when its command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Runs the command; a `ValueError` is the user's to cure: one line, exit code 2."""
        try:
            return super().invoke(ctx)
        except ValueError as error:
            raise click.UsageError(str(error)) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="climber")
def main() -> None:
    """Which recommendation architecture turns compute into quality best?

    A study is four commands: `climber plan SWEEP`, `climber sweep SWEEP`, `climber fit SWEEP`,
    `climber report SWEEP`. `climber demo` does all of them on the embedded data set.
    """
