"""What the machine can do: matrix-product peak and peak memory."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from scaling.process import peak_bytes
from scaling.trial import Precision

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_KEPT = 1 << 25
"""glibc's names and numbers (malloc.h); 32 MB is the most that every version takes."""

_SIZE = {"cpu": 512, "cuda": 8192}


@contextlib.contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Torch computes on so many threads inside the context."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@functools.cache
def gemm_peak(device: str, precision: Precision, threads: int) -> float:
    """FLOP/s of a large matrix product here and now, the best of a few; `threads` on a CPU."""
    size = _SIZE.get(device, 2048)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.randn(size, size, device=device, dtype=dtype)
    with torch_threads(threads):
        best = float("inf")
        for _ in range(6):
            start = time.perf_counter()
            a @ a
            if device == "cuda":
                torch.cuda.synchronize()
            best = min(best, time.perf_counter() - start)
    return float(2 * size**3 / best)


def keep_freed_memory() -> None:
    """Let this process reuse the memory it frees instead of handing it back (glibc only).

    By default every tensor above 128 KB is mapped anew, and each of its pages costs a fault: a few
    thousand per training step. Peak memory does not grow by this.
    """
    try:
        set_option = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return
    set_option(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
    set_option(_M_TRIM_THRESHOLD, 2**31 - 1)


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
    return peak_bytes()
