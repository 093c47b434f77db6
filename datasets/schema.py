"""A data set's schema as plain data, and whether it is in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from scaling.batch import ItemAttribute, Schema


def schema_facts(schema: Schema) -> dict[str, Any]:
    """The schema as plain data, without the items' attribute values."""
    return {
        "num_items": schema.num_items,
        "behaviours": list(schema.behaviours),
        "action_labels": [list(labels) for labels in schema.action_labels],
        "scenarios": list(schema.scenarios),
        "item_attributes": {name: a.size for name, a in schema.item_attributes.items()},
        "request_attributes": dict(schema.request_attributes),
        "max_candidates": schema.max_candidates,
    }


def schema_from_facts(
    facts: Mapping[str, Any], of_item: Mapping[str, npt.NDArray[np.int64]]
) -> Schema:
    """The schema that `schema_facts` described, with the items' attribute values by name."""
    return Schema(
        num_items=facts["num_items"],
        behaviours=tuple(facts["behaviours"]),
        action_labels=tuple(tuple(labels) for labels in facts["action_labels"]),
        scenarios=tuple(facts["scenarios"]),
        item_attributes={
            name: ItemAttribute(size=size, of_item=of_item[name])
            for name, size in facts["item_attributes"].items()
        },
        request_attributes=dict(facts["request_attributes"]),
        max_candidates=facts["max_candidates"],
    )


def check_schema(schema: Schema) -> None:
    """`ValueError` where a schema contradicts itself or does not fit the log's columns."""
    if not 1 <= schema.num_items <= np.iinfo(np.int32).max:
        raise ValueError(f"schema.num_items must be 1 .. 2147483647, got {schema.num_items}")
    if not schema.behaviours or len(set(schema.behaviours)) != len(schema.behaviours):
        raise ValueError(f"schema.behaviours must be distinct names, got {schema.behaviours}")
    if "recent" in schema.behaviours:
        raise ValueError("schema.behaviours must not hold 'recent': it names a view strategy")
    for code, labels in enumerate(schema.action_labels):
        if len(labels) != schema.num_behaviours or not set(labels) <= {0, 1}:
            raise ValueError(
                f"schema.action_labels[{code}] must be 0 or 1 for each of "
                f"{', '.join(schema.behaviours)}, got {labels}"
            )
    for field in ("num_actions", "num_scenarios"):
        if not 1 <= getattr(schema, field) <= 256:
            raise ValueError(f"schema.{field} must be 1 .. 256, got {getattr(schema, field)}")
    for name, attribute in schema.item_attributes.items():
        values = attribute.of_item
        if values.shape != (schema.num_items,):
            raise ValueError(
                f"item attribute {name!r} must have one value for each of {schema.num_items} "
                f"items, got shape {values.shape}"
            )
        if values.min() < 0 or values.max() >= attribute.size:
            raise ValueError(
                f"item attribute {name!r} holds {values.min()} .. {values.max()}; "
                f"valid: 0 .. {attribute.size - 1}"
            )
