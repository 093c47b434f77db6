"""What a service tells about its model: enough to ask it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from scaling.batch import Schema
from scaling.logged_model import LoggedModel
from scaling.serving_limits import Limits


def describe_model(model: LoggedModel, name: str, limits: Limits) -> dict[str, Any]:
    """What GET /model answers: the run, the model, what its codes mean, and the limits."""
    return {
        "run_id": name,
        "architecture": model.config.variant,
        "config": model.config.to_dict(),
        "schema": _schema(model.schema),
        "encode_reads": list(model.config.encode_reads),
        "limits": asdict(limits),
        "about": dict(model.about),
    }


def _schema(schema: Schema) -> Mapping[str, Any]:
    return {
        "num_items": schema.num_items,
        "behaviours": list(schema.behaviours),
        "action_labels": [list(labels) for labels in schema.action_labels],
        "scenarios": list(schema.scenarios),
        "request_attributes": dict(schema.request_attributes),
    }
