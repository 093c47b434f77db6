"""Memory of one training step: fused, reference and recomputed form, each in a fresh process.

    python -m scaling.sweeps.benchmark_memory FORM MODEL.json BATCH_SIZE

prints the peak of resident memory above the level before the step.
"""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
from typing import Literal, get_args

from torch import nn

from scaling import machine
from scaling.models.attention import use_implementation
from scaling.models.base import MODELS, ModelConfig, Ranker
from scaling.models.stack import Stack
from scaling.sweeps.benchmark import TimedRun, timed_trial
from scaling.sweeps.benchmark_data import RandomRequests

Form = Literal["fused", "reference", "recomputed"]
FORMS: tuple[Form, ...] = get_args(Form)
"""The fast form, plain matrix products, and the fast form with activation checkpointing."""

ITEMS = 4000
"""Of the catalogue, as in the embedded data."""


def memory_of_step(model: ModelConfig, form: Form, batch_size: int) -> int:
    """Bytes, measured in a process of its own; histories are full.

    Raises:
        ValueError: the process failed, or the system doesn't tell the peak.
    """
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "scaling.sweeps.benchmark_memory",
            form,
            json.dumps(model.to_dict()),
            str(batch_size),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ValueError(f"memory of {model.name} ({form}) was not measured: {last}")
    return int(done.stdout)


def measured_here(model: ModelConfig, form: Form, batch_size: int) -> int:
    """As `memory_of_step`, in this process, which should have done nothing before."""
    # Steps of the smallest batch first: gradients, moments and kernels are there before the level.
    data = RandomRequests(num_items=ITEMS)
    run = TimedRun(timed_trial(model, data, batch_size=1))
    set_form(run.ranker, form)
    run.repeat(0.0, 2)
    views = model.views()
    batch = next(data.open().requests("train", views, batch_size=batch_size, seed=1))
    _give_back()
    if not machine.reset_peak_memory("cpu"):
        raise ValueError("this system does not tell the peak of resident memory")
    before = machine.peak_memory("cpu")
    run.train_on(batch)
    return machine.peak_memory("cpu") - before


def _give_back() -> None:
    """Return freed memory to the system, or a step could use it without raising the level."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
    if trim is not None:
        trim(0)


def set_form(ranker: Ranker, form: Form) -> None:
    """Make the ranker compute in that form."""
    use_implementation(ranker, "reference" if form == "reference" else "fused")
    if form == "recomputed":
        for part in _stacks(ranker):
            part.recompute = True


def _stacks(ranker: nn.Module) -> list[Stack]:
    return [part for part in ranker.modules() if isinstance(part, Stack)]


if __name__ == "__main__":
    _form, _model, _size = sys.argv[1:]
    assert _form in FORMS
    _data = json.loads(_model)
    print(measured_here(MODELS.get(_data["name"]).from_dict(_data), _form, int(_size)))
