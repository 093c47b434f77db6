"""A logged model as MLflow's `python_function`: a table of requests in, probabilities out.

MLflow names this module in the model's `MLmodel` file and calls `_load_pyfunc`; the code is that of
the installed package. One row is one request; everything is in the data set's codes (`schema.json`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import torch

from scaling.batch import Schema
from scaling.history import Events, PostedRequest, batch_of
from scaling.logged_model import LoggedModel, load

HISTORY: Final = ("history_items", "history_actions", "history_scenarios", "history_times")
"""Columns of lists, oldest event first: what `scaling.history.Events` holds."""
TIME, SCENARIO, ATTRIBUTES, CANDIDATES = "time", "scenario", "attributes", "candidates"
"""Columns: seconds since the epoch, an index of `schema.scenarios`, and lists (values of
`schema.request_attributes` in order, item ids to score)."""

_ROWS = 64
"""Requests that are scored at a time."""


def columns_of(schema: Schema) -> tuple[str, ...]:
    """The columns that a table of requests must have."""
    attributes = (ATTRIBUTES,) if schema.request_attributes else ()
    return (TIME, SCENARIO, *attributes, CANDIDATES, *HISTORY)


def example_of(schema: Schema) -> pd.DataFrame:
    """Two requests that any model of this data answers: one with a history, one without."""
    items = [number % schema.num_items for number in range(3)]
    known: dict[str, Any] = {
        TIME: 1_600_000_000,
        SCENARIO: 0,
        CANDIDATES: items,
        "history_items": items,
        "history_actions": [0, 0, schema.num_actions - 1],
        "history_scenarios": [0, 0, 0],
        "history_times": [1_599_990_000, 1_599_990_200, 1_599_999_000],
    }
    if schema.request_attributes:
        known[ATTRIBUTES] = [0] * len(schema.request_attributes)
    new = {**known, **{name: [] for name in HISTORY}}
    return pd.DataFrame([known, new], columns=list(columns_of(schema)))


class Scorer:
    """What `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, model: LoggedModel) -> None:
        self.model = model

    def predict(
        self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """One row per request and one column per behaviour: the list of the candidates'
        probabilities, in their order.

        Raises:
            ValueError: a missing column, or what `scaling.history.batch_of` refuses; names the row.
        """
        schema = self.model.schema
        missing = [name for name in columns_of(schema) if name not in model_input.columns]
        if missing:
            raise ValueError(
                f"the table of requests has no column {missing[0]!r}; needed: "
                f"{', '.join(columns_of(schema))}"
            )
        requests = [
            _request(row, schema, number)
            for number, row in enumerate(model_input.to_dict("records"))
        ]
        found: list[list[list[float]]] = []
        for begin in range(0, len(requests), _ROWS):
            found += self._scores(requests[begin : begin + _ROWS], begin)
        return pd.DataFrame(
            {
                behaviour: [request[column] for request in found]
                for column, behaviour in enumerate(schema.behaviours)
            },
            index=model_input.index,
        )

    def _scores(self, requests: list[PostedRequest], first: int) -> list[list[list[float]]]:
        """Probabilities of some requests, [request][behaviour][candidate]."""
        model = self.model
        try:
            batch = batch_of(requests, model.config.views(), model.schema)
        except ValueError as error:
            raise ValueError(f"from row {first} on: {error}") from None
        with torch.inference_mode():
            scores = model.ranker(batch).float().sigmoid()
        counts = batch.num_candidates()
        return [one[:count].T.tolist() for one, count in zip(scores, counts)]


def _load_pyfunc(data_path: str) -> Scorer:
    """Called by MLflow with the folder that `scaling.logged_model.save` wrote."""
    return Scorer(load(Path(data_path)))


def _request(row: Mapping[Any, Any], schema: Schema, number: int) -> PostedRequest:
    def column(name: str) -> Any:
        values = np.asarray(row[name])
        # An empty list has no type of its own.
        return values.astype(np.int64) if values.shape == (0,) else values

    try:
        attributes = tuple(map(int, row[ATTRIBUTES])) if schema.request_attributes else ()
        return PostedRequest(
            events=Events(*map(column, HISTORY)),
            time=int(row[TIME]),
            candidates=column(CANDIDATES),
            scenario=int(row[SCENARIO]),
            attributes=attributes,
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"row {number} of the requests can't be read: {error}") from None
