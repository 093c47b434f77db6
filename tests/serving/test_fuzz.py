"""Malformed requests, made from the service's own OpenAPI description: always 4xx with a reason."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scaling.logged_model import LoggedModel

Schema = dict[str, Any]
Place = tuple[str | int, ...]
Mutation = Callable[["Fuzzer"], tuple[bytes, dict[str, str]]]

HUGE = (10**30, -(10**30), 2**63, -(2**63) - 1, "HUGE")
"""The last stands for an integer of 5,000 digits, which Python's own JSON doesn't write."""
TEXTS = (
    "",
    "\0",
    "\ud800",
    "é" * 300,
    "\u202e\u0000",
    "🎧" * 250,
    "1",
    "null",
    "' OR 1=1 --",
    "../..",
)
OTHERS = (None, True, False, 0.5, -1.5, 1e300, "7", [], {}, [[]], {"a": 1}, *TEXTS, *HUGE)
TYPES = (
    "text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data",
    "application/jsonp", "json", "", "\xe9", "*/*", "application/json/x",
)  # fmt: skip


class Fuzzer:
    """Valid bodies of a description, and ways to spoil one."""

    def __init__(self, description: Schema, seed: int) -> None:
        self.random = random.Random(seed)
        post = description["paths"]["/score"]["post"]
        self.form = post["requestBody"]["content"]["application/json"]["schema"]
        self.described = description["components"]["schemas"]

    def resolve(self, schema: Schema) -> Schema:
        """Without references and alternatives to null."""
        if "anyOf" in schema:
            schema = next(one for one in schema["anyOf"] if one.get("type") != "null")
        if "$ref" in schema:
            schema = self.described[schema["$ref"].rpartition("/")[2]]
        return schema

    def valid(self) -> Any:
        """A body that the service answers."""
        body = self._made(self.form)
        for request in body["requests"]:
            history = request["history"]
            size = min(map(len, history.values()))
            request["history"] = {name: column[:size] for name, column in history.items()}
            times = sorted(time % 2**30 for time in request["history"]["times"])
            request["history"]["times"], request["time"] = times, 2**30
        return body

    def _made(self, schema: Schema) -> Any:
        schema = self.resolve(schema)
        if schema["type"] == "object":
            return {name: self._made(one) for name, one in schema["properties"].items()}
        if schema["type"] == "array":
            least = max(schema["minItems"], 1)
            size = self.random.randint(least, min(schema["maxItems"], 3))
            return [self._made(schema["items"]) for _ in range(size)]
        if schema["type"] == "integer":
            return self.random.randint(schema["minimum"], schema["maximum"])
        assert schema["type"] == "string"
        return "".join(self.random.choices("abcdé🎧", k=self.random.randint(1, 9)))

    def places(self, body: Any, schema: Schema, at: Place = ()) -> Iterator[tuple[Place, Schema]]:
        """Every value of a body with what the description says of it."""
        schema = self.resolve(schema)
        yield at, schema
        if isinstance(body, dict):
            for name, value in body.items():
                yield from self.places(value, schema["properties"][name], (*at, name))
        elif isinstance(body, list):
            for index, value in enumerate(body):
                yield from self.places(value, schema["items"], (*at, index))

    def spoiled(self) -> tuple[Any, Any, Place, Schema]:
        """A valid body, the object or list that holds one of its values, and that value's place."""
        body = self.valid()
        at, schema = self.random.choice([p for p in self.places(body, self.form) if p[0]])
        holder = body
        for part in at[:-1]:
            holder = holder[part]
        return body, holder, at, schema


def encoded(body: object) -> tuple[bytes, dict[str, str]]:
    text = json.dumps(body).replace('"HUGE"', "9" * 5000)
    return text.encode(), {}


def wrong_type(fuzzer: Fuzzer) -> tuple[bytes, dict[str, str]]:
    kinds = {"object": dict, "array": list, "integer": int, "string": str}
    while True:
        body, holder, at, schema = fuzzer.spoiled()
        value = fuzzer.random.choice(OTHERS)
        kind = kinds[schema["type"]]
        optional = value is None and at[-1] in ("version", "attributes")
        if not (optional or type(value) is kind or value in HUGE):
            holder[at[-1]] = value
            return encoded(body)


def out_of_range(fuzzer: Fuzzer) -> tuple[bytes, dict[str, str]]:
    while True:
        body, holder, at, schema = fuzzer.spoiled()
        if schema["type"] == "integer":
            edges = (schema["minimum"] - 1, schema["maximum"] + 1, *HUGE)
            holder[at[-1]] = fuzzer.random.choice(edges)
            return encoded(body)
        if schema["type"] == "string":
            holder[at[-1]] = fuzzer.random.choice(["", "x" * (schema["maxLength"] + 1), "\ud800"])
            return encoded(body)
        if schema["type"] == "array":
            values = holder[at[-1]]
            holder[at[-1]] = [*values, *values[:1] * schema["maxItems"]]
            return encoded(body)


