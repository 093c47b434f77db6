"""A fitted line in compute as layers of a figure: inside the data, beyond them, and its band."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scaling.analysis.figure import Layer
from scaling.analysis.law import Array

REACH = 3.0
"""How far beyond the largest measured compute a line is drawn, as `beyond`."""
POINTS = 60


def law_line(
    key: str,
    measured: tuple[float, float],
    at: Callable[[Array], Array],
    band: Callable[[Array], tuple[Array, Array]],
) -> list[Layer]:
    """Layers `curve`, `beyond` and, where it is finite, `band`.

    Args:
        key: the group's.
        measured: the lowest and the highest compute that the line was fitted to.
        at: the line's value at each compute.
        band: its lower and upper edge.
    """
    low, high = measured
    inside, outside = np.geomspace(low, high, POINTS), np.geomspace(high, REACH * high, POINTS // 3)
    layers = [Layer("curve", key, inside, at(inside)), Layer("beyond", key, outside, at(outside))]
    whole = np.geomspace(low, REACH * high, POINTS + POINTS // 3)
    lower, upper = band(whole)
    if np.isfinite(lower).all() and np.isfinite(upper).all():
        layers.append(Layer("band", key, whole, lower, upper))
    return layers
