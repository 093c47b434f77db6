"""The HTTP side of a service: routes, refusals that say why, and the OpenAPI description."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from scaling import __version__
from scaling.batch import Schema
from scaling.serving_forms import Problem, Refused, make_form, read_questions
from scaling.serving_gate import Gate
from scaling.serving_limits import Limits
from scaling.serving_metrics import Metrics
from scaling.serving_openapi import describe
from scaling.serving_question import (
    Backend,
    HistoryNeeded,
    Outcome,
    Question,
    Scores,
    Unanswerable,
    Unavailable,
)

_BODY_SECONDS = 30.0
"""A body that hasn't come by then is given up."""


class Refusal(Exception):
    """An answer other than the one asked for: a status, a code for programs, and reasons."""

    def __init__(
        self, status: int, code: str, problems: Sequence[Problem], total: int | None = None
    ) -> None:
        super().__init__(status, code)
        self.status, self.code, self.problems = status, code, list(problems)
        self.total = len(self.problems) if total is None else total

    def response(self) -> JSONResponse:
        error = {
            "code": self.code,
            "problems": [vars(problem) for problem in self.problems],
            "total": self.total,
        }
        headers = {"Retry-After": "1"} if self.status == 503 else None
        return JSONResponse({"error": error}, self.status, headers)


def make_app(
    backend: Backend,
    schema: Schema,
    model: Mapping[str, Any],
    *,
    limits: Limits,
    token: str | None = None,
) -> FastAPI:
    """The application that answers for one model.

    Args:
        backend: what scores.
        schema: of the model; gives the ranges of all that is asked.
        model: what GET /model answers, as JSON data.
        token: asked for as `Authorization: Bearer TOKEN` by everything but GET /healthz; None: not.
    """
    form = make_form(schema, limits)
    metrics = Metrics(backend)
    # The pages that show a description load scripts from elsewhere: left out.
    app = FastAPI(title="Climber", version=__version__, docs_url=None, redoc_url=None)
    app.openapi = lambda: description  # type: ignore[method-assign]

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        ready = await backend.replicas()
        words = "ok" if ready else "no replica is ready"
        return JSONResponse({"status": words, "replicas": ready}, 200 if ready else 503)

    @app.get("/model")
    async def about() -> JSONResponse:
        return JSONResponse(dict(model))

    @app.get("/metrics")
    async def numbers() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.post("/score")
    async def score(request: Request) -> JSONResponse:
        body = await _body(request, limits.body)
        try:
            questions = read_questions(body, form, schema)
        except Refused as error:
            raise Refusal(422, "invalid", error.problems, error.total) from None
        outcomes = await _answers(backend, questions)
        answers = [
            _answer(question, outcome, schema) for question, outcome in zip(questions, outcomes)
        ]
        metrics.candidates.inc(sum(len(question.candidates) for question in questions))
        return JSONResponse({"answers": answers})

    @app.exception_handler(Refusal)
    async def refuse(request: Request, error: Refusal) -> JSONResponse:
        return error.response()

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> JSONResponse:
        # Starlette's own: an unknown path, a wrong method.
        codes = {404: "unknown_path", 405: "wrong_method"}
        valid = "GET /healthz, GET /model, GET /metrics, GET /openapi.json, POST /score"
        problem = Problem("path", f"{error.detail}; valid: {valid}")
        found = Refusal(error.status_code, codes.get(error.status_code, "invalid"), [problem])
        response = found.response()
        response.headers.update(error.headers or {})
        return response

    description = describe(app.routes, form)
    app.add_middleware(Gate, token=token, metrics=metrics)
    return app


async def _body(request: Request, most: int) -> bytes:
    """The request's body, once its head says that it is JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        got = f"got {kind[:60]!r}" if kind else "got none"
        raise _refused(
            415, "content_type", "header Content-Type", f"valid: application/json, {got}"
        )
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        reason = "a compressed body is not read; valid: no such header"
        raise _refused(415, "content_encoding", "header Content-Encoding", reason)
    too_large = _refused(413, "too_large", "body", f"is too large; valid: at most {most} bytes")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and len(length) < 20 and int(length) > most:
        raise too_large
    parts, size = [], 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        reason = f"didn't come within {_BODY_SECONDS:g} s"
        raise _refused(408, "too_slow", "body", reason) from None
    except ClientDisconnect:
        raise _refused(400, "incomplete", "body", "ended early") from None
    return b"".join(parts)


async def _answers(backend: Backend, questions: Sequence[Question]) -> list[Outcome]:
    """All outcomes; `Refusal` where one of the questions has no scores."""
    try:
        outcomes = list(await asyncio.gather(*map(backend.answer, questions)))
    except Unavailable as error:
        raise _refused(503, "unavailable", "service", str(error)) from None
    wrong = [
        Problem(f"requests[{index}].history", outcome.reason)
        for index, outcome in enumerate(outcomes)
        if isinstance(outcome, Unanswerable)
    ]
    if wrong:
        raise Refusal(422, "invalid", wrong)
    needed = [
        Problem(f"requests[{index}].history", "is needed: this version is not known here")
        for index, outcome in enumerate(outcomes)
        if isinstance(outcome, HistoryNeeded)
    ]
    if needed:
        raise Refusal(409, "history_needed", needed)
    return outcomes


def _answer(question: Question, outcome: Outcome, schema: Schema) -> dict[str, Any]:
    assert isinstance(outcome, Scores)
    return {
        "user": question.user,
        "version": question.version,
        "probabilities": {
            name: column.tolist()
            for name, column in zip(schema.behaviours, outcome.probabilities.T)
        },
    }


def _refused(status: int, code: str, field: str, reason: str) -> Refusal:
    return Refusal(status, code, [Problem(field, reason)])
