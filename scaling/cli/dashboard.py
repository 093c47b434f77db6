"""`climber dashboard`: look at sweeps in the browser, while they run and after."""

from __future__ import annotations

from pathlib import Path

import click

from scaling.cli.output import TRACKING_URI


@click.command()
@click.argument("sweep", required=False)
@click.option("--runs", type=click.Path(path_type=Path), help="A run table instead of MLflow.")
@click.option("--column", multiple=True, metavar="NAME=THEIRS", help="A column's other name.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8050, show_default=True,
              help="0 takes a free one.")  # fmt: skip
@click.option("--mlflow-url", metavar="URL", help="MLflow's own page, for links to runs [default: "
              "the tracking URI if it is one, else http://127.0.0.1:5000 if it shows this store].")  # fmt: skip
@TRACKING_URI
def dashboard(
    sweep: str | None,
    runs: Path | None,
    column: tuple[str, ...],
    host: str,
    port: int,
    mlflow_url: str | None,
    tracking_uri: str | None,
) -> None:
    """Explore sweeps in the browser: figures, fits, every run; live while a sweep runs.

    Without SWEEP the page lists the sweeps of the MLflow store. Ctrl-C ends it. What the page shows,
    and how an address of it is shared: docs/dashboard.md.
    """
    from scaling.cli.feed import feed_of
    from scaling.cli.output import warn
    from scaling.dashboards.explorer_server import loopback, serve

    feed, sweeps = feed_of(sweep, runs, column, tracking_uri, mlflow_url)
    if not loopback(host):
        warn(
            f"whoever reaches {host} sees every run of {feed.name}, and can start fits here: "
            "there is no log-in"
        )
    serve(
        feed, host=host, port=port, sweeps=sweeps,
        tell=lambda url: click.echo(f"explore {feed.name} at {url} (Ctrl-C ends it)"),
    )  # fmt: skip
    click.echo("ended")
