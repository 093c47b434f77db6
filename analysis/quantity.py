"""What columns of a run table are called in figures."""

from __future__ import annotations

from typing import NamedTuple


class Quantity(NamedTuple):
    """A column in words."""

    words: str
    """In a title."""
    label: str
    """Beside an axis, with the unit."""


COMPUTE = Quantity("training compute", "training compute (FLOPs)")
QUANTITIES = {
    "params": Quantity("parameters", "dense parameters"),
    "flops_per_request": Quantity("FLOPs per request", "forward FLOPs per request"),
    "examples": Quantity("examples", "examples seen in training"),
    "seq_len": Quantity("sequence length", "sequence length (events read)"),
    "depth": Quantity("depth", "depth (layers)"),
    "blocks": Quantity("number of blocks", "blocks"),
    "width": Quantity("width", "width"),
}
"""By column: what a sweep varies."""
