"""A Ray session for a sweep: on this machine or on a cluster, quiet, and telling nobody."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator, Mapping

_ENVIRONMENT = {
    # No CSV, JSON and TensorBoard files of Tune's own: MLflow is the record.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # The folder is thrown away at the end: no snapshot of the experiment in it but the last.
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",
    # Placement groups are asked for ahead; the default of 200 slows the first trials.
    "TUNE_MAX_PENDING_TRIALS_PG": "16",
    # The older reporter is silent at verbose=0; the newer one prints a table all the same.
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_WORKERS = {
    # A trial reads the data set's files by the paths of the driver.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}
_OBJECT_STORE_BYTES = 256 * 2**20
_TIMEOUT_SECONDS = 5.0


@contextlib.contextmanager
def ray_session(
    address: str | None = None, *, cpus: int | None = None, threads: int = 1
) -> Iterator[None]:
    """Ray, running; a session that the caller already has is used and left alone.

    Args:
        address: a cluster; None starts one on this machine. (Never looked up: a stale file in
            /tmp/ray makes a bare `ray.init` fail.)
        cpus: cores that a session on this machine may use; None for all.
        threads: at most so many for each numerical library in a worker; a trial's torch then takes
            as many as the trial is granted.

    Raises:
        ValueError: the cluster can't be reached.
    """
    # Read when Ray is imported. A user who set it otherwise is left alone.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        with _environment({**_ENVIRONMENT, **_WORKERS}):
            yield
        return
    check_address(address)
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    own = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    with _environment({**_ENVIRONMENT, **_WORKERS, **_threads(threads)}):
        try:
            try:
                if address is None:
                    ray.init(address="local", num_cpus=cpus, **own, **quiet)
                else:
                    # A cluster's workers inherit nothing from here.
                    variables = {**_WORKERS, **_threads(threads)}
                    ray.init(address=address, runtime_env={"env_vars": variables}, **quiet)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise _unusable(address, error) from error
            yield
        finally:
            ray.shutdown()


def _threads(most: int) -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return dict.fromkeys(names, str(most))


def check_address(address: str | None) -> None:
    """Knock first: Ray itself would wait for minutes.

    Raises:
        ValueError: not an address, or nobody answers there.
    """
    if address is None or address in ("auto", "local"):
        return
    host, _, port = address.rpartition(":")
    if address.startswith("ray://") or not host or not port.isdigit():
        raise ValueError(
            f"--address must be HOST:PORT of the cluster's head (as `ray start --head` prints it) or "
            f"`auto` on a machine of the cluster, got {address!r}"
        )
    try:
        with socket.create_connection((host, int(port)), timeout=_TIMEOUT_SECONDS):
            pass
    except OSError as error:
        raise _unusable(address, error) from error


def _unusable(address: str | None, error: Exception) -> ValueError:
    # A head that was started where a token exists asks for it, and Ray doesn't say so.
    token = (
        ""
        if address is None or "RAY_AUTH_MODE" in os.environ
        else (
            "; RAY_AUTH_MODE=token in the environment shows a head that asks for it the token of "
            "~/.ray/auth_token"
        )
    )
    return ValueError(
        f"Ray at {address or 'this machine'} can't be used: {error}. Cure: `ray status --address "
        f"HOST:PORT` shows whether a cluster answers{token}; without --address the sweep runs on "
        "this machine"
    )


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables for what is started meanwhile; those that the user set stay as they are."""
    mine = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(mine)
    try:
        yield
    finally:
        for name in mine:
            os.environ.pop(name, None)
