"""`climber serve`: a logged model behind HTTP."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scaling.cli.output import TRACKING_URI

if TYPE_CHECKING:
    from scaling.models.turbo_precision import CacheDtype

_PACKAGES = ("ray.serve", "fastapi", "uvicorn", "prometheus_client")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command()
@click.argument("model", metavar="RUN_ID")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True,
              help="0 takes a free one.")  # fmt: skip
@click.option("--replicas", type=click.IntRange(1, 256), default=1, show_default=True,
              help="Processes that score; the same user asks the same one.")  # fmt: skip
@click.option(
    "--threads", type=click.IntRange(1), help="Of each replica [default: cores by replicas]."
)
@click.option("--cache-bytes", default="1GB", show_default=True,
              help="Of what each replica keeps of its users.")  # fmt: skip
@click.option(
    "--cache-dtype",
    type=click.Choice(["float32", "bfloat16", "int8"]),
    default="float32",
    show_default=True,
    help="Of keys and values that are kept: bfloat16 takes half the bytes, int8 3 tenths.",
)
@click.option("--max-body", default="4MB", show_default=True, help="Of one HTTP request.")
@click.option("--max-candidates", type=click.IntRange(1), default=1000, show_default=True,
              help="Items of one request for scores.")  # fmt: skip
@click.option("--max-history", type=click.IntRange(1), default=10_000, show_default=True,
              help="Events of one history.")  # fmt: skip
@click.option("--token", envvar="CLIMBER_SERVE_TOKEN",
              help="Asked for by everything but /healthz; better in CLIMBER_SERVE_TOKEN, where other "
              "users of the machine don't see it.")  # fmt: skip
@TRACKING_URI
def serve(
    model: str,
    host: str,
    port: int,
    replicas: int,
    threads: int | None,
    cache_bytes: str,
    cache_dtype: CacheDtype,
    max_body: str,
    max_candidates: int,
    max_history: int,
    token: str | None,
    tracking_uri: str | None,
) -> None:
    """Answer HTTP requests with the model that a run has logged.

    RUN_ID is the MLflow run of a trial that was launched with `--log-model`, or the folder of a
    saved model. Ends in order on Ctrl-C or SIGTERM: what was accepted is answered. Requests, answers
    and limits: docs/serving.md.
    """
    check_installed()
    from scaling.cli.output import closing, warn
    from scaling.serving import Service, serve_folder
    from scaling.serving_limits import Limits
    from scaling.units import parse_bytes

    if token is None and host not in _LOOPBACK:
        warn(f"whoever reaches {host} may ask: no --token was given")
    if token is not None and not (token.isascii() and token.isprintable() and token.strip()):
        raise ValueError("--token must be printable ASCII characters, at least one")
    service = Service(
        host=host,
        port=port,
        replicas=replicas,
        threads=threads,
        cache_bytes=parse_bytes(cache_bytes),
        cache_dtype=cache_dtype,
        limits=Limits(body=parse_bytes(max_body), candidates=max_candidates, history=max_history),
        token=token,
    )

    def tell(url: str) -> None:
        click.echo(f"serving {model} at {url} (Ctrl-C ends it; {url}/openapi.json describes it)")

    with tempfile.TemporaryDirectory(prefix="climber-serve-") as scratch:
        folder = folder_of(model, tracking_uri, Path(scratch))
        click.echo("starting the replicas", err=True)
        serve_folder(folder, service, name=model, tell=tell)
    closing([], f"climber serve {model}")


def check_installed() -> None:
    """`ValueError` with the cure where what serving needs is not installed."""
    for package in _PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ValueError(
                f"serving needs {package}, which is not installed ({error}). Cure: "
                'pip install "climber-scaling[serve]", or in a checkout: pip install -e ".[serve]"'
            ) from error


def folder_of(model: str, tracking_uri: str | None, scratch: Path) -> Path:
    """The folder of the model: the given one, or what the run has logged."""
    if Path(model).is_dir():
        return Path(model)
    from scaling.tracking_models import download

    return download(model, scratch, tracking_uri=tracking_uri)
