"""`climber bench`: figures about the platform itself, measured here and now."""

from __future__ import annotations

import click


@click.group()
def bench() -> None:
    """Measure what the platform costs on this machine."""


@bench.command("sweep")
@click.option("--small", default=20, show_default=True, help="Trials of the smaller sweep.")
@click.option("--large", default=200, show_default=True, help="Trials of the larger sweep.")
def sweep(small: int, large: int) -> None:
    """Start-up of a sweep, and the cost of each further trial beyond its training."""
    if not 0 < small < large:
        raise ValueError(f"--small must be positive and below --large, got {small} and {large}")
    from scaling.cli.output import closing, print_table
    from scaling.sweeps.overhead import measure

    found = measure(small, large)
    rows = [
        ("to the first finished trial", f"{found.first_trial:.1f} s"),
        (f"each further trial ({small} to {large})", f"{1e3 * found.each_further:.0f} ms"),
    ]
    print_table("sweep overhead, training aside", ("what", "measured"), rows)
    closing([], "climber plan quickstart")


@bench.command("data")
def data() -> None:
    """Rows per second and core that the embedded data set generates."""
    from scaling.cli.output import closing, print_table
    from scaling.datasets.synthetic import SyntheticConfig, generation_rows_per_second

    rate = generation_rows_per_second(SyntheticConfig())
    print_table("generation", ("what", "measured"), [("candidate rows/s and core", f"{rate:,.0f}")])
    closing([], "climber data describe synthetic")
