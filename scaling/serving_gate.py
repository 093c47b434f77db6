"""Before the routes: who may ask, and what is counted."""

from __future__ import annotations

import hmac
import json
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scaling.serving_metrics import Metrics

_OPEN = "/healthz"
_COUNTED = ("/score", "/healthz", "/model", "/metrics", "/openapi.json")


class Gate:
    """Asks for the token and counts what passes, unknown paths included."""

    def __init__(self, app: ASGIApp, *, token: str | None, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics
        self._wanted = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A label per unknown path would be memory for whoever asks.
        path = scope["path"] if scope["path"] in _COUNTED else "other"
        begin, status = time.perf_counter(), 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._metrics.running.track_inprogress():
            try:
                if path == _OPEN or self._admits(scope):
                    await self._app(scope, receive, counted)
                else:
                    await _turn_away(counted)
            finally:
                self._metrics.requests.labels(path, str(status)).inc()
                self._metrics.seconds.labels(path).observe(time.perf_counter() - begin)

    def _admits(self, scope: Scope) -> bool:
        if self._wanted is None:
            return True
        given = next((v for name, v in scope["headers"] if name == b"authorization"), b"")
        scheme, _, token = given.partition(b" ")
        # In constant time: how long a refusal takes tells nothing about the token.
        return hmac.compare_digest(token.strip(), self._wanted) and scheme.lower() == b"bearer"


async def _turn_away(send: Send) -> None:
    reason = "must be `Bearer TOKEN` with the token of this service"
    problem = {"field": "header Authorization", "reason": reason}
    error = {"code": "token", "problems": [problem], "total": 1}
    body = json.dumps({"error": error}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", b"Bearer"),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})
