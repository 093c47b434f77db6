"""Work of the analysis on all cores of this machine."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scaling.analysis.mapper import Mapper


@contextlib.contextmanager
def all_cores() -> Iterator[Mapper]:
    """`map` over processes, one for each core that this process may use; plain `map` with one core.

    They start at once, and import what they need while this one reads. Answers are the same: what
    is mapped depends on its arguments alone.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores is None or cores < 2:
        yield map
        return
    # Not forkserver: it would import what lies in the working directory before our own.
    context = multiprocessing.get_context("spawn")
    threads = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # a worker is a core
    pool = ProcessPoolExecutor(cores, mp_context=context)
    try:
        for _ in range(cores):
            pool.submit(_ready)
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in threads.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _ready() -> None:
    """Imported while the first work is still being prepared; later each would wait for it."""
    importlib.import_module("scaling.analysis.trust")
    importlib.import_module("scaling.analysis.plots")


_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
