"""Names of what a ranker tells about itself: made by models, read by whoever draws them.

A learned temperature is the divisor that an attention layer uses in place of sqrt(head dimension),
relative to it: 1 is the plain scaling, above 1 is a softer attention, below 1 a sharper one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FIRST = "temperature"
_NAME = re.compile(rf"{_FIRST}\.([^.]+)(?:\.layer(\d+))?\.([^.]+)")


@dataclass(frozen=True)
class Temperature:
    """Which temperature a name stands for."""

    block: str
    scenario: str
    layer: int | None
    """From 0; None for the mean over layers."""


def temperature_name(block: str, scenario: str, layer: int | None = None) -> str:
    """`temperature.BLOCK.SCENARIO`, or `temperature.BLOCK.layerL.SCENARIO` for one layer.

    The value is the mean over the heads (and the layers, where none is named). Characters that
    would not survive as part of a metric's name become `_`.

    Args:
        block: number and strategy, `0-recent`.
        scenario: the scenario's name.
        layer: from 0; None for the mean over layers.
    """
    parts = [_FIRST, _part(block), *([] if layer is None else [f"layer{layer}"]), _part(scenario)]
    return ".".join(parts)


def parse_temperature(name: str) -> Temperature | None:
    """What `temperature_name` named; None for any other name."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    block, layer, scenario = found.groups()
    return Temperature(block, scenario, None if layer is None else int(layer))


def metric_name(text: str) -> str:
    """A name that MLflow takes for a metric: what it refuses becomes `_`."""
    return re.sub(r"[^\w.\- /]", "_", text)


def _part(text: str) -> str:
    return re.sub(r"[^\w-]", "_", text)
