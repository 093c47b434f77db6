"""The service as users start it: the command in a process, replicas on Ray Serve, signals."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaling.history import Events
from scaling.logged_model import LoggedModel
from scaling.serving_client import Client
from scaling.serving_load import load_test, replica_numbers, service_process
from scaling.serving_question import Question
from scaling.serving_scorer import Scorer

pytestmark = pytest.mark.slow

Posted = Callable[..., dict[str, Any]]
Probabilities = Callable[[dict[str, Any]], dict[str, list[float]]]


def test_serves_and_ends_in_order(
    saved: Path, model: LoggedModel, posted: Posted, probabilities: Probabilities
) -> None:
    requests = [posted(user, model.schema) for user in range(24)]
    wanted = [probabilities(request) for request in requests]
    found: dict[int, Any] = {}
    lost: list[Exception] = []
    with service_process(saved, ["--replicas", "2", "--threads", "1"]) as (process, url):

        def ask(number: int) -> None:
            try:
                with Client(url, attempts=1) as client:
                    (found[number],) = client.score([requests[number]])
            except Exception as error:
                lost.append(error)

        with Client(url) as client:
            for _ in range(2):
                for first in range(0, 24, 8):
                    for answer, right in zip(
                        client.score(requests[first : first + 8]), wanted[first : first + 8]
                    ):
                        for name, values in right.items():
                            np.testing.assert_allclose(
                                answer["probabilities"][name], values, atol=1e-5
                            )
            replicas = replica_numbers(url)
            # Each user's history is in one replica's cache, and found there the second time.
            assert len(replicas) == 2
            assert sum(one["misses"] for one in replicas.values()) == 24
            assert sum(one["hits"] for one in replicas.values()) == 24
            assert all(one["entries"] > 0 for one in replicas.values())
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
        for thread in threads:
            thread.start()
        # The connections are accepted or waiting; the end comes among them.
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert process.wait(120) == 0
    assert len(found) + len(lost) == 24
    # Who came before the end was answered rightly; who came too late was told so by the system.
    assert all(isinstance(error, RuntimeError) and error.status is None for error in lost)  # type: ignore[attr-defined]
    for number, answer in found.items():
        for name, values in wanted[number].items():
            np.testing.assert_allclose(answer["probabilities"][name], values, atol=1e-5)


def test_the_cache_is_kept_in_the_precision_that_was_asked_for(
    saved: Path, model: LoggedModel, posted: Posted, probabilities: Probabilities
) -> None:
    request = posted(1, model.schema)
    with service_process(saved, ["--threads", "1", "--cache-dtype", "int8"]) as (_, url):
        with Client(url) as client:
            (answer,) = client.score([request])
            (again,) = client.score([request])
        (kept,) = (one["bytes"] for one in replica_numbers(url).values())
    assert again["probabilities"] == answer["probabilities"]
    for name, values in probabilities(request).items():
        np.testing.assert_allclose(answer["probabilities"][name], values, atol=0.05)
    events = Events(**{name: np.array(v, np.int64) for name, v in request["history"].items()})
    question = Question(
        "user 1", "1", request["time"], request["scenario"], (),
        np.array(request["candidates"]), events,
    )  # fmt: skip
    whole = Scorer(model, cache_bytes=10**6)
    whole.answer([question])
    assert 0 < kept < 0.4 * whole.statistics()["bytes"]


def test_nothing_is_lost_when_a_replica_is_killed(model: LoggedModel) -> None:
    result = load_test(model, seconds=30, clients=8, kills=1, cache_bytes=300_000)
    assert result.ended == 0
    assert (result.killed, result.wrong, result.lost) == (1, 0, [])
    assert result.restarted >= 1
    assert result.answered > 100
    # The bound was reached, and kept.
    assert result.evicted > 0
    assert 0.5 < result.cache_share <= 1
