"""A trial on several workers: the run in the trial's own process leads, the others keep step.

All workers come in the trial's one placement group, so a trial has all of them or waits. Gradients
are summed over `torch.distributed`, see `scaling.team`.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Mapping
from typing import Any

import torch.distributed as dist

from scaling.results import TrialResult
from scaling.running import Progress, Run
from scaling.start import start_run
from scaling.team import Team
from scaling.training import TrialRun
from scaling.trial import TrialConfig


def begin_run(trial: TrialConfig) -> Run:
    """Begin a trial in a Ray worker, with as many more as its training asks for."""
    alone = trial.training.workers == 1 or trial.model.role != TrialRun.role
    return start_run(trial) if alone else TeamRun(trial)


class TeamRun(TrialRun):
    """The first of a trial's processes; it starts the others and answers for all."""

    def __init__(self, trial: TrialConfig) -> None:
        size = trial.training.workers
        self._followers = _followers(trial)
        self._training: list[Any] = []
        try:
            place = _meeting_place()
            joined = [
                follower.join.remote(trial, place, rank, size)
                for rank, follower in enumerate(self._followers, 1)
            ]
            _join(trial, place, 0, size)
            super().__init__(trial, Team())
            _get(joined)
        except BaseException:
            self.close()
            raise

    def advance(self, seconds: float, share: float = 1.0) -> Progress:
        if not self._training:
            self._training = [follower.train.remote() for follower in self._followers]
        return super().advance(seconds, share)

    def restore(self, state: Mapping[str, Any]) -> None:
        import ray

        super().restore(state)
        shared = ray.put(dict(state))
        _get([follower.restore.remote(shared) for follower in self._followers])

    def finish(self) -> TrialResult:
        _get(self._training)
        return super().finish()

    def close(self) -> None:
        import ray

        for follower in self._followers:
            ray.kill(follower)
        if dist.is_initialized():
            dist.destroy_process_group()
        super().close()


class Follower:
    """Another process of a trial; a Ray actor."""

    def join(self, trial: TrialConfig, place: str, rank: int, size: int) -> None:
        _join(trial, place, rank, size)
        self._run = TrialRun(trial, Team())

    def restore(self, state: Mapping[str, Any]) -> None:
        self._run.restore(state)

    def train(self) -> None:
        self._run.advance(math.inf)


def _followers(trial: TrialConfig) -> list[Any]:
    """One actor in each bundle of this trial's placement group but the first, which is ours."""
    import ray
    from ray.util import get_current_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group = get_current_placement_group()
    kind = ray.remote(Follower)
    return [
        kind.options(
            num_cpus=bundle.get("CPU", 0),
            num_gpus=bundle.get("GPU", 0),
            scheduling_strategy=PlacementGroupSchedulingStrategy(group, index),
        ).remote()
        for index, bundle in enumerate(group.bundle_specs)
        if index > 0
    ]


def _meeting_place() -> str:
    """An address of this machine at which the processes find each other."""
    from ray.util import get_node_ip_address

    with socket.socket() as free:
        free.bind(("", 0))
        return f"tcp://{get_node_ip_address()}:{free.getsockname()[1]}"


def _join(trial: TrialConfig, place: str, rank: int, size: int) -> None:
    backend = "nccl" if trial.training.device.startswith("cuda") else "gloo"
    dist.init_process_group(backend, init_method=place, rank=rank, world_size=size)


def _get(answers: list[Any]) -> None:
    import ray

    ray.get(answers)
