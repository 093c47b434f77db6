"""What real steps took on this machine: kept in the cache, one file per shape and code."""

from __future__ import annotations

import functools
import json
import os
import platform
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from scaling.config import Config, cache_dir, digest_of
from scaling.sweeps.cost import Shape
from scaling.units import write_json


@dataclass(frozen=True, kw_only=True)
class Calibration(Config):
    """Real steps of a shape, timed while as many processes ran as the sweep has slots."""

    shape: Shape
    code: str
    """`climber.code` of what ran."""
    slots: int
    """Processes that ran steps at the same time."""
    steps: int
    step_seconds: float
    """Mean; processor seconds for a trial of one thread, see `calibrate_worker`."""
    flops_per_step: float
    """Mean training FLOPs."""
    evaluation_seconds: float
    """Of a request."""
    busy: float | None
    """Processor seconds over seconds and threads; well below 1 where other work took the cores.
    None on a GPU."""

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return folder() / f"{self.shape.digest()}-{self.code}-{self.slots}.json"

    def save(self) -> None:
        """Keep it; an older one of the same shape, code and slots is replaced.

        Raises:
            ValueError: the cache can't be written.
        """
        try:
            write_json(self.path, self.to_dict())
        except OSError as error:
            raise ValueError(
                f"cannot keep calibrations in {self.path.parent} ({error.strerror}): free some "
                "space, or set CLIMBER_CACHE to a folder that can be written"
            ) from error


def read_calibrations(codes: Collection[str], slots: int) -> list[Calibration]:
    """What this machine measured with these codes and so many slots.

    Raises:
        ValueError: a damaged file, named.
    """
    found = []
    for path in sorted(folder().glob(f"*-{slots}.json")):
        if path.stem.split("-")[1] not in codes:
            continue
        try:
            found.append(Calibration.from_dict(json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{path} is damaged or of another version ({error}): delete it and use "
                "`climber plan SWEEP --calibrate` again"
            ) from error
    return found


def folder() -> Path:
    """Where the calibrations of machines like this one lie."""
    return cache_dir() / "calibration" / digest_of(_machine())


@functools.cache
def _machine() -> str:
    """Processor, number of cores and GPUs: machines alike share their calibrations."""
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ", ".join([_processor(), f"{os.cpu_count()} cores", *gpus])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
