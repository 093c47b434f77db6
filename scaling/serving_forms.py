"""The forms of POST /score, with the ranges of one model: strict types, nothing unknown let in.

A form is a pydantic model made for a schema, so that the OpenAPI description holds the real ranges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, create_model

from scaling.batch import Schema
from scaling.history import Events
from scaling.serving_limits import Limits
from scaling.serving_question import Ints, Question

LATEST = 2**40
"""Times are seconds within this of the epoch; milliseconds of our days are beyond it."""
F = TypeVar("F", bound=BaseModel)

_MOST_TOLD = 10
_MOST_LISTED = 1_000
"""A body with more problems than that is refused without listing them."""


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class HistoryForm(_Form):
    """A user's events as columns of one length, oldest first."""

    items: list[int]
    actions: list[int]
    scenarios: list[int]
    times: list[int]


class RequestForm(_Form):
    """One user at one moment, and the items to score."""

    user: str
    version: str | None = None
    time: int
    scenario: int
    attributes: Any = None
    history: Any = None
    candidates: list[int]


class ScoreForm(_Form):
    """The body of POST /score."""

    requests: list[RequestForm]


@dataclass(frozen=True)
class Problem:
    """What is wrong at one place of a body."""

    field: str
    reason: str


class Refused(Exception):
    """A body that can't be answered."""

    def __init__(self, problems: list[Problem], total: int | None = None) -> None:
        super().__init__(problems)
        self.problems = problems
        self.total = len(problems) if total is None else total


def make_form(schema: Schema, limits: Limits) -> type[ScoreForm]:
    """The form of POST /score for a model of this schema."""
    name = Annotated[str, Field(min_length=1, max_length=200)]
    time = Annotated[int, Field(ge=-LATEST, le=LATEST, description="Seconds since the epoch.")]
    scenario = _code(schema.num_scenarios, f"An index of: {', '.join(schema.scenarios)}.")
    columns = {
        "items": _code(schema.num_items),
        "actions": _code(schema.num_actions),
        "scenarios": scenario,
        "times": time,
    }
    history = _model(
        "History",
        HistoryForm,
        {name: (_column(kind, limits.history), ...) for name, kind in columns.items()},
    )
    # An attribute may be called anything, also what is no name of a field.
    attributes = {
        f"attribute_{index}": (Annotated[_code(size), Field(alias=attribute)], ...)
        for index, (attribute, size) in enumerate(schema.request_attributes.items())
    }
    chosen: Any = _model("Attributes", _Form, attributes)
    unnamed = "What the history is called; needed where the history is left out."
    absent = "May be left out where the service knows the version."
    request = _model(
        "Request",
        RequestForm,
        {
            "user": (name, ...),
            "version": (Annotated[name | None, Field(description=unnamed)], None),
            "time": (time, ...),
            "scenario": (scenario, ...),
            "attributes": (chosen, ...) if attributes else (chosen | None, None),
            "history": (Annotated[history | None, Field(description=absent)], None),
            "candidates": (_column(_code(schema.num_items), limits.candidates, least=1), ...),
        },
    )
    requests = (_column(request, limits.requests, least=1), ...)
    return _model("ScoreRequest", ScoreForm, {"requests": requests})


def read_questions(body: bytes, form: type[ScoreForm], schema: Schema) -> list[Question]:
    """The questions of a body.

    Raises:
        Refused: no JSON, or not of this form; names the fields and what is valid.
    """
    try:
        asked = form.model_validate_json(body)
    except ValidationError as error:
        raise Refused(*_problems(error, form)) from None
    found = [_question(f"requests[{i}]", one, schema) for i, one in enumerate(asked.requests)]
    problems = [p for p in found if isinstance(p, Problem)]
    if problems:
        raise Refused(problems[:_MOST_TOLD], len(problems))
    return [question for question in found if isinstance(question, Question)]


def version_of(history: Events) -> str:
    """The content's digest: what a history is called that was sent without a version."""
    digest = hashlib.sha256()
    for name in HistoryForm.model_fields:
        digest.update(np.ascontiguousarray(getattr(history, name), np.int64).data)
    return digest.hexdigest()[:16]


