"""A load test of a service: clients that ask and check, while replicas are killed.

Each answer is compared with what the model itself says of that request, computed beforehand.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import numpy.typing as npt
import torch

from scaling.batch import Schema
from scaling.history import Events, PostedRequest, batch_of
from scaling.logged_model import LoggedModel, save
from scaling.process import resident_bytes
from scaling.serving_client import Client, ServiceError

TOLERANCE = 1e-5
"""Of probabilities: an answer that is further off is wrong."""
_SAMPLE_SECONDS = 1.0
_START_SECONDS = 180.0
_END_SECONDS = 150.0
_COLUMNS = ("items", "actions", "scenarios", "times")
_NOW = 2_000_000


@dataclass(frozen=True, eq=False)
class Known:
    """A request with its right answer."""

    request: dict[str, Any]
    probabilities: npt.NDArray[np.float64]
    """[k, m]"""


@dataclass
class LoadResult:
    """What a load test found."""

    seconds: float = 0.0
    answered: int = 0
    wrong: int = 0
    """Answers that are further from the model's than `TOLERANCE`."""
    lost: list[str] = field(default_factory=list)
    """Requests that got no answer in the end, with what the client said."""
    killed: int = 0
    restarted: int = 0
    """Replicas that appeared after the first ones."""
    milliseconds: list[float] = field(default_factory=list)
    """Of each answer, the client's retries included."""
    cache_share: float = 0.0
    """The most that any replica's cache was filled, as a share of its bound."""
    evicted: float = 0.0
    """Histories that left the caches for others: above 0 the bound was at work."""
    memory: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the start, and bytes of the service's process without its replicas."""
    replica_memory: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """The same of each replica."""
    ended: int | None = None
    """Exit code of the service after SIGTERM."""

    def growth(self) -> float:
        """Largest ratio of memory in the last third of a process's time to the one in its second.

        Start-up falls into the first. 1 where no process was seen long enough.
        """
        series = [self.memory, *self.replica_memory.values()]
        ratios = [_growth(one) for one in series if len(one) >= 9]
        return max(ratios, default=1.0)


