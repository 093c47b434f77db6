"""A small client of `climber serve`, of the standard library alone."""

from __future__ import annotations

import http.client
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self
from urllib.parse import urlsplit

_BROKEN = (ConnectionError, TimeoutError, http.client.HTTPException, OSError)


class ServiceError(RuntimeError):
    """The service refused, or could not be reached.

    Attributes:
        status: of HTTP; None where no answer came.
        code: the service's word for it: `invalid`, `history_needed`, `unavailable`, `token`, ...
        problems: what is wrong, with `field` and `reason`.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "",
        problems: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.problems = status, code, problems


class Client:
    """One connection to a service, for one thread; it reconnects by itself.

    A lost connection and status 503 are tried again with growing pauses: scoring changes nothing,
    so asking twice does no harm.
    """

    def __init__(
        self, url: str, *, token: str | None = None, attempts: int = 8, timeout: float = 60.0
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url must be http://HOST:PORT, got {url!r}")
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._connection = kind(parts.hostname, parts.port, timeout=timeout)
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._prefix, self._attempts = parts.path.rstrip("/"), attempts

    def score(
        self,
        requests: Sequence[Mapping[str, Any]],
        history_of: Callable[[str], Mapping[str, Any]] | None = None,
    ) -> list[dict[str, Any]]:
        """The answers to requests (docs/serving.md), in their order.

        Args:
            history_of: asked for the history of a user whose version the service does not know;
                without it such a request is an error.

        Raises:
            ServiceError: refused, or not answered in the end.
        """
        try:
            found = self._call("POST", "/score", {"requests": list(requests)})
        except ServiceError as error:
            if error.code != "history_needed" or history_of is None:
                raise
            # All histories: between two calls other users may have left the cache as well.
            whole = [{**request, "history": history_of(request["user"])} for request in requests]
            found = self._call("POST", "/score", {"requests": whole})
        answers: list[dict[str, Any]] = found["answers"]
        return answers

    def model(self) -> dict[str, Any]:
        """What is served: run, model, schema, limits."""
        return self._call("GET", "/model")

    def close(self) -> None:
        """Ends the connection; the next call opens another."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def _call(self, method: str, path: str, content: object = None) -> dict[str, Any]:
        body = None if content is None else json.dumps(content, allow_nan=False).encode()
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        last = ServiceError("never asked")
        for attempt in range(self._attempts):
            if attempt:
                # Clients that were turned away together don't come back together.
                time.sleep(min(0.1 * 2**attempt, 5.0) * random.uniform(0.5, 1.0))
            try:
                self._connection.request(method, self._prefix + path, body, headers)
                response = self._connection.getresponse()
                text = response.read()
            except _BROKEN as error:
                self._connection.close()
                last = ServiceError(f"{method} {path}: no answer ({error})")
                continue
            if response.status == 200:
                found: dict[str, Any] = json.loads(text)
                return found
            last = _error(f"{method} {path}", response.status, text)
            if response.status != 503:
                break
        raise last


def _error(what: str, status: int, text: bytes) -> ServiceError:
    try:
        error = json.loads(text)["error"]
        code, problems = error["code"], error["problems"]
    except (ValueError, KeyError, TypeError):
        shown = text[:200].decode(errors="replace")
        return ServiceError(f"{what}: status {status}: {shown}", status=status)
    told = "; ".join(f"{problem['field']} {problem['reason']}" for problem in problems)
    return ServiceError(
        f"{what}: status {status} ({code}): {told}", status=status, code=code, problems=problems
    )
