"""A model that was saved, and a service of it on loopback in this process."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from scaling.batch import Schema
from scaling.datasets.synthetic import SyntheticConfig
from scaling.history import Events, PostedRequest, batch_of
from scaling.logged_model import LoggedModel, load, save
from scaling.models.transformer import TransformerConfig
from scaling.serving_about import describe_model
from scaling.serving_http import make_app
from scaling.serving_limits import Limits
from scaling.serving_question import Outcome, Question
from scaling.serving_scorer import Scorer
from scaling.serving_server import listen, make_server

LIMITS = Limits(body=20_000, requests=4, candidates=20, history=50)


class Answer(NamedTuple):
    status: int
    content: Any
    headers: http.client.HTTPMessage


class Alone:
    """The backend without replicas: the scorer in this process."""

    def __init__(self, model: LoggedModel, cache_bytes: int = 10**6) -> None:
        self._scorer = Scorer(model, cache_bytes=cache_bytes)

    async def answer(self, question: Question) -> Outcome:
        return (await asyncio.to_thread(self._scorer.answer, [question]))[0]

    async def replicas(self) -> int:
        return 1

    def statistics(self) -> dict[str, dict[str, float]]:
        return {"alone": self._scorer.statistics()}


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a transformer whose weights are random, so that all of them matter."""
    schema = SyntheticConfig.tiny().open().schema
    torch.manual_seed(0)
    config = TransformerConfig(depth=2, width=32, seq_len=16)
    ranker = config.build(schema)
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter.normal_(std=0.3)
    folder = tmp_path_factory.mktemp("served") / "model"
    save(folder, ranker, config, schema, {"dataset": "synthetic"})
    return folder


@pytest.fixture(scope="session")
def model(saved: Path) -> LoggedModel:
    return load(saved)


@pytest.fixture(scope="session")
def posted() -> Callable[..., dict[str, Any]]:
    """Makes a request for scores of a user by number, the same each time."""

    def make(user: int, schema: Schema, candidates: int = 5, **others: Any) -> dict[str, Any]:
        rng = np.random.default_rng(user)
        events = int(rng.integers(0, 40))
        request = {
            "user": f"user {user}",
            "time": 2_000_000,
            "scenario": int(rng.integers(schema.num_scenarios)),
            "candidates": rng.integers(schema.num_items, size=candidates).tolist(),
            "history": {
                "items": rng.integers(schema.num_items, size=events).tolist(),
                "actions": rng.integers(schema.num_actions, size=events).tolist(),
                "scenarios": rng.integers(schema.num_scenarios, size=events).tolist(),
                "times": np.sort(rng.integers(1_000_000, size=events)).tolist(),
            },
        }
        return request | others

    return make


@pytest.fixture(scope="session")
def probabilities(model: LoggedModel) -> Callable[[dict[str, Any]], dict[str, list[float]]]:
    """What the model itself says, without engine and service."""

    def of(request: dict[str, Any]) -> dict[str, list[float]]:
        asked = PostedRequest(
            Events(**{name: np.array(v, np.int64) for name, v in request["history"].items()}),
            request["time"],
            np.array(request["candidates"]),
            request["scenario"],
        )
        with torch.inference_mode():
            batch = batch_of([asked], model.config.views(), model.schema)
            found = model.ranker(batch)[0].sigmoid().T
        return dict(zip(model.schema.behaviours, found.tolist()))

    return of


@contextlib.contextmanager
def running(model: LoggedModel, token: str | None = None) -> Iterator[int]:
    """A service on loopback; gives its port."""
    app = make_app(
        Alone(model),
        model.schema,
        describe_model(model, "run", LIMITS),
        limits=LIMITS,
        token=token,
    )
    with listen("127.0.0.1", 0) as listening:
        listening.listen()
        server = make_server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def port(model: LoggedModel) -> Iterator[int]:
    with running(model) as number:
        yield number


@pytest.fixture(scope="module")
def guarded(model: LoggedModel) -> Iterator[int]:
    """As `port`, with the token `secret`."""
    with running(model, "secret") as number:
        yield number


@pytest.fixture(scope="session")
def ask() -> Callable[..., Answer]:
    """One HTTP request: content is sent as JSON, bytes as they are."""

    def send(
        port: int,
        method: str,
        path: str,
        content: object = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        own = {"Content-Type": "application/json"} | (headers or {})
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request(method, path, None if content is None else body, own)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        kind = response.headers.get_content_type()
        found = json.loads(text) if kind == "application/json" else text.decode()
        return Answer(response.status, found, response.headers)

    return send
