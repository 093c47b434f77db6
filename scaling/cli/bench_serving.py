"""`climber bench serving`: a service under load, with replicas killed; what it survived."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from scaling.serving_load import LoadResult


@click.command()
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True)
@click.option("--clients", type=click.IntRange(1), default=8, show_default=True)
@click.option("--kills", type=click.IntRange(0), default=3, show_default=True,
              help="How often a replica is killed meanwhile.")  # fmt: skip
@click.option("--architecture", default="transformer", show_default=True)
@click.option("--length", type=click.IntRange(1), default=64, show_default=True,
              help="Events that the model reads.")  # fmt: skip
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures.")
def serving(
    minutes: float, clients: int, kills: int, architecture: str, length: int, json_file: Path | None
) -> None:
    """A service of two replicas under load on this machine: what it answers, loses and keeps.

    Every answer is compared with the model's own. Clients, service and replicas share the cores, so
    the times are those of a busy machine.
    """
    from scaling.cli.output import closing
    from scaling.cli.serve import check_installed
    from scaling.units import write_json

    check_installed()
    found = measure(minutes, clients, kills, architecture, length)
    if json_file:
        write_json(json_file, found)
    closing([json_file] if json_file else [], "climber serve --help")
    if found["serving"]["wrong"] or found["serving"]["lost"] or found["serving"]["exit_code"]:
        raise click.exceptions.Exit(1)


def measure(
    minutes: float, clients: int, kills: int, architecture: str, length: int
) -> dict[str, Any]:
    """Runs the load test on a model with random weights; prints its table, returns its figures."""
    import torch

    from scaling.cli.output import print_table
    from scaling.datasets.synthetic import SyntheticConfig
    from scaling.logged_model import LoggedModel
    from scaling.models.base import MODELS
    from scaling.serving_load import load_test
    from scaling.units import format_si

    schema = SyntheticConfig().open().schema
    config = MODELS.get(architecture).example(schema).scaled(depth=2, width=64, seq_len=length)
    torch.manual_seed(0)
    model = LoggedModel(config.build(schema).eval(), config, schema, {})
    found = load_test(
        model,
        seconds=60 * minutes,
        clients=clients,
        kills=kills,
        tell=lambda text: click.echo(text, err=True),
    )
    facts = _facts(found)
    rows = [
        ("answers", f"{found.answered:,} ({found.answered / found.seconds:,.0f} per second)"),
        ("wrong answers", f"{found.wrong}"),
        ("lost requests", f"{len(found.lost)}"),
        ("replicas killed, restarted", f"{found.killed}, {found.restarted}"),
        ("p50, p99", f"{facts['p50_ms']:.1f} ms, {facts['p99_ms']:.1f} ms"),
        ("cache, at most", f"{found.cache_share:.1%} of its bound; {found.evicted:,.0f} evicted"),
        ("memory of the service", f"{format_si(facts['memory_bytes'], 'B', 3)} at the end"),
        ("memory, last third over second", f"{facts['memory_growth']:.3f}"),
        ("exit code after SIGTERM", f"{found.ended}"),
    ]
    title = f"{config.variant} served to {clients} clients for {minutes:g} minutes"
    print_table(title, ("what", "measured"), rows)
    return {"serving": facts}


def _facts(found: LoadResult) -> dict[str, Any]:
    import numpy as np

    p50, p99 = np.percentile(found.milliseconds or [np.nan], (50, 99))
    return {
        "seconds": found.seconds,
        "answered": found.answered,
        "wrong": found.wrong,
        "lost": found.lost,
        "killed": found.killed,
        "restarted": found.restarted,
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "cache_share": found.cache_share,
        "evicted": found.evicted,
        "memory_bytes": found.memory[-1][1] if found.memory else None,
        "memory_growth": found.growth(),
        "exit_code": found.ended,
    }