def _model(name: str, base: type[F], fields: dict[str, Any]) -> type[F]:
    return create_model(name, __base__=base, __doc__=base.__doc__, **fields)


def _code(size: int, description: str | None = None) -> Any:
    return Annotated[int, Field(ge=0, le=size - 1, description=description)]


def _column(kind: Any, most: int, least: int = 0) -> Any:
    # FailFast: the first wrong entry is told, not a million of them.
    return Annotated[list[kind], Field(min_length=least, max_length=most), FailFast()]


def _question(place: str, form: RequestForm, schema: Schema) -> Question | Problem:
    history: Events | None = None
    version = form.version
    if form.history is not None:
        found = _history(f"{place}.history", form.history, form.time)
        if isinstance(found, Problem):
            return found
        history, version = found, version or version_of(found)
    if version is None:
        return Problem(
            f"{place}.version",
            "is needed where the history is left out: the version that an earlier answer named",
        )
    chosen = form.attributes.model_dump().values() if form.attributes is not None else ()
    return Question(
        user=form.user,
        version=version,
        time=form.time,
        scenario=form.scenario,
        attributes=tuple(chosen) if schema.request_attributes else (),
        candidates=np.array(form.candidates, np.int64),
        history=history,
    )


def _history(place: str, form: HistoryForm, time: int) -> Events | Problem:
    columns = {name: np.array(getattr(form, name), np.int64) for name in HistoryForm.model_fields}
    for name, column in columns.items():
        if len(column) != len(columns["items"]):
            return Problem(
                f"{place}.{name}",
                f"has {len(column)} entries; valid: as many as items, {len(columns['items'])}",
            )
    times: Ints = columns["times"]
    back = np.flatnonzero(np.diff(times) < 0)
    if back.size:
        at = int(back[0]) + 1
        return Problem(
            f"{place}.times[{at}]",
            f"is {times[at]}, earlier than the event before it, {times[at - 1]}; valid: the oldest "
            "event first",
        )
    if times.size and times[-1] > time:
        return Problem(
            f"{place}.times[{times.size - 1}]",
            f"is {times[-1]}, later than the request; valid: at most its time, {time}",
        )
    return Events(**columns)


def _problems(error: ValidationError, form: type[ScoreForm]) -> tuple[list[Problem], int]:
    total = error.error_count()
    if total > _MOST_LISTED:
        return [Problem("body", f"has {total} problems, too many to be listed")], total
    details = error.errors(include_url=False)
    return [_problem(one, form) for one in details[:_MOST_TOLD]], total


def _problem(detail: Mapping[str, Any], form: type[ScoreForm]) -> Problem:
    place = "".join(f"[{p}]" if isinstance(p, int) else f".{_short(p)}" for p in detail["loc"])
    field = place.lstrip(".") or "body"
    reason = str(detail["msg"])
    if detail["type"] == "extra_forbidden":
        valid = ", ".join(_fields(form, detail["loc"])) or "none"
        return Problem(field, f"is no field of the form; valid: {valid}")
    given = detail["input"]
    if detail["type"] not in ("missing", "json_invalid") and _tellable(given):
        reason += f", got {_short(repr(given))}"
    return Problem(field, _plain(reason))


def _fields(form: type[BaseModel], place: tuple[int | str, ...]) -> Iterator[str]:
    """The fields of the object in which `place` lies."""
    inner: Any = form.model_json_schema()
    described = inner
    for part in place[:-1]:
        inner = inner["items"] if isinstance(part, int) else inner["properties"][part]
        options = inner.get("anyOf", [inner])
        inner = next(one for one in options if one.get("type") != "null")
        if "$ref" in inner:
            inner = described["$defs"][inner["$ref"].rpartition("/")[2]]
    yield from inner["properties"]


def _tellable(value: object) -> bool:
    # Python refuses to write out integers of thousands of digits.
    if isinstance(value, int):
        return abs(value) < 2**200
    return value is None or isinstance(value, str | float)


def _short(text: str) -> str:
    return _plain(text if len(text) <= 60 else text[:57] + "...")


def _plain(text: str) -> str:
    """Without what can't be written as UTF-8."""
    return text.encode("utf-8", "replace").decode()