@contextlib.contextmanager
def service_process(
    folder: Path, options: Sequence[str] = ()
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`climber serve` of a saved model in a process of its own; gives the process and its URL.

    It is ended by SIGTERM at the latest when the context is left.

    Raises:
        RuntimeError: it didn't come up; with what it said.
    """
    # Ray's sockets need a short path, and its files are to be gone at the end.
    with tempfile.TemporaryDirectory(prefix="climber-", ignore_cleanup_errors=True) as scratch:
        process = subprocess.Popen(
            [sys.executable, "-m", "scaling.cli", "serve", str(folder), "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"RAY_TMPDIR": scratch},
        )
        said: list[str] = []
        found: queue.SimpleQueue[str] = queue.SimpleQueue()

        def listen() -> None:
            # To the end: a full pipe would stop the process.
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line)
                if match := re.search(r"serving .* at (http://\S+)", line):
                    found.put(match[1])
            found.put("")

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            try:
                url = found.get(timeout=_START_SECONDS)
            except queue.Empty:
                url = ""
            if not url:
                raise RuntimeError(f"the service didn't come up:\n{''.join(said)}")
            yield process, url
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            listener.join()
            assert process.stdout is not None
            process.stdout.close()


def known_requests(model: LoggedModel, *, users: int, candidates: int) -> list[Known]:
    """Made-up requests of some users, the same each time, with the model's own answers."""
    found = []
    for user in range(users):
        rng = np.random.default_rng(user)
        asked = _made_up(rng, model.schema, int(rng.integers(1, candidates + 1)))
        with torch.inference_mode():
            batch = batch_of([asked], model.config.views(), model.schema)
            probabilities = model.ranker(batch)[0].sigmoid().double().numpy().T
        request = {
            "user": f"user {user}",
            "version": "1",
            "time": asked.time,
            "scenario": asked.scenario,
            "attributes": dict(zip(model.schema.request_attributes, asked.attributes)),
            "candidates": np.asarray(asked.candidates).tolist(),
            "history": {c: np.asarray(getattr(asked.events, c)).tolist() for c in _COLUMNS},
        }
        found.append(Known(request, probabilities))
    return found


def _made_up(rng: np.random.Generator, schema: Schema, candidates: int) -> PostedRequest:
    events = int(rng.integers(0, 100))
    return PostedRequest(
        events=Events(
            items=rng.integers(schema.num_items, size=events),
            actions=rng.integers(schema.num_actions, size=events),
            scenarios=rng.integers(schema.num_scenarios, size=events),
            times=np.sort(rng.integers(_NOW, size=events)),
        ),
        time=_NOW,
        candidates=rng.integers(schema.num_items, size=candidates),
        scenario=int(rng.integers(schema.num_scenarios)),
        attributes=[int(rng.integers(n)) for n in schema.request_attributes.values()],
    )


def load_test(
    model: LoggedModel,
    *,
    seconds: float,
    clients: int,
    kills: int,
    replicas: int = 2,
    users: int = 300,
    candidates: int = 100,
    cache_bytes: int = 2_000_000,
    tell: Callable[[str], None] = lambda text: None,
) -> LoadResult:
    """Serve a model, let clients ask for some time, kill replicas meanwhile, and end by SIGTERM.

    Half of the requests leave the history to what the service knows; the client sends it where the
    service asks. The clients go on through the SIGTERM: what was accepted before must be answered.

    Args:
        kills: how often one replica is killed (SIGKILL), spread evenly over the time.
    """
    result = LoadResult()
    known = known_requests(model, users=users, candidates=candidates)
    histories = {one.request["user"]: one.request["history"] for one in known}
    lock, ending, over = threading.Lock(), threading.Event(), threading.Event()

    def ask(url: str, number: int) -> None:
        rng = np.random.default_rng(10_000 + number)
        with Client(url, attempts=5) as client:
            while not over.is_set():
                one = known[int(rng.integers(len(known)))]
                request = dict(one.request)
                if rng.random() < 0.5:
                    del request["history"]
                begin = time.perf_counter()
                try:
                    (answer,) = client.score([request], histories.__getitem__)
                except ServiceError as error:
                    # Nobody listens after the end; before it nothing may be lost.
                    if not ending.is_set() or error.status is not None:
                        with lock:
                            result.lost.append(str(error))
                    continue
                took = 1e3 * (time.perf_counter() - begin)
                off = np.abs(np.array(list(answer["probabilities"].values())) - one.probabilities)
                with lock:
                    result.answered += 1
                    result.wrong += bool(off.max() > TOLERANCE)
                    result.milliseconds.append(took)

    with tempfile.TemporaryDirectory(prefix="climber-load-") as scratch:
        folder = Path(scratch) / "model"
        save(folder, model.ranker, model.config, model.schema, model.about)
        options = ["--replicas", str(replicas), "--threads", "1", "--cache-bytes", str(cache_bytes)]
        with service_process(folder, options) as (process, url):
            threads = [threading.Thread(target=ask, args=(url, n)) for n in range(clients)]
            begin = time.perf_counter()
            for thread in threads:
                thread.start()
            try:
                _watch(result, url, process.pid, begin, seconds, kills, tell)
            finally:
                ending.set()
                process.send_signal(signal.SIGTERM)
                # While the clients still ask.
                result.ended = process.wait(_END_SECONDS)
                over.set()
                for thread in threads:
                    thread.join()
        result.seconds = seconds
    return result


def _watch(
    result: LoadResult,
    url: str,
    process: int,
    begin: float,
    seconds: float,
    kills: int,
    tell: Callable[[str], None],
) -> None:
    """Samples memory and caches each second, and kills a replica now and then."""
    seen: set[str] = set()
    due = [seconds * (number + 1) / (kills + 1) for number in range(kills)]
    while (now := time.perf_counter() - begin) < seconds:
        numbers = replica_numbers(url)
        first = not seen
        for name, one in numbers.items():
            result.restarted += not first and name not in seen
            seen.add(name)
            result.cache_share = max(result.cache_share, one["bytes"] / one["bytes_limit"])
            result.evicted = max(result.evicted, one["evicted"])
            result.replica_memory.setdefault(name, []).append((now, one["resident_bytes"]))
        result.memory.append((now, float(resident_bytes(process))))
        if due and now >= due[0] and numbers:
            due.pop(0)
            name = sorted(numbers)[0]
            os.kill(int(numbers[name]["process_id"]), signal.SIGKILL)
            result.killed += 1
            tell(f"{now:.0f} s: killed replica {name}; {result.answered} answers so far")
        time.sleep(_SAMPLE_SECONDS)


def replica_numbers(url: str) -> dict[str, Mapping[str, float]]:
    """What GET /metrics tells of each replica, by its name."""
    with urlopen(f"{url}/metrics", timeout=30) as response:
        text = response.read().decode()
    found: dict[str, dict[str, float]] = {}
    for name, replica, value in re.findall(
        r'^climber_replica_(\w+)\{replica="(\w+)"\} (\S+)$', text, re.MULTILINE
    ):
        found.setdefault(replica, {})[name] = float(value)
    return dict(found)


def _growth(series: Sequence[tuple[float, float]]) -> float:
    values = np.array([value for _, value in series])
    third = len(values) // 3
    return float(np.median(values[-third:]) / np.median(values[third:-third]))
