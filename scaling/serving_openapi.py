"""The OpenAPI description of a service: what its routes say, with the forms of its model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.routing import BaseRoute

from scaling import __version__
from scaling.serving_forms import ScoreForm

_REFERENCE = "#/components/schemas/{model}"


class Answer(BaseModel):
    user: str
    version: str
    """Give it instead of the history next time."""
    probabilities: dict[str, list[float]]
    """By behaviour, one for each candidate, in their order."""


class ScoreAnswer(BaseModel):
    """The answer to POST /score, in the order of its requests."""

    answers: list[Answer]


class Problem(BaseModel):
    field: str
    reason: str


class Error(BaseModel):
    code: str
    problems: list[Problem]
    """The first of them."""
    total: int


class ErrorAnswer(BaseModel):
    """The answer to a request that is refused."""

    error: Error


_REFUSALS = {
    400: "The body ended early.",
    401: "The token is missing or another one.",
    408: "The body came too slowly.",
    409: "A version is not known here: send the history.",
    413: "The body is too large.",
    415: "The body is not application/json, or compressed.",
    422: "The body is not of this form; every problem names its field and what is valid.",
    503: "No replica can answer now: ask again.",
}


def describe(routes: Sequence[BaseRoute], form: type[ScoreForm]) -> dict[str, Any]:
    """The description of these routes, of which POST /score reads `form`."""
    found = get_openapi(
        title="Climber",
        version=__version__,
        routes=routes,
        description="Probabilities of behaviours for a user's candidates.",
    )
    schemas: dict[str, Any] = {}
    post = found["paths"]["/score"]["post"]
    post["requestBody"] = {"required": True, "content": _json(form, schemas)}
    post["responses"] = {
        "200": {"description": "Scores.", "content": _json(ScoreAnswer, schemas)}
    } | {
        str(status): {"description": words, "content": _json(ErrorAnswer, schemas)}
        for status, words in _REFUSALS.items()
    }
    components = found.setdefault("components", {})
    components["schemas"] = schemas
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    found["security"] = [{}, {"token": []}]
    return found


def _json(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    """A reference to the model's schema, which goes into `schemas` with all that it names."""
    described = model.model_json_schema(ref_template=_REFERENCE)
    schemas.update(described.pop("$defs", {}))
    schemas[described["title"]] = described
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(model=described["title"])}}}
