"""Ray at an address, for commands that need to know how much room a cluster has."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from scaling.sweeps.base import Sweep

ADDRESS = click.option(
    "--address",
    metavar="ADDR",
    help="A Ray cluster: auto or HOST:PORT; without it, this machine.",
)


@contextlib.contextmanager
def slots_at(address: str | None, declared: Sweep, slots: int | None) -> Iterator[int | None]:
    """Trials that run at the same time: as told, else as the cluster has room; None for here.

    The connection stays open for what is done meanwhile.

    Raises:
        ValueError: the cluster can't be reached.
    """
    if address is None:
        yield slots
        return
    from scaling.sweeps.runner_ray import slots_of
    from scaling.sweeps.runner_session import ray_session

    threads = max(trial.training.threads for trial in declared.trials)
    with ray_session(address, threads=threads):
        yield slots or slots_of(declared.trials)
