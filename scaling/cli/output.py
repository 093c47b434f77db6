"""How commands speak: tables, notes, the files they wrote and the next command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

TRACKING_URI = click.option(
    "--tracking-uri",
    envvar="MLFLOW_TRACKING_URI",
    help="MLflow store [default: sqlite:///mlflow.db in this folder].",
)
SET = click.option(
    "--set",
    "axes",
    multiple=True,
    metavar="AXIS=V1,V2",
    help="Fill an axis of the sweep; may be repeated.",
)


def console() -> Console:
    """Standard output; a wide table is not folded when it goes to a file."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=160)


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, words: int = 1
) -> None:
    """A table whose first `words` columns are text; text is shown as it is, never as markup."""
    table = Table(title=Text(title), title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if index < words else "right")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console().print(table)


def warn(text: str) -> None:
    """One line on standard error."""
    click.secho(f"warning: {text}", fg="yellow", err=True)


def warn_left_out(reasons: Iterable[object]) -> None:
    """How many runs are left out, by reason; nothing if none is."""
    counts = Counter(map(str, reasons))
    if counts:
        listed = "; ".join(f"{count} {reason}" for reason, count in counts.most_common())
        runs = "run is" if counts.total() == 1 else "runs are"
        warn(f"{counts.total()} {runs} left out: {listed}")


def closing(written: Iterable[Path], then: str) -> None:
    """What every command ends with: the files it wrote, and what to do next."""
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(f"next: {then}")


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float], None]]:
    """A bar on standard error: a function that is told the stage and its share, 0 to 1.

    Where nobody looks (a file, a log), each stage is one line.
    """
    screen = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as bar:
        task = bar.add_task("", total=1.0, visible=False)
        seen = ""

        def tell(stage: str, share: float) -> None:
            nonlocal seen
            if stage != seen and not screen.is_terminal:
                click.echo(f"{stage} ...", err=True)
            bar.update(task, description=stage, completed=share, visible=True)
            seen = stage

        yield tell


def assignments(values: Sequence[str], option: str) -> dict[str, str]:
    """`NAME=VALUE` options as a mapping; anything else is a usage error."""
    found: dict[str, str] = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not equals or not name or not rest:
            raise click.UsageError(f"{option} takes NAME=VALUE, got {value!r}")
        if name in found:
            raise click.UsageError(f"{option} {name} is given twice")
        found[name] = rest
    return found
