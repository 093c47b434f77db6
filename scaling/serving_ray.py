"""A model behind Ray Serve: replicas that score, and the handle that asks them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray import serve
from ray.exceptions import RayActorError, RayError, TaskCancelledError
from ray.serve.config import RequestRouterConfig
from ray.serve.exceptions import RayServeException

from scaling.process import runs
from scaling.serving_question import Outcome, Question, Unavailable

if TYPE_CHECKING:
    from scaling.models.turbo_precision import CacheDtype

_APPLICATION = "climber"
_DEPLOYMENT = "Replica"
_BATCH = 32
"""Questions that a replica scores at a time."""
_WAIT_SECONDS = 0.002
"""How long the first of a batch waits for others."""
_QUEUED = 1_000
"""Questions that wait for a replica; those beyond are told to come back."""
_ATTEMPTS = 5
_SECONDS = 60.0
"""A question that no replica has answered by then is given up."""
_OBJECT_STORE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class _Reply:
    outcome: Outcome
    replica: str
    statistics: Mapping[str, float]


class Replica:
    """One process with the model and a cache of its own."""

    def __init__(
        self, folder: Path, cache_bytes: int, cache_dtype: CacheDtype, threads: int
    ) -> None:
        import torch

        from scaling.logged_model import load
        from scaling.machine import keep_freed_memory
        from scaling.serving_scorer import Scorer

        torch.set_num_threads(threads)
        keep_freed_memory()  # an encoding maps some thousand pages anew without it
        self._name = serve.get_replica_context().replica_id.unique_id
        self._scorer = Scorer(load(folder), cache_bytes=cache_bytes, cache_dtype=cache_dtype)

    @serve.batch(max_batch_size=_BATCH, batch_wait_timeout_s=_WAIT_SECONDS)  # type: ignore[untyped-decorator]
    async def answer(self, questions: list[Question]) -> list[_Reply]:
        # In a thread, so that the replica goes on answering whether it is well.
        outcomes = await asyncio.to_thread(self._scorer.answer, questions)
        numbers = self._scorer.statistics()
        return [_Reply(outcome, self._name, numbers) for outcome in outcomes]


class RayBackend:
    """Asks the replicas; a question whose replica dies is asked again elsewhere."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._statistics: dict[str, Mapping[str, float]] = {}

    async def answer(self, question: Question) -> Outcome:
        problem: Exception | None = None
        for attempt in range(_ATTEMPTS):
            try:
                async with asyncio.timeout(_SECONDS):
                    reply = await self._handle.answer.remote(question)
            except (RayActorError, TaskCancelledError) as error:
                # Scoring changes nothing: asking twice does no harm.
                problem = error
                await asyncio.sleep(0.05 * 2**attempt)
            except (RayServeException, TimeoutError) as error:
                raise Unavailable(f"no replica can answer now ({type(error).__name__})") from error
            else:
                self._statistics[reply.replica] = reply.statistics
                outcome: Outcome = reply.outcome
                return outcome
        raise Unavailable("the replicas that were asked have died") from problem

    async def replicas(self) -> int:
        return await asyncio.to_thread(_running)

    def statistics(self) -> Mapping[str, Mapping[str, float]]:
        alive = {
            name: numbers
            for name, numbers in self._statistics.items()
            if runs(int(numbers["process_id"]))
        }
        self._statistics = dict(alive)
        return alive


@contextlib.contextmanager
def replicas_of(
    folder: Path, *, replicas: int, cache_bytes: int, cache_dtype: CacheDtype, threads: int
) -> Iterator[RayBackend]:
    """Replicas of the model in `folder`, on this machine, until the end of the context.

    At the end they answer what they were asked before they go.

    Args:
        cache_bytes: of each replica.
        cache_dtype: of what it keeps; see `scaling.models.turbo.Engine`.
        threads: of torch in each replica.
    """
    variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    # Serve tells of each step; what went wrong is told.
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    # Never looked up: a stale file in Ray's folder makes a bare `ray.init` fail.
    ray.init(
        address="local",
        # Each replica asks for one; Serve's controller for none.
        num_cpus=max(replicas, os.cpu_count() or 1),
        include_dashboard=False,
        object_store_memory=_OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={"env_vars": variables},
    )
    try:
        quiet = {"log_level": "WARNING", "enable_access_log": False}
        serve.start(proxy_location="Disabled", logging_config=quiet)
        deployment = serve.deployment(
            Replica,
            name=_DEPLOYMENT,
            num_replicas=replicas,
            ray_actor_options={"num_cpus": 1},
            max_ongoing_requests=4 * _BATCH,
            max_queued_requests=_QUEUED,
            graceful_shutdown_wait_loop_s=0.1,
            graceful_shutdown_timeout_s=_SECONDS,
            health_check_period_s=1.0,
            logging_config=quiet,
            request_router_config=RequestRouterConfig(
                request_router_class="scaling.serving_ray_router:ByUser"
            ),
        )
        target = deployment.bind(folder.absolute(), cache_bytes, cache_dtype, threads)
        handle = serve.run(target, name=_APPLICATION, route_prefix=None)
        try:
            yield RayBackend(handle)
        finally:
            serve.shutdown()
    finally:
        ray.shutdown()


def _running() -> int:
    try:
        application = serve.status().applications.get(_APPLICATION)
    except (RayError, RayServeException):  # Serve's controller is being restarted
        return 0
    deployment = application and application.deployments.get(_DEPLOYMENT)
    return int(deployment.replica_states.get("RUNNING", 0)) if deployment else 0
