"""Any model of one sequence can be given exactly the events that another model's blocks read."""

from __future__ import annotations

import dataclasses

import pytest

from scaling.batch import Schema, View
from scaling.models.astro import AstroConfig
from scaling.models.base import MODELS, ModelConfig
from scaling.models.one_view import OneViewConfig

SINGLE = [name for name in MODELS.names() if issubclass(MODELS.get(name), OneViewConfig)]


def test_the_paper_baselines_and_the_backbones_read_one_view() -> None:
    assert {"transformer", "hstu", "din", "twin", "dlrm", "lightning", "longer", "gru"} <= set(
        SINGLE
    )


@pytest.mark.parametrize("name", SINGLE)
def test_the_control_view_is_the_union_of_the_blocks(name: str, schema: Schema) -> None:
    astro = AstroConfig.example(schema)
    example = MODELS.get(name).example(schema)
    control = dataclasses.replace(
        example, strategy="merged", of=astro.views(), seq_len=astro.seq_len
    )  # type: ignore[call-arg]
    assert control.views() == (View(strategy="merged", length=astro.seq_len, of=astro.views()),)
    assert ModelConfig.from_dict(control.to_dict()) == control
    assert "strategy=merged, of=recent+click" in control.variant
    assert control.params(schema) == example.params(schema)
