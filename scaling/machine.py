"""What the machine can do: matrix-product peak and peak memory."""

from __future__ import annotations

import functools
import time
from pathlib import Path

import torch

from scaling.trial import Precision

_SIZE = {"cpu": 512, "cuda": 8192}


@functools.cache
def gemm_peak(device: str, precision: Precision, threads: int) -> float:
    """FLOP/s of a large matrix product here and now, the best of a few; `threads` on a CPU."""
    size = _SIZE.get(device, 2048)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.randn(size, size, device=device, dtype=dtype)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        best = float("inf")
        for _ in range(6):
            start = time.perf_counter()
            a @ a
            if device == "cuda":
                torch.cuda.synchronize()
            best = min(best, time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    return float(2 * size**3 / best)


def reset_peak_memory(device: str) -> bool:
    """Start counting peak memory anew; false where the system can't (the column stays missing)."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return True
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_memory(device: str) -> int:
    """Peak bytes since `reset_peak_memory`: of the device, or of this process."""
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("no VmHWM in /proc/self/status")