def dropped(fuzzer: Fuzzer) -> tuple[bytes, dict[str, str]]:
    while True:
        body, holder, at, _ = fuzzer.spoiled()
        if at[-1] in ("version", "attributes", "history") or isinstance(holder, list):
            continue
        del holder[at[-1]]
        return encoded(body)


def unknown(fuzzer: Fuzzer) -> tuple[bytes, dict[str, str]]:
    while True:
        body, holder, _, _ = fuzzer.spoiled()
        if isinstance(holder, dict):
            name = fuzzer.random.choice([*TEXTS, "__class__", "User", "history ", "x" * 5000])
            holder[name] = fuzzer.random.choice(OTHERS)
            return encoded(body)


def unequal(fuzzer: Fuzzer) -> tuple[bytes, dict[str, str]]:
    body = fuzzer.valid()
    history = fuzzer.random.choice(body["requests"])["history"]
    name = fuzzer.random.choice(list(history))
    history[name] = history[name] + history[name][-1:]
    return encoded(body)


def disordered(fuzzer: Fuzzer) -> tuple[bytes, dict[str, str]]:
    body = fuzzer.valid()
    request = fuzzer.random.choice(body["requests"])
    later = request["time"] + fuzzer.random.randint(1, 10**6)
    request["history"]["times"][-1] = later
    return encoded(body)


def not_a_number(fuzzer: Fuzzer) -> tuple[bytes, dict[str, str]]:
    body, holder, at, _ = fuzzer.spoiled()
    holder[at[-1]] = "PLACE"
    word = fuzzer.random.choice(
        ["NaN", "Infinity", "-Infinity", "1e999", "01", "+1", "0x10", "1_0"]
    )
    return json.dumps(body).replace('"PLACE"', word).encode(), {}


def truncated(fuzzer: Fuzzer) -> tuple[bytes, dict[str, str]]:
    text, headers = encoded(fuzzer.valid())
    return text[: fuzzer.random.randrange(len(text))], headers


def flipped(fuzzer: Fuzzer) -> tuple[bytes, dict[str, str]]:
    text = bytearray(encoded(fuzzer.valid())[0])
    # Bytes that no UTF-8 text holds.
    for _ in range(fuzzer.random.randint(1, 5)):
        text[fuzzer.random.randrange(len(text))] = fuzzer.random.randint(0xF8, 0xFF)
    return bytes(text), {}


def nested(fuzzer: Fuzzer) -> tuple[bytes, dict[str, str]]:
    opening, closing = fuzzer.random.choice(
        [(b"[", b"]"), (b'{"requests":', b"}"), (b'{"a":', b"}")]
    )
    depth = fuzzer.random.choice([2, 10, 100, 1_000, 1_500])
    return opening * depth + b"1" + closing * depth, {}


def wrong_content(fuzzer: Fuzzer) -> tuple[bytes, dict[str, str]]:
    text, _ = encoded(fuzzer.valid())
    if fuzzer.random.random() < 0.3:
        return text, {"Content-Encoding": fuzzer.random.choice(["gzip", "br", "deflate", "x"])}
    return text, {"Content-Type": fuzzer.random.choice(TYPES)}


def too_large(fuzzer: Fuzzer) -> tuple[bytes, dict[str, str]]:
    return encoded(fuzzer.valid())[0] + b" " * 20_001, {}


def whole_body(fuzzer: Fuzzer) -> tuple[bytes, dict[str, str]]:
    return encoded(fuzzer.random.choice(OTHERS))


MUTATIONS: tuple[Mutation, ...] = (
    wrong_type, out_of_range, dropped, unknown, unequal, disordered, not_a_number, truncated,
    flipped, nested, wrong_content, too_large, whole_body,
)  # fmt: skip


def assert_refused(answer: Any, body: bytes) -> None:
    shown = f"{body[:300]!r}: {answer.status} {answer.content}"
    assert 400 <= answer.status < 500, shown
    error = answer.content["error"]
    assert error["code"], shown
    assert error["total"] >= 1, shown
    assert all(problem["field"] and problem["reason"] for problem in error["problems"]), shown
    assert error["problems"], shown


def check_each(port: int, ask: Callable[..., Any], count: int) -> Counter[int]:
    """Sends so many malformed requests, all kinds in turn; returns how often each status came."""
    fuzzer = Fuzzer(ask(port, "GET", "/openapi.json").content, seed=0)
    statuses: Counter[int] = Counter()
    for number in range(count):
        body, headers = MUTATIONS[number % len(MUTATIONS)](fuzzer)
        answer = ask(port, "POST", "/score", body, headers)
        assert_refused(answer, body)
        statuses[answer.status] += 1
    for _ in range(20):
        assert ask(port, "POST", "/score", fuzzer.valid()).status == 200
    return statuses


def test_some_malformed_requests(port: int, ask: Callable[..., Any], model: LoggedModel) -> None:
    statuses = check_each(port, ask, 20 * len(MUTATIONS))
    assert set(statuses) == {413, 415, 422}


@pytest.mark.slow
def test_malformed_requests(port: int, ask: Callable[..., Any]) -> None:
    assert check_each(port, ask, 2_600).total() == 2_600
