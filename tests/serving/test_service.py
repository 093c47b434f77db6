"""A service answers as its model does, and says why it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scaling.logged_model import LoggedModel
from scaling.serving_client import Client, ServiceError

Ask = Callable[..., Any]
Posted = Callable[..., dict[str, Any]]
Probabilities = Callable[[dict[str, Any]], dict[str, list[float]]]


def assert_same(found: dict[str, list[float]], wanted: dict[str, list[float]]) -> None:
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, atol=1e-5)


def test_answers_are_the_models(
    port: int, model: LoggedModel, posted: Posted, probabilities: Probabilities
) -> None:
    requests = [posted(user, model.schema, candidates=3 + user) for user in range(4)]
    with Client(f"http://127.0.0.1:{port}") as client:
        answers = client.score(requests)
        assert [answer["user"] for answer in answers] == [r["user"] for r in requests]
        for request, answer in zip(requests, answers):
            assert_same(answer["probabilities"], probabilities(request))
        assert len({str(answer["probabilities"]) for answer in answers}) == len(answers)
        # The history that an answer's version names is known now.
        again = [
            {k: v for k, v in request.items() if k != "history"} | {"version": answer["version"]}
            for request, answer in zip(requests, answers)
        ]
        for answer, second in zip(answers, client.score(again)):
            assert_same(second["probabilities"], answer["probabilities"])


def test_another_version_is_read_again(
    port: int, model: LoggedModel, posted: Posted, probabilities: Probabilities
) -> None:
    first = posted(11, model.schema, version="1")
    second = first | {"history": posted(12, model.schema)["history"], "version": "2"}
    with Client(f"http://127.0.0.1:{port}") as client:
        (before,) = client.score([first])
        (after,) = client.score([second])
    assert_same(before["probabilities"], probabilities(first))
    assert_same(after["probabilities"], probabilities(second))
    assert before["probabilities"] != after["probabilities"]


def test_the_client_sends_the_history_that_is_needed(
    port: int, model: LoggedModel, posted: Posted, probabilities: Probabilities
) -> None:
    whole = posted(21, model.schema, version="v21")
    short = {name: value for name, value in whole.items() if name != "history"}
    with Client(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(ServiceError, match=r"requests\[0\].history is needed") as refused:
            client.score([short])
        assert (refused.value.status, refused.value.code) == (409, "history_needed")
        (answer,) = client.score([short], lambda user: whole["history"])
    assert_same(answer["probabilities"], probabilities(whole))


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"user": 3}, "requests[0].user", "valid string, got 3"),
    ({"user": ""}, "requests[0].user", "at least 1 character"),
    ({"time": "2000000"}, "requests[0].time", "valid integer, got '2000000'"),
    ({"time": 2000000.5}, "requests[0].time", "valid integer"),
    ({"time": True}, "requests[0].time", "valid integer"),
    ({"time": 1_700_000_000_000}, "requests[0].time", "less than or equal to 1099511627776"),
    ({"time": 10**400}, "requests[0].time", "less than or equal to"),
    ({"scenario": 4}, "requests[0].scenario", "less than or equal to 3, got 4"),
    ({"candidates": []}, "requests[0].candidates", "at least 1 item"),
    ({"candidates": [1, -1]}, "requests[0].candidates[1]", "greater than or equal to 0, got -1"),
    ({"candidates": [100]}, "requests[0].candidates[0]", "less than or equal to 99, got 100"),
    ({"candidates": [1] * 21}, "requests[0].candidates", "at most 20 items"),
    ({"surprise": 1}, "requests[0].surprise", "valid: user, version, time, scenario, attributes"),
    (
        {"attributes": {"age": 1}},
        "requests[0].attributes.age",
        "is no field of the form; valid: none",
    ),
    ({"history": None}, "requests[0].version", "is needed where the history is left out"),
]
HISTORY: list[tuple[dict[str, Any], str, str]] = [
    ({"items": [1], "actions": []}, "requests[0].history.actions", "0 entries; valid: as many as"),
    (
        {"times": [5, 4]},
        "requests[0].history.times[1]",
        "is 4, earlier than the event before it, 5",
    ),
    ({"times": [5, 2_000_001]}, "requests[0].history.times[1]", "valid: at most its time, 2000000"),
    ({"actions": [0, 99]}, "requests[0].history.actions[1]", "less than or equal to 7, got 99"),
    ({"items": [0] * 51}, "requests[0].history.items", "at most 50 items"),
    ({"more": []}, "requests[0].history.more", "valid: items, actions, scenarios, times"),
]
TWO = {"items": [1, 2], "actions": [0, 0], "scenarios": [0, 0], "times": [1, 2]}


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [*WRONG, *(({"history": TWO | change}, field, reason) for change, field, reason in HISTORY)],
)
def test_refuses_by_name(
    port: int,
    model: LoggedModel,
    posted: Posted,
    ask: Ask,
    change: dict[str, Any],
    field: str,
    reason: str,
) -> None:
    answer = ask(port, "POST", "/score", {"requests": [posted(1, model.schema) | change]})
    assert answer.status == 422
    error = answer.content["error"]
    assert (error["code"], error["total"]) == ("invalid", 1)
    assert error["problems"][0]["field"] == field
    assert reason in error["problems"][0]["reason"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        (b"{", {}, 422, "Invalid JSON"),
        (b"", {}, 422, "Invalid JSON"),
        (b'{"requests": [NaN]}', {}, 422, "requests[0]"),
        (b'{"requests": ["\xff"]}', {}, 422, "Invalid JSON"),
        (b"[" * 10_000, {}, 422, "Invalid JSON"),
        (b"[]", {}, 422, "body"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "valid: application/json, got 'text/plain'"),
        (b"{}", {"Content-Encoding": "gzip"}, 415, "a compressed body is not read"),
        (b" " * 20_001, {}, 413, "valid: at most 20000 bytes"),
    ],
)
def test_refuses_bodies(
    port: int, ask: Ask, body: bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    answer = ask(port, "POST", "/score", body, headers)
    assert answer.status == status
    assert reason in str(answer.content["error"]["problems"][0])


def test_refuses_a_body_of_unknown_length_that_grows_too_large(port: int, ask: Ask) -> None:
    chunks = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
    answer = ask(port, "POST", "/score", chunks * 6, {"Transfer-Encoding": "chunked"})
    assert answer.status == 413


def test_knows_its_paths(port: int, ask: Ask) -> None:
    absent = ask(port, "GET", "/nothing")
    assert (absent.status, absent.content["error"]["code"]) == (404, "unknown_path")
    assert "POST /score" in absent.content["error"]["problems"][0]["reason"]
    wrong = ask(port, "GET", "/score")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "POST")
    assert ask(port, "GET", "/healthz").content == {"status": "ok", "replicas": 1}


def test_tells_about_the_model(port: int, model: LoggedModel) -> None:
    with Client(f"http://127.0.0.1:{port}") as client:
        told = client.model()
    assert type(model.config).from_dict(told["config"]) == model.config
    assert told["schema"]["behaviours"] == list(model.schema.behaviours)
    assert told["limits"]["candidates"] == 20
    assert told["encode_reads"] == list(model.config.encode_reads)


def test_counts(port: int, model: LoggedModel, posted: Posted, ask: Ask) -> None:
    def number(name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", ask(port, "GET", "/metrics").content, re.M)
        return float(found[1]) if found else 0.0

    names = (
        'climber_http_requests_total{path="/score",status="200"}',
        'climber_http_requests_total{path="other",status="404"}',
        "climber_candidates_total",
        'climber_replica_misses{replica="alone"}',
        'climber_replica_hits{replica="alone"}',
    )
    before = [number(name) for name in names]
    request = posted(31, model.schema, candidates=7)
    for _ in range(2):
        assert ask(port, "POST", "/score", {"requests": [request]}).status == 200
    ask(port, "GET", "/nothing")
    after = [number(name) for name in names]
    assert np.subtract(after, before).tolist() == [2, 1, 14, 1, 1]
    assert 0 < number('climber_replica_bytes{replica="alone"}') <= 10**6


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic secret", "secret", "Bearer "])
def test_asks_for_the_token(guarded: int, ask: Ask, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    for path in ("/model", "/metrics", "/openapi.json", "/nothing"):
        answer = ask(guarded, "GET", path, headers=headers)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "Authorization" in answer.content["error"]["problems"][0]["field"]
    assert ask(guarded, "POST", "/score", {}, headers).status == 401
    assert ask(guarded, "GET", "/healthz", headers=headers).status == 200


def test_the_token_lets_in(guarded: int, model: LoggedModel, posted: Posted) -> None:
    with Client(f"http://127.0.0.1:{guarded}", token="secret") as client:
        assert len(client.score([posted(1, model.schema)])) == 1
    with (
        Client(f"http://127.0.0.1:{guarded}", token="other") as client,
        pytest.raises(ServiceError, match=r"status 401 \(token\)"),
    ):
        client.model()
