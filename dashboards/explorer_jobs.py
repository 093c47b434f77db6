"""The processes that fit: none is forked from a server of several threads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diskcache
import multiprocess
import psutil
from dash import DiskcacheManager

FORKS = multiprocess.get_context("forkserver")
PRELOADED = ["scaling.dashboards.explorer"]


class Jobs(DiskcacheManager):  # type: ignore[misc]  # Dash has no types
    """Starts and ends the jobs of Dash's background callbacks.

    A child that is forked while another thread is inside SQLite (the store of jobs, MLflow's) inherits
    its locks without the thread that would release them, and waits for ever. So children come from a
    server of forks, which has one thread and has imported what a fit needs.
    """

    def __init__(self, folder: Path) -> None:
        """
        Args:
            folder: for what jobs and server tell each other.
        """
        super().__init__(diskcache.Cache(str(folder)))
        FORKS.set_forkserver_preload(PRELOADED)

    def call_job_fn(
        self, key: str, job_fn: Callable[..., Any], args: Any, context: Any
    ) -> int | None:
        """Start a job; returns the number of its process."""
        progress = self._make_progress_key(key)
        process = FORKS.Process(target=job_fn, args=(key, progress, args, context))
        process.start()
        number: int | None = process.pid
        return number

    def terminate_job(self, job: Any) -> None:
        """End a job, which may end by itself at any moment."""
        with contextlib.suppress(psutil.NoSuchProcess):
            super().terminate_job(job)

    def job_running(self, job: Any) -> bool:
        """Whether a job hasn't ended."""
        try:
            return bool(super().job_running(job))
        except psutil.NoSuchProcess:
            return False
