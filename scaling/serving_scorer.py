"""Answers questions with a logged model: validated data in, probabilities out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from scaling.batch import Context, Schema, View, ViewBatch
from scaling.datasets.view_strategies import category, unmerged
from scaling.history import views_of
from scaling.logged_model import LoggedModel
from scaling.models.turbo import Asked, Engine
from scaling.models.turbo_precision import CacheDtype
from scaling.process import resident_bytes
from scaling.serving_question import HistoryNeeded, Outcome, Question, Scores, Unanswerable


class _Absent(Exception):
    """The engine asked for a history that nobody sent."""


class Scorer:
    """A model, and the engine that keeps what it read of its users."""

    def __init__(
        self, model: LoggedModel, *, cache_bytes: int, cache_dtype: CacheDtype = "float32"
    ) -> None:
        self._schema, self._views = model.schema, model.config.views()
        self._by_candidates = any(_by_candidates(v, model.schema) for v in unmerged(self._views))
        self._engine = Engine(
            model.ranker,
            model.config,
            model.schema,
            cache_bytes=cache_bytes,
            cache_dtype=cache_dtype,
        )

    def answer(self, questions: Sequence[Question]) -> list[Outcome]:
        """One outcome per question; one that can't be answered spoils no other."""
        outcomes: list[Outcome | None] = [None] * len(questions)
        asked: dict[int, Asked] = {}
        for index, question in enumerate(questions):
            asked[index] = self._asked(question)
        for place in self._engine.missing(list(asked.values())):
            question = questions[place]
            if question.history is None:
                outcomes[place] = HistoryNeeded()
            else:
                try:
                    views = self._read(question)
                except ValueError as error:
                    outcomes[place] = Unanswerable(str(error))
                else:
                    asked[place] = self._asked(question, _constant(views))
            if outcomes[place] is not None:
                del asked[place]
        for index, outcome in self._scored(questions, asked).items():
            outcomes[index] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def statistics(self) -> dict[str, float]:
        """The engine's numbers, and those of the process."""
        return {
            **self._engine.statistics(),
            "process_id": os.getpid(),
            "resident_bytes": _resident(),
        }

    def _scored(self, questions: Sequence[Question], asked: dict[int, Asked]) -> dict[int, Outcome]:
        try:
            logits = self._engine.score(list(asked.values())) if asked else []
        except (_Absent, ValueError) as error:
            # Evicted since it was looked for, or refused: one by one, only those are concerned.
            if len(asked) == 1:
                absent = isinstance(error, _Absent)
                return dict.fromkeys(asked, HistoryNeeded() if absent else Unanswerable(str(error)))
            alone = (self._scored(questions, {index: one}) for index, one in asked.items())
            return {index: outcome for found in alone for index, outcome in found.items()}
        return {
            index: Scores(torch.from_numpy(values).sigmoid().numpy())
            for index, values in zip(asked, logits)
        }

    def _asked(
        self, question: Question, history: Callable[[], tuple[ViewBatch, ...]] | None = None
    ) -> Asked:
        return Asked(
            user=question.user,
            version=self._version(question),
            history=history or (lambda: self._late(question)),
            context=Context(
                scenario=_row(question.scenario),
                time=_row(question.time),
                attributes=torch.tensor([question.attributes], dtype=torch.int64).reshape(1, -1),
            ),
            items=torch.from_numpy(question.candidates),
        )

    def _late(self, question: Question) -> tuple[ViewBatch, ...]:
        """The views of a question that was cached a moment ago."""
        if question.history is None:
            raise _Absent
        return self._read(question)

    def _read(self, question: Question) -> tuple[ViewBatch, ...]:
        assert question.history is not None
        return views_of(
            question.history, question.time, self._views, self._schema, question.candidates
        )

    def _version(self, question: Question) -> str:
        """What the views depend on: the history, and where a view asks for them the candidates."""
        if not self._by_candidates:
            return question.version
        return f"{question.version} {hashlib.sha256(question.candidates.data).hexdigest()[:16]}"


def _resident() -> int:
    """Bytes of memory that this process holds now; 0 where the system doesn't say."""
    try:
        return resident_bytes()
    except OSError:
        return 0


def _constant(views: tuple[ViewBatch, ...]) -> Callable[[], tuple[ViewBatch, ...]]:
    return lambda: views


def _by_candidates(view: View, schema: Schema) -> bool:
    found = category(schema, view.strategy)
    return found is not None and found.by == "request"


def _row(value: int) -> Tensor:
    return torch.tensor([value], dtype=torch.int64)
