"""How long a sweep takes on its slots, and how many there are."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from scaling.trial import TrialConfig


def makespan(seconds: Sequence[float], slots: int) -> float:
    """Time until the last trial ends, if each begins, in this order, as soon as a slot is free."""
    free = [0.0] * min(slots, len(seconds))
    for duration in seconds:
        heapq.heapreplace(free, free[0] + duration)
    return max(free, default=0.0)


def local_slots(trials: Iterable[TrialConfig]) -> int:
    """Trials that run at the same time on this machine: as many as have their threads, or a GPU,
    for each of their workers."""
    trainings = [trial.training for trial in trials]
    workers = max((training.workers for training in trainings), default=1)
    if any(training.device.startswith("cuda") for training in trainings):
        import torch

        return max(torch.cuda.device_count() // workers, 1)
    threads = max((training.threads for training in trainings), default=1)
    return max(local_cores() // (threads * workers), 1)


def local_cores() -> int:
    """Cores of this machine, or those that its container may use."""
    cores = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(min(cores, int(quota) // int(period)), 1)
