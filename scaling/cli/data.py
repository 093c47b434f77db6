"""`climber data`: what data sets there are, how to get them, what is in them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scaling.cli.group import Group

if TYPE_CHECKING:
    from scaling.datasets.base import DatasetConfig

OPTIONS = click.option(
    "--set",
    "options",
    multiple=True,
    metavar="FIELD=VALUE",
    help="An option of the data set; may be repeated.",
)


@click.group(cls=Group)
def data() -> None:
    """List, fetch, prepare and describe data sets."""


@data.command("list")
def list_datasets() -> None:
    """List the data sets, and whether each is ready to read."""
    from scaling.cli.output import closing, print_table
    from scaling.datasets.base import DATASETS
    from scaling.datasets.catalogue import default_config, licence

    rows = []
    for name in DATASETS.names():
        config = default_config(name)
        rows.append((name, _state(config), licence(config) or "generated, none"))
    print_table("data sets", ("name", "state", "licence"), rows, words=3)
    closing([], "climber data fetch NAME, or climber data describe NAME")


@data.command("fetch")
@click.argument("name")
def fetch_dataset(name: str) -> None:
    """Get a data set's files and prepare them; shows on what terms they may be used."""
    from scaling.cli.output import closing
    from scaling.datasets.catalogue import default_config, fetch, licence

    terms = licence(default_config(name))
    if terms:
        click.echo(f"licence of {name}: {terms}")
    written = fetch(name)
    if not written:
        click.echo(f"{name} is generated when it is read: there is nothing to fetch")
    closing(written, f"climber data describe {name}")


@data.command("prepare")
@click.argument("name")
@click.option(
    "--from",
    "place",
    metavar="PATH",
    help="The folder (or file) of the official files; those at a URI (s3://, gs://) are copied to "
    "the cache first.",
)
@click.option("--memory", metavar="BYTES", help="All that the process may take [default: 4GB].")
@OPTIONS
def prepare_dataset(
    name: str, place: str | None, memory: str | None, options: tuple[str, ...]
) -> None:
    """Turn a data set's official files, of any size, into a log that trials read.

    A run that was killed goes on where it was.
    """
    from scaling.cli.output import closing, progress_bar, warn
    from scaling.config import cache_dir
    from scaling.datasets.catalogue import licence, placed, prepare
    from scaling.datasets.conversion_leftovers import described, interrupted
    from scaling.datasets.remote_files import copied_here
    from scaling.units import parse_bytes

    limit = parse_bytes(memory) if memory else None
    if place and "://" in place:
        placed(name, place)  # an unknown name is told before anything is copied
        with progress_bar() as tell:
            place = str(copied_here(place, cache_dir() / "sources" / name, tell))
    config = configured(name, options, placed(name, place) if place else {})
    if terms := licence(config):
        click.echo(f"licence of {name}: {terms}")
    with progress_bar() as tell:
        path = prepare(config, limit, tell)
    if path is None:
        click.echo(f"{name} is generated when it is read: there is nothing to prepare")
    elif others := interrupted(path):
        warn(
            f"interrupted conversions of {name}, which go on when they are asked for with the same "
            f"files and options, and may be deleted: {described(others)}"
        )
    settings = "".join(f" --set {shlex.quote(option)}" for option in options)
    if place:
        settings = f" --set {shlex.quote(f'path={place}')}{settings}"
    closing([path] if path else [], f"climber data describe {name}{settings}")


@data.command("describe")
@click.argument("name")
@OPTIONS
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="A folder for figures (PNG, SVG)."
)
def describe_dataset(name: str, options: tuple[str, ...], output: Path | None) -> None:
    """Counts, rates, splits, licence and fingerprint of a data set, and what its log looks like.

    Lengths, popularity, behaviours by scenario, ties, repeats and time line; as figures with -o.
    """
    from scaling.cli.output import closing, print_table, warn
    from scaling.cli.portrait import show_portrait

    config = configured(name, options)
    dataset = config.open()
    facts = {"fingerprint": config.fingerprint(), **dataset.describe(), **dataset.known_truth()}
    print_table(name, ("fact", "value"), _rows(facts), words=2)
    portrait = dataset.portrait()
    if portrait is None:
        warn(f"{name} has no log to count: neither tables nor figures")
    else:
        show_portrait(portrait)
    written: list[Path] = []
    if output is not None and portrait is not None:
        from scaling.analysis.plots import write_plots
        from scaling.analysis.portrait_figures import portrait_figures

        figures, skipped = portrait_figures(portrait)
        for figure in skipped:
            warn(f"no figure {figure.name}: {figure.reason}")
        written = write_plots(output, figures)
    closing(written, "climber list sweeps")


@data.command("compress")
@click.argument("single")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Parquet.")
@click.option("--request", default="user,request", show_default=True, metavar="COLUMNS",
              help="That name a request together.")  # fmt: skip
@click.option("--items", metavar="COLUMNS",
              help="Of the items [default: those that differ within a request].")  # fmt: skip
@click.option("--memory", default="1GB", show_default=True, metavar="BYTES",
              help="For what is read and sorted at once, about.")  # fmt: skip
def compress_log(single: str, output: Path, request: str, items: str | None, memory: str) -> None:
    """Turn a log with one row per user, request and item into one record per request.

    SINGLE is a Parquet or CSV file, or the URI of one. Nothing is lost: `climber data expand` gives the
    rows back, with their types and in their order. A CSV file's columns stay text.
    """
    from scaling.cli.data_records import compress_file

    compress_file(single, output, request, items, memory)


@data.command("expand")
@click.argument("records")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Parquet.")
@click.option("--memory", default="1GB", show_default=True, metavar="BYTES",
              help="For what is read and sorted at once, about.")  # fmt: skip
def expand_log(records: str, output: Path, memory: str) -> None:
    """Turn what `climber data compress` has written back into one row per item."""
    from scaling.cli.data_records import expand_file

    expand_file(records, output, memory)


def configured(
    name: str, options: tuple[str, ...], more: Mapping[str, str] | None = None
) -> DatasetConfig:
    """A data set with options from the command line; numbers and lists are written as JSON."""
    from scaling.cli.output import assignments
    from scaling.datasets.base import DatasetConfig
    from scaling.datasets.catalogue import default_config

    values = {key: _parsed(text) for key, text in assignments(options, "--set").items()}
    if twice := set(values) & set(more or {}):
        raise ValueError(f"{twice.pop()} is given twice, by --from and by --set")
    return DatasetConfig.from_dict({**default_config(name).to_dict(), **values, **(more or {})})


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _state(config: DatasetConfig) -> str:
    from scaling.datasets.logged import LoggedConfig
    from scaling.datasets.store import is_stored

    if not isinstance(config, LoggedConfig):
        return "generated when read"
    try:
        return "ready" if is_stored(config.prepared_path()) else "not prepared"
    except ValueError:  # the source files that name the content are not there
        return "not fetched"


def _rows(facts: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            rows += _rows(value, f"{prefix}{key}.")
        elif isinstance(value, float):
            rows.append((prefix + key, f"{value:.6g}"))
        elif isinstance(value, int) and not isinstance(value, bool):
            rows.append((prefix + key, f"{value:,}"))
        else:
            rows.append((prefix + key, str(value)))
    return rows
