"""Converts in forked processes that are killed; imports once, so that a kill costs little.

Called as `killed_conversion.py SOURCE CACHE KILLS SEED (calls|seconds)`; prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scaling.datasets import conversion_parts
from scaling.datasets.conversion_engine import resident_bytes
from scaling.datasets.store import is_stored, load_log
from scaling.datasets.yambda import YambdaConfig


def main(source: str, cache: str, kills: int, seed: int, unit: str) -> dict[str, Any]:
    conversion_parts.PART_EVENTS = 20_000
    os.environ["CLIMBER_CACHE"] = cache
    config = YambdaConfig(path=source)
    path = config.prepared_path()
    began = time.perf_counter()
    calls = child_ends(config, None)
    seconds = time.perf_counter() - began
    undisturbed = content(path)
    shutil.rmtree(path)
    rng = np.random.default_rng(seed)
    killed = finished = resumed = 0
    while killed < kills:
        share = float(rng.random())
        if unit == "calls":
            child_ends(config, int(share * calls))
        else:
            killed_after(config, share * seconds)
        # Nothing under that name, or the whole of it: killed behind the last line counts as well.
        if path.exists():
            assert is_stored(path)
            load_log(path)
            assert content(path) == undisturbed
            shutil.rmtree(path)
            finished += 1
        else:
            resumed += path.with_name(f".{path.name}.partial").exists()
        killed += 1
    child_ends(config, None)
    return {
        "same": content(path) == undisturbed,
        "left": sorted(entry.name for entry in path.parent.iterdir() if entry != path),
        "killed": killed,
        "finished_before": finished,
        "resumed": resumed,
        "parts": len(list((path / "events").iterdir())),
    }


def content(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def child_ends(config: YambdaConfig, last_call: int | None) -> int:
    """Converts in a child that kills itself at a call of its progress; how many calls there were."""
    ears, mouth = os.pipe()
    pid = os.fork()
    if not pid:
        calls = 0

        def count(stage: str, share: float) -> None:
            nonlocal calls
            if calls == last_call:
                os.kill(os.getpid(), signal.SIGKILL)
            calls += 1

        in_child(lambda: config.prepare(memory=resident_bytes() + 10**9, threads=2, progress=count))
        os.write(mouth, str(calls).encode())
        os._exit(0)
    os.close(mouth)
    with os.fdopen(ears) as stream:
        said = stream.read()
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert killed if last_call is not None and not said else status == 0, status
    return int(said or 0)


def killed_after(config: YambdaConfig, seconds: float) -> None:
    pid = os.fork()
    if not pid:
        in_child(lambda: config.prepare(memory=resident_bytes() + 10**9, threads=2))
        os._exit(0)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def in_child(work: Callable[[], object]) -> None:
    try:
        work()
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)


if __name__ == "__main__":
    print(
        json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]))
    )
